#include "verifier/schedule/scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <future>
#include <utility>

#include "tests/doubles/fake_clock.h"
#include "tests/doubles/matchers.h"
#include "tests/verifier/schedule/fake_transformer.h"
#include "tests/verifier/schedule/open_later.h"

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
  void Start(int slots = 2, FakeTransformer::Hook hook = nullptr, int max_rows = 257,
             std::uint32_t cache_context = kContext) {
    auto transformer = std::make_unique<FakeTransformer>(
        kVocab, kContext,
        [this, hook](std::span<const Segment> segments, const std::atomic<bool>* cancelled) {
          int rows = 0;
          int logit_rows = 0;
          for (const Segment& segment : segments) {
            rows += static_cast<int>(segment.tokens.size());
            logit_rows += static_cast<int>(segment.logit_rows.size());
          }
          pass_rows_.push_back(rows);
          logit_rows_.push_back(logit_rows);
          return hook == nullptr ? absl::OkStatus() : hook(segments, cancelled);
        });
    transformer_ = transformer.get();
    scheduler_ =
        std::make_unique<Scheduler>(std::move(transformer), FakeKvCache(cache_context, slots),
                                    SchedulerOptions{.vocab_size = kVocab,
                                                     .eos_ids = {kEos},
                                                     .k = 4,
                                                     .max_tree_nodes = 16,
                                                     .prefill_chunk = 4,
                                                     .max_rows = max_rows},
                                    clock_);
  }

  absl::StatusOr<Opened> OpenLater(SequenceOptions options) {
    return verifier::OpenLater(*scheduler_, std::move(options));
  }

  // Opens a sequence and waits for the result, which must be OK.
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
  // The scheduler's thread writes pass_rows_. Tests read it after the result of an operation.
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

