#include "verifier/scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <utility>

#include "tests/doubles/fake_clock.h"
#include "tests/doubles/matchers.h"
#include "tests/verifier/fake_transformer.h"

namespace recycling::verifier {
namespace {

using doubles::IsOk;
using doubles::StatusIs;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::uint32_t kVocab = 32;
constexpr std::uint32_t kContext = 64;
constexpr TokenId kEos = 31;

class SchedulerTest : public ::testing::Test {
 protected:
  void Start(int slots = 2, FakeTransformer::Hook hook = nullptr) {
    auto transformer = std::make_unique<FakeTransformer>(
        kVocab, kContext, [this, hook](const Segment& segment, const std::atomic<bool>* cancelled) {
          pass_rows_.push_back(static_cast<int>(segment.tokens.size()));
          logit_rows_.push_back(static_cast<int>(segment.logit_rows.size()));
          return hook == nullptr ? absl::OkStatus() : hook(segment, cancelled);
        });
    transformer_ = transformer.get();
    scheduler_ = std::make_unique<Scheduler>(std::move(transformer), FakeKvCache(kContext, slots),
                                             SchedulerOptions{.vocab_size = kVocab,
                                                              .eos_ids = {kEos},
                                                              .k = 4,
                                                              .max_tree_nodes = 16,
                                                              .prefill_chunk = 4},
                                             clock_);
  }

  struct Opened {
    std::unique_ptr<Sequence> sequence;
    std::shared_future<absl::StatusOr<OpenResult>> result;
  };

  absl::StatusOr<Opened> OpenLater(SequenceOptions options) {
    auto promise = std::make_shared<std::promise<absl::StatusOr<OpenResult>>>();
    auto sequence = scheduler_->Open(
        std::move(options), [promise](auto result) { promise->set_value(std::move(result)); });
    if (!sequence.ok()) return sequence.status();
    return Opened{*std::move(sequence), promise->get_future().share()};
  }

  // Opens and waits; the sequence must open.
  std::unique_ptr<Sequence> Open(SequenceOptions options) {
    auto opened = OpenLater(std::move(options));
    EXPECT_THAT(opened, IsOk());
    EXPECT_THAT(opened->result.get(), IsOk());
    return std::move(opened->sequence);
  }

  std::shared_future<absl::StatusOr<StepResult>> VerifyLater(Sequence& sequence, VerifyStep step) {
    auto promise = std::make_shared<std::promise<absl::StatusOr<StepResult>>>();
    const absl::Status status = sequence.Verify(
        std::move(step), [promise](auto result) { promise->set_value(std::move(result)); });
    if (!status.ok()) promise->set_value(status);
    return promise->get_future().share();
  }

  absl::StatusOr<StepResult> Verify(Sequence& sequence, VerifyStep step) {
    return VerifyLater(sequence, std::move(step)).get();
  }

