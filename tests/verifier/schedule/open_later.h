// Opens a sequence without waiting for the result.
#ifndef RECYCLING_TESTS_VERIFIER_SCHEDULE_OPEN_LATER_H_
#define RECYCLING_TESTS_VERIFIER_SCHEDULE_OPEN_LATER_H_

#include <future>
#include <memory>
#include <utility>

#include "verifier/schedule/scheduler.h"

namespace recycling::verifier {

struct Opened {
  std::unique_ptr<Sequence> sequence;
  std::shared_future<absl::StatusOr<OpenResult>> result;
};

// Returns an error if Scheduler::Open returns one. Opened::result gets later errors.
inline absl::StatusOr<Opened> OpenLater(Scheduler& scheduler, SequenceOptions options) {
  auto promise = std::make_shared<std::promise<absl::StatusOr<OpenResult>>>();
  auto sequence = scheduler.Open(std::move(options),
                                 [promise](auto result) { promise->set_value(std::move(result)); });
  if (!sequence.ok()) return sequence.status();
  return Opened{*std::move(sequence), promise->get_future().share()};
}

}  // namespace recycling::verifier

#endif  // RECYCLING_TESTS_VERIFIER_SCHEDULE_OPEN_LATER_H_
