#ifndef RECYCLING_VERIFIER_SCHEDULE_PASS_COSTS_H_
#define RECYCLING_VERIFIER_SCHEDULE_PASS_COSTS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/time/time.h"

namespace recycling::verifier {

// How long one pass of `rows` rows takes.
struct PassCost {
  std::uint32_t rows = 0;
  std::uint32_t micros = 0;
};

// What a pass costs by its number of rows: a curve through a few points, linear between them. Every
// pass that runs corrects it:
//  1. A pass of any size moves the whole curve by 1/8 of its error, because a machine that slows
//     down, or a longer context, makes all passes slower by about the same factor.
//  2. The point nearest to the pass moves by up to 1/32 of the error more, so that the shape of the
//     curve changes slowly.
//  3. One pass counts as at most 1.5 times too slow or too fast, so that one disturbed pass changes
//     little.
// Not thread-safe.
class PassCosts {
 public:
  static constexpr std::size_t kMostPoints = 48;

  // Sets the point at `rows` to a careful measurement. Requires rows >= 1.
  void Set(int rows, absl::Duration duration);

  // Corrects the curve by a pass that ran. The pass becomes a point of its own if the nearest point
  // differs by more than a fourth in rows and there are fewer than kMostPoints. Requires rows >= 1.
  void Record(int rows, absl::Duration duration);

  // True if nothing was measured yet.
  bool empty() const { return points_.empty(); }

  // What a pass of `rows` rows costs. Beyond the last point the line through the last two points
  // goes on; before the first point its cost holds. Zero without points. Requires rows >= 1.
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
