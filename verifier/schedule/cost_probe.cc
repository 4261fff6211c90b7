#include "verifier/schedule/cost_probe.h"

#include <algorithm>
#include <cstdint>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"

namespace recycling::verifier {
namespace {

constexpr int kPasses = 3;  // of each size

// Runs steps with trees of any size. Opens a new sequence when the context is full.
class ProbeSequence {
 public:
  explicit ProbeSequence(Scheduler& scheduler) : scheduler_(scheduler) {}

  // Runs a step of `rows` rows and returns its time in the verifier, without its time in the queue.
  absl::StatusOr<absl::Duration> Step(int rows) {
    if (sequence_ == nullptr || base_ + 3 > max_tokens()) {
      RETURN_IF_ERROR(Open());
    }
    VerifyStep step = {.base = base_, .tree = DraftTree::Root(base_, root_)};
    for (TokenId token = 0; static_cast<int>(token) + 1 < rows; ++token) {
      step.tree->tokens.push_back(token);
      step.tree->parents.push_back(0);
    }
    // The callback shares the promise, because it may still be inside set_value when get returns.
    const auto done = std::make_shared<std::promise<absl::StatusOr<StepResult>>>();
    RETURN_IF_ERROR(sequence_->Verify(std::move(step), [done](absl::StatusOr<StepResult> result) {
      done->set_value(std::move(result));
    }));
    ASSIGN_OR_RETURN(const StepResult result, done->get_future().get());
    base_ += static_cast<std::uint32_t>(result.tokens.size());
    root_ = result.tokens.back();
    return result.timings.forward + result.timings.sample;
  }

 private:
  // At most one page, so that the sequence fits into the smallest cache.
  std::uint32_t max_tokens() const {
    return std::min(scheduler_.transformer().context_length(),
                    static_cast<std::uint32_t>(kKvBlockRows));
  }

  absl::Status Open() {
    sequence_.reset();
    SequenceOptions options = {.prompt_ids = {0, 0, 0}, .learn_last = 1, .want_candidates = true};
    options.sampling.ignore_eos = true;
    options.sampling.max_tokens = max_tokens() - 3;
    const auto opened = std::make_shared<std::promise<absl::Status>>();
    ASSIGN_OR_RETURN(sequence_,
                     scheduler_.Open(options, [opened](const absl::StatusOr<OpenResult>& result) {
                       opened->set_value(result.status());
                     }));
    base_ = 3;
    root_ = 0;
    return opened->get_future().get();
  }

  Scheduler& scheduler_;
  std::unique_ptr<Sequence> sequence_;
  std::uint32_t base_ = 0;
  TokenId root_ = 0;
};

// The numbers of rows to measure, from 1 to `most_rows`.
std::vector<int> Sizes(int most_rows) {
  std::vector<int> sizes;
  for (int rows = 1; rows < most_rows; rows *= 2) sizes.push_back(rows);
  sizes.push_back(most_rows);
  // Kernels that work in tiles of 16 rows take longer as soon as a new tile begins.
  for (const int rows : {81, 17, 33, 48, 49, 65, 80, 24, 96, 12}) {
    if (rows < most_rows && std::find(sizes.begin(), sizes.end(), rows) == sizes.end()) {
      sizes.push_back(rows);
    }
  }
  return sizes;
}

}  // namespace

absl::Status MeasurePassCosts(Scheduler& scheduler, absl::Duration budget, const Clock& clock) {
  if (scheduler.transformer().context_length() < 8) return absl::OkStatus();
  const absl::Duration begin = clock.Monotonic();
  const SchedulerOptions& options = scheduler.options();
  // All nodes are children of the root. Children of one node must have different tokens, so the
  // vocabulary limits their number.
  const std::vector<int> sizes =
      Sizes(std::min(options.max_tree_nodes,
                     static_cast<int>(std::min<std::uint32_t>(options.vocab_size, 1u << 16))) +
            1);
  ProbeSequence sequence(scheduler);
  for (int warm = 0; warm < 2; ++warm) RETURN_IF_ERROR(sequence.Step(1).status());
  RETURN_IF_ERROR(sequence.Step(sizes.back() > 1 ? 2 : 1).status());

  PassCosts costs;
  absl::Duration time_per_row;  // of the last size measured; an upper bound for larger sizes
  int left_out = 0;
  for (const int rows : sizes) {
    const absl::Duration left = budget - (clock.Monotonic() - begin);
    if (rows > 1 && time_per_row * rows > left) {
      ++left_out;
      continue;
    }
    absl::Duration fastest = absl::InfiniteDuration();
    for (int pass = 0; pass < kPasses; ++pass) {
      if (pass > 0 && fastest > budget - (clock.Monotonic() - begin)) break;
      ASSIGN_OR_RETURN(const absl::Duration took, sequence.Step(rows));
      fastest = std::min(fastest, took);
    }
    costs.Set(rows, fastest);
    time_per_row = std::max(fastest / rows, absl::ZeroDuration());
  }
  scheduler.SetPassCosts(costs);

  std::string curve;
  for (const PassCost& cost : costs.Snapshot()) {
    absl::StrAppend(&curve, curve.empty() ? "" : " ", cost.rows, ":", cost.micros);
  }
  Log(LogLevel::kInfo, "measured passes",
      {{"rows_micros", curve},
       {"sizes_left_out", absl::StrCat(left_out)},
       {"seconds", absl::StrCat(absl::ToDoubleSeconds(clock.Monotonic() - begin))}});
  return absl::OkStatus();
}

}  // namespace recycling::verifier
