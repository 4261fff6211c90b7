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

// The time of a pass as a function of its number of rows: a curve through a few points, linear
// between them. Each recorded pass corrects the curve:
// 1. A pass of any size moves the whole curve by 1/8 of its error, because a machine that slows
//    down, or a longer context, makes all passes slower by about the same factor.
// 2. The point nearest to the pass moves further, so that the shape of the curve changes, too. It
//    moves by 1/n of the error that rule 1 has left. n is the number of passes that have measured
//    this point, at most 32. A point of Set begins with n = 32.
// 3. The error of one pass is limited to a factor of 1.5, so that one disturbed pass changes
//    little.
// Not thread-safe.
class PassCosts {
 public:
  static constexpr std::size_t kMostPoints = 48;

  // Sets the point at `rows` to a measured time. Does nothing if it would be point kMostPoints + 1.
  // Requires rows >= 1.
  void Set(int rows, absl::Duration duration);

  // Corrects the curve with the time of a pass. If the nearest point differs by more than a fourth
  // in rows, and there are fewer than kMostPoints points, the pass becomes a new point. Requires
  // rows >= 1.
  void Record(int rows, absl::Duration duration);

  // True if there is no point yet.
  bool empty() const { return points_.empty(); }

  // The time of a pass of `rows` rows. After the last point, the line through the last two points
  // continues. Before the first point, the time is that of the first point. Zero if there are no
  // points. Requires rows >= 1.
  absl::Duration At(int rows) const;

  // The points of the curve in ascending order of rows. micros is at least 1 and does not decrease
  // from point to point.
  std::vector<PassCost> Snapshot() const;

 private:
  struct Point {
    int rows = 0;
    double log_micros = 0;
    int passes = 0;  // number of passes, at most 32
  };

  std::size_t Nearest(int rows) const;
  double LogMicrosAt(int rows) const;

  std::vector<Point> points_;  // rows ascending
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_SCHEDULE_PASS_COSTS_H_