TEST_F(SchedulerTest, OpenRefusesOptionsOutOfRange) {
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

TEST_F(SchedulerTest, SlotsAreBoundedAndReturned) {
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

// Holds the first pass until the test calls Open(). After a call of HoldNext(), it holds the next
// pass in the same way. So a test can decide which operations wait for the following pass.
class Gate {
 public:
  explicit Gate(bool hold_first = true) : hold_(hold_first) {}

  FakeTransformer::Hook Hook() {
    return [this](std::span<const Segment> segments, const std::atomic<bool>* cancelled) {
      passes.emplace_back();
      for (const Segment& segment : segments) {
        passes.back().emplace_back(segment.kv, segment.tokens.size());
      }
      if (!hold_.exchange(false)) return absl::OkStatus();
      held_ = true;
      while (held_) {
        if (cancelled->load()) return absl::CancelledError("cancelled in the pass");
        std::this_thread::yield();
      }
      return absl::OkStatus();
    };
  }
  void HoldNext() { hold_ = true; }
  void WaitUntilHeld() {
    while (!held_) std::this_thread::yield();
  }
  void Open() { held_ = false; }

  using Rows = std::pair<const KvSequence*, std::size_t>;
  std::vector<std::vector<Rows>> passes;  // rows of each sequence

 private:
  std::atomic<bool> hold_;
  std::atomic<bool> held_ = false;
};

TEST_F(SchedulerTest, PrefillsShareTheirChunks) {
  Gate gate;
  Start(2, gate.Hook());
  const auto first = OpenLater(Prompt(std::vector<TokenId>(13, 1)));
  ASSERT_THAT(first, IsOk());
  gate.WaitUntilHeld();
  const auto second = OpenLater(Prompt(std::vector<TokenId>(4, 2)));
  ASSERT_THAT(second, IsOk());
  EXPECT_EQ(scheduler_->load().queued_passes, 1u);
  gate.Open();
  EXPECT_THAT(first->result.get(), IsOk());
  EXPECT_THAT(second->result.get(), IsOk());
  EXPECT_THAT(pass_rows_, ElementsAre(4, 4, 4, 3));
  const auto* a = gate.passes[0][0].first;
  const auto* b = gate.passes[1][0].first;
  EXPECT_NE(a, b);
  EXPECT_THAT(gate.passes[1], ElementsAre(Gate::Rows(b, 2), Gate::Rows(a, 2)));
  EXPECT_THAT(gate.passes[2], ElementsAre(Gate::Rows(b, 1), Gate::Rows(a, 3)));
  EXPECT_THAT(gate.passes[3], ElementsAre(Gate::Rows(a, 3)));
  const SchedulerCounts counts = scheduler_->counts();
  EXPECT_EQ(counts.passes, 4u);
  EXPECT_EQ(counts.shares, 6u);
  EXPECT_EQ(counts.prefill_rows, 15u);
}

TEST_F(SchedulerTest, AStepWhileAnotherOperationRunsIsRefused) {
  Gate gate;
  Start(1, gate.Hook());
  const auto opened = OpenLater(Prompt({1, 2}));
  ASSERT_THAT(opened, IsOk());
  gate.WaitUntilHeld();
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
  gate.WaitUntilHeld();
  opened->sequence->Cancel();  // the gate stays closed, so only this call can end the pass
  EXPECT_THAT(opened->result.get(), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(scheduler_->load().open_sequences, 0u);
  EXPECT_THAT(Verify(*Open(Prompt({4})), {.base = 1}), IsOk());
}

TEST_F(SchedulerTest, ASequenceDestroyedInTheQueueIsAnsweredWithoutAPass) {
  Gate gate;
  Start(3, gate.Hook());
  const auto running = OpenLater(Prompt({1, 2}));
  ASSERT_THAT(running, IsOk());
  gate.WaitUntilHeld();
  const auto waiting = OpenLater(Prompt({1, 2}));
  auto destroyed = OpenLater(Prompt({1, 2}));
  ASSERT_THAT(waiting, IsOk());
  ASSERT_THAT(destroyed, IsOk());
  destroyed->sequence.reset();
  gate.Open();
  EXPECT_THAT(destroyed->result.get(), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(waiting->result.get(), IsOk());
  EXPECT_THAT(gate.passes, SizeIs(2));
  EXPECT_EQ(scheduler_->load().open_sequences, 2u);
}

TEST_F(SchedulerTest, ACallbackMayVerifyAgainOrDestroyTheSequence) {
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
  gate.WaitUntilHeld();
  std::promise<absl::StatusCode> waiting;
  // The callbacks destroy the sequences. The streams of a service do the same before the service
  // destroys its scheduler.
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
  Start(1, [](std::span<const Segment>, const std::atomic<bool>*) {
    return absl::ResourceExhaustedError("no memory for the cache");
  });
  const auto opened = OpenLater(Prompt({1, 2}));
  ASSERT_THAT(opened, IsOk());
  EXPECT_THAT(opened->result.get(), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(scheduler_->load().open_sequences, 0u);
  EXPECT_THAT(Verify(*opened->sequence, {.base = 2}),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

// Opens three sequences. Their steps share one pass, because all of them wait until the gate opens.
class SharedPassTest : public SchedulerTest {
 protected:
  void OpenThree(FakeTransformer::Hook hook = nullptr, int max_rows = 257,
                 std::uint32_t cache_context = kContext) {
    Start(
        4,
        [hook, gate = gate_.Hook()](std::span<const Segment> segments,
                                    const std::atomic<bool>* cancelled) {
          if (absl::Status status = gate(segments, cancelled); !status.ok()) return status;
          return hook == nullptr ? absl::OkStatus() : hook(segments, cancelled);
        },
        max_rows, cache_context);
    for (TokenId i = 0; i < 3; ++i) sequences_.push_back(Open(Prompt({4 + i, 20 + i})));
    gate_.HoldNext();
    held_ = OpenLater(Prompt({30, 30}));
    ASSERT_THAT(held_, IsOk());
    gate_.WaitUntilHeld();
  }

  // Sends one step of each sequence. The steps wait until the gate opens.
  std::vector<std::shared_future<absl::StatusOr<StepResult>>> VerifyAll(
      const std::vector<VerifyStep>& steps = {{.base = 2}, {.base = 2}, {.base = 2}}) {
    std::vector<std::shared_future<absl::StatusOr<StepResult>>> results;
    for (std::size_t i = 0; i < steps.size(); ++i) {
      results.push_back(VerifyLater(*sequences_[i], steps[i]));
    }
    return results;
  }

  // The tokens that sequence `i` emits if it runs alone.
  static std::vector<TokenId> Truth(TokenId i, std::size_t count) {
    std::vector<TokenId> tokens = {4 + i, 20 + i};
    while (tokens.size() < count + 2) {
      const auto logits = FakeTransformer::Logits(tokens, kVocab);
      const auto highest = std::max_element(logits.begin(), logits.end());
      tokens.push_back(static_cast<TokenId>(highest - logits.begin()));
    }
    return {tokens.begin() + 2, tokens.end()};
  }

  Gate gate_{/*hold_first=*/false};
  std::vector<std::unique_ptr<Sequence>> sequences_;
  absl::StatusOr<Opened> held_;
};

TEST_F(SharedPassTest, StepsThatWaitTogetherShareAPass) {
  OpenThree();
  const auto results = VerifyAll();
  const SchedulerCounts before = scheduler_->counts();
  EXPECT_EQ(before.waiting, 3u);
  gate_.Open();
  for (TokenId i = 0; i < 3; ++i) {
    ASSERT_THAT(results[i].get(), IsOk());
    EXPECT_EQ(results[i].get()->tokens, Truth(i, 1));
  }
  EXPECT_THAT(gate_.passes.back(), SizeIs(3));
  const SchedulerCounts counts = scheduler_->counts();
  EXPECT_EQ(counts.passes, before.passes + 1);
  EXPECT_EQ(counts.shares, before.shares + 3);
  EXPECT_EQ(counts.steps, 3u);
  EXPECT_EQ(counts.waiting, 0u);
}

TEST_F(SharedPassTest, OnlyTheSequenceWithNanLogitsGetsTheError) {
  OpenThree();
  transformer_->poisoned_token = 21;  // the root of sequence 1
  const auto results = VerifyAll();
  gate_.Open();
  EXPECT_THAT(results[1].get(), StatusIs(absl::StatusCode::kInternal));
  for (const TokenId i : {0u, 2u}) {
    ASSERT_THAT(results[i].get(), IsOk());
    EXPECT_EQ(results[i].get()->tokens, Truth(i, 1));
  }
  EXPECT_THAT(gate_.passes.back(), SizeIs(3));
  transformer_->poisoned_token = kVocab;
  const auto again = Verify(*sequences_[1], {.base = 2});
  ASSERT_THAT(again, IsOk()) << "the error must not change the sequence";
  EXPECT_EQ(again->tokens, Truth(1, 1));
}

TEST_F(SharedPassTest, ARefusedTreeIsNotInThePass) {
  OpenThree();
  const auto results =
      VerifyAll({{.base = 2}, {.base = 2, .tree = Chain({5, 21}, {kVocab})}, {.base = 2}});
  gate_.Open();
  EXPECT_THAT(results[1].get(), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(results[0].get(), IsOk());
  EXPECT_THAT(results[2].get(), IsOk());
  EXPECT_THAT(gate_.passes.back(), SizeIs(2));
}

TEST_F(SharedPassTest, ATreeIsCutToThePositionsThatTheCachePromised) {
  OpenThree(nullptr, 257, /*cache_context=*/3);
  const auto results =
      VerifyAll({{.base = 2, .tree = Chain({4, 20}, Truth(0, 2))}, {.base = 2}, {.base = 2}});
  gate_.Open();
  for (const TokenId i : {0u, 1u, 2u}) {
    ASSERT_THAT(results[i].get(), IsOk());
    EXPECT_EQ(results[i].get()->tokens, Truth(i, 1));
  }
  EXPECT_THAT(gate_.passes.back(), SizeIs(3));
}

TEST_F(SharedPassTest, AfterAFailedPassEachSequenceGetsItsOwnPass) {
  OpenThree([](std::span<const Segment> segments, const std::atomic<bool>*) {
    for (const Segment& segment : segments) {
      if (segment.tokens[0] == 22) return absl::ResourceExhaustedError("no memory for the pass");
    }
    return absl::OkStatus();
  });
  const auto results = VerifyAll();
  gate_.Open();
  for (const TokenId i : {0u, 1u}) {
    ASSERT_THAT(results[i].get(), IsOk());
    EXPECT_EQ(results[i].get()->tokens, Truth(i, 1));
  }
  EXPECT_THAT(results[2].get(), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(scheduler_->load().open_sequences, 4u);
}

TEST_F(SharedPassTest, CancellingOneSequenceDoesNotCancelTheOthers) {
  OpenThree();
  const auto results = VerifyAll();
  gate_.HoldNext();
  gate_.Open();
  gate_.WaitUntilHeld();
  sequences_[1]->Cancel();
  EXPECT_EQ(scheduler_->load().open_sequences, 4u)
      << "the pass still reads the cancelled sequence's cache";
  gate_.Open();
  EXPECT_THAT(results[1].get(), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(results[0].get(), IsOk());
  EXPECT_THAT(results[2].get(), IsOk());
  EXPECT_EQ(scheduler_->load().open_sequences, 3u);
}

TEST_F(SharedPassTest, CancellingAllSequencesEndsThePass) {
  OpenThree();
  const auto results = VerifyAll();
  gate_.HoldNext();
  gate_.Open();
  ASSERT_THAT(held_->result.get(), IsOk());
  gate_.WaitUntilHeld();
  sequences_.clear();  // the gate stays closed
  for (const auto& result : results) {
    EXPECT_THAT(result.get(), StatusIs(absl::StatusCode::kCancelled));
  }
  EXPECT_EQ(scheduler_->load().open_sequences, 1u);
}

TEST_F(SharedPassTest, TreesAreCutToTheRoomInThePass) {
  OpenThree(nullptr, /*max_rows=*/17);
  const auto results = VerifyAll({{.base = 2, .tree = Chain({4, 20}, Truth(0, 16))},
                                  {.base = 2},
                                  {.base = 2, .tree = Chain({6, 22}, Truth(2, 16))}});
  gate_.Open();
  const std::vector<int> rows = {8, 1, 8};
  for (TokenId i = 0; i < 3; ++i) {
    ASSERT_THAT(results[i].get(), IsOk());
    EXPECT_EQ(results[i].get()->rows, rows[i]);
    EXPECT_EQ(results[i].get()->tokens, Truth(i, static_cast<std::size_t>(rows[i])));
  }
  EXPECT_EQ(scheduler_->counts().draft_rows, 14u);
  EXPECT_EQ(scheduler_->counts().cut_rows, 18u);
}

TEST_F(SharedPassTest, APromptAndStepsShareAPass) {
  OpenThree();
  PassCosts costs;
  costs.Set(1, absl::Microseconds(100));
  costs.Set(101, absl::Microseconds(1100));
  scheduler_->SetPassCosts(costs);
  sequences_.pop_back();
  const auto prompt = OpenLater(Prompt(std::vector<TokenId>(9, 1)));
  const auto results = VerifyAll({{.base = 2}, {.base = 2}});
  gate_.Open();
  EXPECT_THAT(results[0].get(), IsOk());
  EXPECT_THAT(results[1].get(), IsOk());
  EXPECT_THAT(prompt->result.get(), IsOk());
  // The first pass has two roots and the first chunk. The second pass has the rest of the prompt.
  EXPECT_THAT(std::vector<int>(pass_rows_.end() - 2, pass_rows_.end()), ElementsAre(6, 4));
}

// A sequence sends its next step soon after an answer. A whole chunk of a long prompt must not
// delay that step.
TEST_F(SchedulerTest, AStepThatIsExpectedSoonDoesNotWaitForALongPass) {
  Start(3);
  const auto sequence = Open(Prompt({5}));
  PassCosts costs;
  costs.Set(1, absl::Microseconds(100));
  costs.Set(101, absl::Microseconds(9100));
  scheduler_->SetPassCosts(costs);
  // The next step of the sequence arrives too late for a pass to wait for it.
  clock_.Advance(absl::Milliseconds(1));
  for (std::uint32_t base = 1; base < 4; ++base) {
    ASSERT_THAT(Verify(*sequence, {.base = base}), IsOk());
    clock_.Advance(absl::Milliseconds(1));
  }
  const auto expected = OpenLater(Prompt(std::vector<TokenId>(9, 1)));
  ASSERT_THAT(expected, IsOk());
  ASSERT_THAT(expected->result.get(), IsOk());
  EXPECT_THAT(std::vector<int>(pass_rows_.begin() + 3, pass_rows_.end()), ElementsAre(2, 2, 2, 2));
  // After a second without a step, the scheduler expects no step.
  clock_.Advance(absl::Seconds(1));
  pass_rows_.clear();
  const auto alone = OpenLater(Prompt(std::vector<TokenId>(9, 1)));
  ASSERT_THAT(alone, IsOk());
  ASSERT_THAT(alone->result.get(), IsOk());
  EXPECT_THAT(pass_rows_, ElementsAre(4, 4));
}

TEST_F(SchedulerTest, TimingsAndPassCostsAreMeasured) {
  Start(1, [this](std::span<const Segment> segments, const std::atomic<bool>*) {
    for (const Segment& segment : segments) {
      clock_.Advance(absl::Microseconds(10 * segment.tokens.size()));
    }
    return absl::OkStatus();
  });
  EXPECT_THAT(scheduler_->load().pass_costs, IsEmpty());
  const auto opened = OpenLater(Prompt({1, 2, 3, 4, 5, 6}));
  ASSERT_THAT(opened, IsOk());
  ASSERT_THAT(opened->result.get(), IsOk());
  EXPECT_EQ(opened->result.get()->timings.forward, absl::Microseconds(50));
  const auto result =
      Verify(*opened->sequence, {.base = 6, .tree = Chain({1, 2, 3, 4, 5, 6}, {7, 8})});
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(result->timings.forward, absl::Microseconds(30));
  EXPECT_EQ(result->timings.queue, absl::ZeroDuration());
  const auto costs = scheduler_->load().pass_costs;
  ASSERT_THAT(costs, SizeIs(1));
  EXPECT_EQ(costs[0].rows, 3u);
  EXPECT_EQ(costs[0].micros, 30u);
}

}  // namespace
}  // namespace recycling::verifier
