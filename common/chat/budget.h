// What one rendering may use. Loops, calls, and the bytes that are read and made are counted, so a
// template that runs for ever or fills memory ends with an error. The counts are close to the real
// costs, not equal: memory in use can be a few times max_bytes.
#ifndef RECYCLING_COMMON_CHAT_BUDGET_H_
#define RECYCLING_COMMON_CHAT_BUDGET_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace recycling::chat {

struct RenderLimits {
  std::uint64_t max_steps = 4'000'000;  // evaluated expressions, loop items and compared items
  std::uint64_t max_bytes = std::uint64_t{128} << 20;  // of all texts and lists ever made
  std::uint64_t max_output_bytes = std::uint64_t{16} << 20;
  int max_depth = 500;  // of evaluations within evaluations
};

// Threads: used by one.
class Budget {
 public:
  explicit Budget(const RenderLimits& limits) : limits_(limits) {}

  // ResourceExhausted once the limit is passed; the template then must end.
  absl::Status Step(std::uint64_t steps = 1) {
    steps_ += steps;
    if (steps_ <= limits_.max_steps) return absl::OkStatus();
    return absl::ResourceExhaustedError(
        absl::StrCat("the template takes more than ", limits_.max_steps, " steps"));
  }
  absl::Status Bytes(std::uint64_t bytes) {
    bytes_ += bytes;
    if (bytes_ <= limits_.max_bytes) return absl::OkStatus();
    return absl::ResourceExhaustedError(
        absl::StrCat("the template makes more than ", limits_.max_bytes, " bytes of values"));
  }

  // `count` things of `each` bytes.
  absl::Status Items(std::uint64_t count, std::uint64_t each) {
    const std::uint64_t most = limits_.max_bytes / std::max<std::uint64_t>(each, 1);
    return Bytes(count > most ? limits_.max_bytes + 1 : count * each);
  }
  // Reading `bytes` of a text once.
  absl::Status Read(std::uint64_t bytes) { return Step(bytes / 256); }

  // Counts one level of nested evaluation while it lives.
  class Level {
   public:
    explicit Level(Budget& budget) : budget_(budget) { ++budget_.depth_; }
    ~Level() { --budget_.depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

    // ResourceExhausted if the limit is passed.
    absl::Status Check() const {
      if (budget_.depth_ <= budget_.limits_.max_depth) return absl::OkStatus();
      return absl::ResourceExhaustedError(absl::StrCat("the template nests deeper than ",
                                                       budget_.limits_.max_depth, " evaluations"));
    }

   private:
    Budget& budget_;
  };

  const RenderLimits& limits() const { return limits_; }

 private:
  const RenderLimits limits_;
  int depth_ = 0;
  std::uint64_t steps_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace recycling::chat

#endif  // RECYCLING_COMMON_CHAT_BUDGET_H_