  doubles::FakeClock clock_;
  FakeTransformer* transformer_ = nullptr;
  // Written on the scheduler's thread; read once an operation's result is here.
  std::vector<int> pass_rows_;
  std::vector<int> logit_rows_;
  std::unique_ptr<Scheduler> scheduler_;
};

SequenceOptions Prompt(std::vector<TokenId> ids) {
  SequenceOptions options;
  options.prompt_ids = std::move(ids);
  options.sampling.ignore_eos = true;
  return options;
}

DraftTree Chain(const std::vector<TokenId>& so_far, std::vector<TokenId> drafts) {
  DraftTree tree = DraftTree::Root(static_cast<std::uint32_t>(so_far.size()), so_far.back());
  for (const TokenId token : drafts) {
    tree.parents.push_back(static_cast<std::int32_t>(tree.tokens.size()) - 1);
    tree.tokens.push_back(token);
  }
  return tree;
}

TEST_F(SchedulerTest, PrefillsAllButTheRootInChunks) {
  Start();
  SequenceOptions options = Prompt({1, 2, 3, 4, 5, 6, 7});
  options.generated_ids = {8, 9, 10};
  const auto opened = OpenLater(options);
  ASSERT_THAT(opened, IsOk());
  const auto& result = opened->result.get();
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(result->base, 10u);
  EXPECT_EQ(result->prompt_candidates, Candidates{});
  EXPECT_THAT(pass_rows_, ElementsAre(4, 4, 1));
  EXPECT_THAT(logit_rows_, Each(0));
}

TEST_F(SchedulerTest, AOneTokenPromptNeedsNoPass) {
  Start();
  const auto sequence = Open(Prompt({5}));
  EXPECT_THAT(pass_rows_, IsEmpty());
  EXPECT_THAT(Verify(*sequence, {.base = 1}), IsOk());
  EXPECT_THAT(pass_rows_, ElementsAre(1));
}

TEST_F(SchedulerTest, OpenRefusesWhatIsOutOfRange) {
  Start();
  const auto expect = [&](const SequenceOptions& options, const std::string& message) {
    EXPECT_THAT(OpenLater(options).status(),
                StatusIs(absl::StatusCode::kInvalidArgument, ::testing::HasSubstr(message)));
  };
  expect(Prompt({}), "prompt_ids: got none");
  expect(Prompt({1, kVocab}), "prompt_ids: got token id 32");
  SequenceOptions options = Prompt({1});
  options.generated_ids = {kVocab + 1};
  expect(options, "generated_ids: got token id 33");
  expect(Prompt(std::vector<TokenId>(kContext + 1, 1)), "got 65 tokens");
  options = Prompt({1});
  options.sampling.temperature = 1;
  expect(options, "seed");
  EXPECT_EQ(scheduler_->load().open_sequences, 0u);
}

TEST_F(SchedulerTest, SlotsAreBoundedAndComeBack) {
  Start(2);
  auto first = Open(Prompt({1}));
  const auto second = Open(Prompt({1, 2}));
  EXPECT_EQ(scheduler_->load().open_sequences, 2u);
  EXPECT_THAT(OpenLater(Prompt({1})).status(), StatusIs(absl::StatusCode::kResourceExhausted));
  first.reset();
  EXPECT_EQ(scheduler_->load().open_sequences, 1u);
  const auto third = Open(Prompt({1}));
  second->Cancel();
  EXPECT_EQ(scheduler_->load().open_sequences, 1u);
  EXPECT_THAT(Verify(*second, {.base = 2}), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(Verify(*third, {.base = 1}), IsOk());
}

// Holds the first pass until told, so that a test decides what waits behind it.
class Gate {
 public:
  FakeTransformer::Hook Hook() {
    return [this](const Segment& segment, const std::atomic<bool>* cancelled) {
      order.push_back(segment.kv);
      if (order.size() == 1) {
        reached_.set_value();
        while (!open_) {
          if (cancelled->load()) return absl::CancelledError("cancelled in the pass");
          std::this_thread::yield();
        }
      }
      return absl::OkStatus();
    };
  }
  void WaitUntilReached() { reached_.get_future().wait(); }
  void Open() { open_ = true; }

  std::vector<const KvSequence*> order;  // of passes

 private:
  std::promise<void> reached_;
  std::atomic<bool> open_ = false;
};

TEST_F(SchedulerTest, PrefillsTakeTurns) {
  Gate gate;
  Start(2, gate.Hook());
  const auto first = OpenLater(Prompt(std::vector<TokenId>(13, 1)));
  ASSERT_THAT(first, IsOk());
  gate.WaitUntilReached();
  const auto second = OpenLater(Prompt(std::vector<TokenId>(9, 2)));
  ASSERT_THAT(second, IsOk());
  EXPECT_EQ(scheduler_->load().queued_passes, 1u);
  gate.Open();
  EXPECT_THAT(first->result.get(), IsOk());
  EXPECT_THAT(second->result.get(), IsOk());
  ASSERT_THAT(gate.order, SizeIs(5));
  const auto* a = gate.order[0];
  const auto* b = gate.order[1];
  EXPECT_NE(a, b);
  EXPECT_THAT(gate.order, ElementsAre(a, b, a, b, a));
}

TEST_F(SchedulerTest, AStepWhileAnotherOperationRunsIsRefused) {
  Gate gate;
  Start(1, gate.Hook());
  const auto opened = OpenLater(Prompt({1, 2}));
  ASSERT_THAT(opened, IsOk());
  gate.WaitUntilReached();
  EXPECT_THAT(Verify(*opened->sequence, {.base = 2}),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  gate.Open();
  EXPECT_THAT(opened->result.get(), IsOk());
}

TEST_F(SchedulerTest, CancelInAPassEndsItAndFreesTheSlot) {
  Gate gate;
  Start(1, gate.Hook());
  auto opened = OpenLater(Prompt({1, 2, 3}));
  ASSERT_THAT(opened, IsOk());
  gate.WaitUntilReached();
  opened->sequence->Cancel();  // the gate stays shut: only the cancellation ends the pass
  EXPECT_THAT(opened->result.get(), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(scheduler_->load().open_sequences, 0u);
  EXPECT_THAT(Verify(*Open(Prompt({4})), {.base = 1}), IsOk());
}

TEST_F(SchedulerTest, ASequenceDestroyedInTheQueueTakesNoPassAndGoesFirst) {
  Gate gate;
  Start(3, gate.Hook());
  const auto running = OpenLater(Prompt({1, 2}));
  ASSERT_THAT(running, IsOk());
  gate.WaitUntilReached();
  const auto waiting = OpenLater(Prompt({1, 2}));
  auto destroyed = OpenLater(Prompt({1, 2}));
  ASSERT_THAT(waiting, IsOk());
  ASSERT_THAT(destroyed, IsOk());
  destroyed->sequence.reset();
  gate.Open();
  EXPECT_THAT(destroyed->result.get(), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(waiting->result.get(), IsOk());
  EXPECT_THAT(gate.order, SizeIs(2));
  EXPECT_EQ(scheduler_->load().open_sequences, 2u);
}

TEST_F(SchedulerTest, ACallbackMayGoOnOrDestroyTheSequence) {
  Start();
  std::unique_ptr<Sequence> sequence;
  std::promise<void> assigned;
  std::promise<absl::StatusOr<StepResult>> done;
  auto opened = scheduler_->Open(Prompt({1, 2}), [&](absl::StatusOr<OpenResult> result) {
    assigned.get_future().wait();
    ASSERT_THAT(result, IsOk());
    ASSERT_THAT(sequence->Verify({.base = 2},
                                 [&](absl::StatusOr<StepResult> step) {
                                   sequence.reset();
                                   done.set_value(std::move(step));
                                 }),
                IsOk());
  });
  ASSERT_THAT(opened, IsOk());
  sequence = *std::move(opened);
  assigned.set_value();
  EXPECT_THAT(done.get_future().get(), IsOk());
  EXPECT_EQ(scheduler_->load().open_sequences, 0u);
}

TEST_F(SchedulerTest, DestroyingTheSchedulerAnswersEveryOperation) {
  Gate gate;
  Start(2, gate.Hook());
  auto running = OpenLater(Prompt(std::vector<TokenId>(30, 1)));
  ASSERT_THAT(running, IsOk());
  gate.WaitUntilReached();
  std::promise<absl::StatusCode> waiting;
  // The callbacks drop the sequences, as a service's streams do before its scheduler goes.
  std::unique_ptr<Sequence> second;
  auto opened = scheduler_->Open(Prompt({1, 2}), [&](absl::StatusOr<OpenResult> result) {
    second.reset();
    waiting.set_value(result.status().code());
  });
  ASSERT_THAT(opened, IsOk());
  second = *std::move(opened);
  running->sequence.reset();
  scheduler_.reset();
  EXPECT_THAT(running->result.get(), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(waiting.get_future().get(), absl::StatusCode::kCancelled);
}

TEST_F(SchedulerTest, AFailedPrefillFreesTheSlot) {
  Start(1, [](const Segment&, const std::atomic<bool>*) {
    return absl::ResourceExhaustedError("no memory for the cache");
  });
  const auto opened = OpenLater(Prompt({1, 2}));
  ASSERT_THAT(opened, IsOk());
  EXPECT_THAT(opened->result.get(), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(scheduler_->load().open_sequences, 0u);
  EXPECT_THAT(Verify(*opened->sequence, {.base = 2}),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(SchedulerTest, TimingsAndRowCostsAreMeasured) {
  Start(1, [this](const Segment& segment, const std::atomic<bool>*) {
    clock_.Advance(absl::Microseconds(10 * segment.tokens.size()));
    return absl::OkStatus();
  });
  EXPECT_THAT(scheduler_->load().row_costs, IsEmpty());
  const auto opened = OpenLater(Prompt({1, 2, 3, 4, 5, 6}));
  ASSERT_THAT(opened, IsOk());
  ASSERT_THAT(opened->result.get(), IsOk());
  EXPECT_EQ(opened->result.get()->timings.forward, absl::Microseconds(50));
  const auto result =
      Verify(*opened->sequence, {.base = 6, .tree = Chain({1, 2, 3, 4, 5, 6}, {7, 8})});
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(result->timings.forward, absl::Microseconds(30));
  EXPECT_EQ(result->timings.queue, absl::ZeroDuration());
  const auto costs = scheduler_->load().row_costs;
  ASSERT_THAT(costs, SizeIs(1));
  EXPECT_EQ(costs[0].rows, 3u);
  EXPECT_EQ(costs[0].micros, 30u);
}

}  // namespace
}  // namespace recycling::verifier
