#include "verifier/schedule/pass_costs.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace recycling::verifier {
namespace {

constexpr int kCountedPasses = 32;
constexpr double kWholeCurve = 1.0 / 8;
const double kMostOff = std::log(1.5);

double LogMicros(absl::Duration duration) {
  constexpr double kMost = std::numeric_limits<std::uint32_t>::max();
  return std::log(std::clamp(absl::ToDoubleMicroseconds(duration), 1.0, kMost));
}

}  // namespace

void PassCosts::Set(int rows, absl::Duration duration) {
  auto at = std::lower_bound(points_.begin(), points_.end(), rows,
                             [](const Point& point, int value) { return point.rows < value; });
  if (at == points_.end() || at->rows != rows) {
    if (points_.size() == kMostPoints) return;
    at = points_.insert(at, Point{.rows = rows, .log_micros = 0, .passes = 0});
  }
  at->log_micros = LogMicros(duration);
  at->passes = kCountedPasses;
}

void PassCosts::Record(int rows, absl::Duration duration) {
  const double measured = LogMicros(duration);
  if (points_.empty())
    return points_.push_back({.rows = rows, .log_micros = measured, .passes = 1});
  const int near = points_[Nearest(rows)].rows;
  const bool far = 4.0 * std::max(near, rows) > 5.0 * std::min(near, rows);
  if (far && points_.size() < kMostPoints) {
    Set(rows, duration);
    points_[Nearest(rows)].passes = 1;
    return;
  }
  const double off = std::clamp(measured - LogMicrosAt(rows), -kMostOff, kMostOff);
  for (Point& point : points_) point.log_micros += kWholeCurve * off;
  Point& nearest = points_[Nearest(rows)];
  nearest.passes = std::min(nearest.passes + 1, kCountedPasses);
  nearest.log_micros += (1 - kWholeCurve) * off / nearest.passes;
}

std::size_t PassCosts::Nearest(int rows) const {
  const auto after =
      std::lower_bound(points_.begin(), points_.end(), rows,
                       [](const Point& point, int value) { return point.rows < value; });
  if (after == points_.end()) return points_.size() - 1;
  const auto index = static_cast<std::size_t>(after - points_.begin());
  if (index == 0) return 0;
  return after->rows - rows < rows - points_[index - 1].rows ? index : index - 1;
}

double PassCosts::LogMicrosAt(int rows) const {
  const auto after =
      std::lower_bound(points_.begin(), points_.end(), rows,
                       [](const Point& point, int value) { return point.rows < value; });
  if (after == points_.end()) {
    const Point& last = points_.back();
    if (points_.size() == 1 || last.rows == rows) return last.log_micros;
    const Point& before = points_[points_.size() - 2];
    const double micros = std::exp(last.log_micros);
    const double slope = (micros - std::exp(before.log_micros)) / (last.rows - before.rows);
    return std::log(micros + std::max(slope, 0.0) * (rows - last.rows));
  }
  if (after == points_.begin() || after->rows == rows) return after->log_micros;
  const Point& before = *(after - 1);
  const double share =
      static_cast<double>(rows - before.rows) / static_cast<double>(after->rows - before.rows);
  return std::log((1 - share) * std::exp(before.log_micros) + share * std::exp(after->log_micros));
}

absl::Duration PassCosts::At(int rows) const {
  if (points_.empty()) return absl::ZeroDuration();
  return absl::Microseconds(std::exp(LogMicrosAt(rows)));
}

std::vector<PassCost> PassCosts::Snapshot() const {
  constexpr double kMost = std::numeric_limits<std::uint32_t>::max();
  std::vector<PassCost> costs;
  costs.reserve(points_.size());
  double highest = 1;
  for (const Point& point : points_) {
    highest = std::clamp(std::round(std::exp(point.log_micros)), highest, kMost);
    costs.push_back({.rows = static_cast<std::uint32_t>(point.rows),
                     .micros = static_cast<std::uint32_t>(highest)});
  }
  return costs;
}

}  // namespace recycling::verifier
