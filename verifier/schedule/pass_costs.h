#ifndef RECYCLING_VERIFIER_SCHEDULE_PASS_COSTS_H_
#define RECYCLING_VERIFIER_SCHEDULE_PASS_COSTS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/time/time.h"

namespace recycling::verifier {

struct PassCost {
  std::uint32_t rows = 0;
  std::uint32_t micros = 0;  // of one pass
};

// What a pass costs by its number of rows: a curve through a few points, linear in between, that
// follows the machine.
//  1. A pass of any size moves the whole curve by 1/8 of how far it was off: a machine that slows
//     down, or a longer context, makes all passes slower by about the same factor.
//  2. The point nearest to it moves by up to 1/32 more, so that the shape follows, slowly.
//  3. One pass counts as at most 1.5 times too slow or too fast, so that a hiccup moves little.
// Not thread-safe.
class PassCosts {
 public:
  static constexpr std::size_t kMostPoints = 48;

  // A careful measurement, taken as it is. Requires rows >= 1.
  void Set(int rows, absl::Duration duration);

  // A pass. Becomes a point of its own where the next one is more than a fourth away and there is
  // room. Requires rows >= 1.
  void Record(int rows, absl::Duration duration);

  // Nothing was measured yet.
  bool empty() const { return points_.empty(); }

  // What a pass of `rows` rows costs: on from the last two points behind them, the first one's
  // before it. Zero without points. Requires rows >= 1.
  absl::Duration At(int rows) const;

  // The curve's points, rows ascending, micros at least 1 and not descending.
  std::vector<PassCost> Snapshot() const;

 private:
  struct Point {
    int rows = 0;
    double log_micros = 0;
    int passes = 0;  // counted to 32
  };

  std::size_t Nearest(int rows) const;
  double LogMicrosAt(int rows) const;

  std::vector<Point> points_;  // rows ascending
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_SCHEDULE_PASS_COSTS_H_
