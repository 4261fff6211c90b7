// Tests how the scheduler reuses cached pages, keeps pages, promises pages and counts tokens.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <utility>

#include "tests/doubles/matchers.h"
#include "tests/verifier/schedule/fake_transformer.h"
#include "tests/verifier/schedule/open_later.h"
#include "verifier/schedule/scheduler.h"

namespace recycling::verifier {
namespace {

using doubles::IsOk;
using doubles::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::uint32_t kVocab = 32;
constexpr std::uint32_t kContext = 640;
constexpr std::uint32_t kPage = kKvBlockRows;
constexpr std::uint64_t kPageBytes = 512;

class PrefixReuseTest : public ::testing::Test {
 protected:
  PrefixReuseTest() { Start(0); }

  // `pages` is the bound of the cache in pages. With 0 the cache has room for the whole context of
  // every slot.
  void Start(int pages, FakeTransformer::Hook hook = nullptr) {
    auto cache = FakeKvCache(kContext, 4, static_cast<std::uint64_t>(pages) * kPageBytes);
    scheduler_ = std::make_unique<Scheduler>(
        std::make_unique<FakeTransformer>(
            kVocab, kContext,
            [this, hook](std::span<const Segment> segments, const std::atomic<bool>* cancelled) {
              int rows = 0;
              for (const Segment& segment : segments)
                rows += static_cast<int>(segment.tokens.size());
              pass_rows_.push_back(rows);
              return hook == nullptr ? absl::OkStatus() : hook(segments, cancelled);
            }),
        std::move(cache),
        SchedulerOptions{.vocab_size = kVocab, .k = 4, .max_tree_nodes = 16, .prefill_chunk = 100});
  }

  absl::StatusOr<Opened> OpenLater(SequenceOptions options) {
    return verifier::OpenLater(*scheduler_, std::move(options));
  }

  // The results of one sequence. Run() destroys the sequence.
  struct Outcome {
    OpenResult opened;
    std::vector<TokenId> tokens;
    std::vector<int> prefill_rows;  // [passes], number of rows
  };

  Outcome Run(SequenceOptions options, std::size_t count) {
    Outcome outcome;
    std::uint32_t base =
        static_cast<std::uint32_t>(options.prompt_ids.size() + options.generated_ids.size());
    pass_rows_.clear();
    auto opened = OpenLater(std::move(options));
    EXPECT_THAT(opened, IsOk());
    EXPECT_THAT(opened->result.get(), IsOk());
    outcome.opened = *opened->result.get();
    EXPECT_EQ(outcome.opened.base, base);
    outcome.prefill_rows = pass_rows_;
    while (outcome.tokens.size() < count) {
      const auto result = Step(*opened->sequence, base++);
      EXPECT_THAT(result, IsOk());
      if (!result.ok()) break;
      outcome.tokens.push_back(result->tokens[0]);
    }
    return outcome;
  }

  static absl::StatusOr<StepResult> Step(Sequence& sequence, std::uint32_t base) {
    auto promise = std::make_shared<std::promise<absl::StatusOr<StepResult>>>();
    const absl::Status status = sequence.Verify(
        {.base = base}, [promise](auto result) { promise->set_value(std::move(result)); });
    if (!status.ok()) return status;
    return promise->get_future().get();
  }

  // [passes], number of rows. Passes write it; tests read it between passes.
  std::vector<int> pass_rows_;
  std::unique_ptr<Scheduler> scheduler_;
};

SequenceOptions Prompt(std::size_t tokens, TokenId salt = 0) {
  SequenceOptions options;
  for (std::size_t i = 0; i < tokens; ++i) {
    options.prompt_ids.push_back(static_cast<TokenId>((i * i + 3 * i + salt) % kVocab));
  }
  options.sampling.ignore_eos = true;
  return options;
}

TEST_F(PrefixReuseTest, ARepeatedPromptIsNotPrefilledAgain) {
  const Outcome first = Run(Prompt(201), 10);
  EXPECT_EQ(first.opened.cached_tokens, 0u);
  EXPECT_THAT(first.prefill_rows, ElementsAre(100, 100));
  const Outcome second = Run(Prompt(201), 10);
  EXPECT_EQ(second.opened.cached_tokens, 192u);
  EXPECT_THAT(second.prefill_rows, ElementsAre(8));
  EXPECT_EQ(second.tokens, first.tokens);
}

TEST_F(PrefixReuseTest, TheRootIsNeverCached) {
  for (const std::size_t tokens : {1u, 64u, 65u, 128u, 129u}) {
    const Outcome first = Run(Prompt(tokens), 3);
    const Outcome second = Run(Prompt(tokens), 3);
    EXPECT_EQ(second.opened.cached_tokens, (tokens - 1) / kPage * kPage) << tokens;
    EXPECT_EQ(second.tokens, first.tokens) << tokens;
  }
}

TEST_F(PrefixReuseTest, TheNextTurnAndAMovedSequenceReuseGeneratedTokens) {
  const SequenceOptions prompt = Prompt(100);
  const Outcome first = Run(prompt, 120);  // 219 positions
  SequenceOptions turn = prompt;
  turn.prompt_ids.insert(turn.prompt_ids.end(), first.tokens.begin(), first.tokens.end());
  turn.prompt_ids.push_back(7);
  EXPECT_EQ(Run(turn, 1).opened.cached_tokens, 192u);
  SequenceOptions back = prompt;
  back.generated_ids.assign(first.tokens.begin(), first.tokens.begin() + 80);
  const Outcome moved = Run(back, 40);
  EXPECT_EQ(moved.opened.cached_tokens, 128u);
  EXPECT_EQ(moved.tokens, std::vector<TokenId>(first.tokens.begin() + 80, first.tokens.end()));
}

TEST_F(PrefixReuseTest, RowsWithRequestedCandidatesAreComputedAgain) {
  SequenceOptions options = Prompt(201);
  options.learn_last = 50;
  const Outcome first = Run(options, 1);
  EXPECT_EQ(first.opened.prompt_candidates.ids.size(), 50u * 4);
  const Outcome second = Run(options, 1);
  EXPECT_EQ(second.opened.cached_tokens, 128u);
  EXPECT_EQ(second.opened.prompt_candidates, first.opened.prompt_candidates);
  options.learn_last = 0xFFFFFFFF;
  const Outcome all = Run(options, 1);
  EXPECT_EQ(all.opened.cached_tokens, 0u);
  EXPECT_EQ(all.opened.prompt_candidates.ids.size(), 200u * 4);
}

TEST_F(PrefixReuseTest, TenantsDoNotSharePages) {
  SequenceOptions options = Prompt(201);
  options.tenant = "a";
  Run(options, 1);
  EXPECT_EQ(Run(Prompt(201), 1).opened.cached_tokens, 0u);
  options.tenant = "b";
  EXPECT_EQ(Run(options, 1).opened.cached_tokens, 0u);
  options.tenant = "a";
  EXPECT_EQ(Run(options, 1).opened.cached_tokens, 192u);
}

// One of several equal prompts is prefilled. The others reuse each of its chunks from the cache.
TEST_F(PrefixReuseTest, PromptsThatArriveTogetherArePrefilledOnce) {
  std::promise<void> go;
  const std::shared_future<void> gate = go.get_future().share();
  Start(0, [gate](std::span<const Segment>, const std::atomic<bool>*) {
    gate.wait();
    return absl::OkStatus();
  });
  // The first pass waits until all prompts have arrived.
  std::vector<Opened> opened;
  for (int i = 0; i < 4; ++i) opened.push_back(*OpenLater(Prompt(501)));
  go.set_value();
  std::uint32_t cached = 0;
  for (const Opened& one : opened) {
    ASSERT_THAT(one.result.get(), IsOk());
    cached += one.result.get()->cached_tokens;
  }
  int rows = 0;
  for (const int pass : pass_rows_) rows += pass;
  EXPECT_EQ(rows + static_cast<int>(cached), 4 * 500);
  EXPECT_EQ(rows, 500 + 3 * 52);  // each sequence computes its last page, which is not full
  const absl::StatusOr<StepResult> first = Step(*opened[0].sequence, 501);
  ASSERT_THAT(first, IsOk());
  for (const Opened& one : opened) {
    if (&one == &opened[0]) continue;
    EXPECT_EQ(Step(*one.sequence, 501)->tokens, first->tokens);
  }
}

TEST_F(PrefixReuseTest, FullPagesOfACancelledPromptAreKept) {
  Sequence* cancelling = nullptr;
  std::promise<void> ready;
  const std::shared_future<void> gate = ready.get_future().share();
  int passes = 0;
  Start(0, [&, gate](std::span<const Segment>, const std::atomic<bool>*) {
    gate.wait();
    if (++passes == 3) {
      cancelling->Cancel();
      return absl::CancelledError("pass: cancelled");
    }
    return absl::OkStatus();
  });
  auto opened = OpenLater(Prompt(501));
  ASSERT_THAT(opened, IsOk());
  cancelling = opened->sequence.get();
  ready.set_value();
  EXPECT_THAT(opened->result.get(), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(scheduler_->load().kv_bytes_used, 0u);
  EXPECT_EQ(Run(Prompt(501), 1).opened.cached_tokens, 192u);
}

TEST_F(PrefixReuseTest, TokensGeneratedElsewhereCountForMaxTokens) {
  Start(4);
  SequenceOptions options = Prompt(201);
  options.generated_ids.assign(50, 1);
  options.sampling.max_tokens = 55;  // 256 tokens in total, which is four pages
  const auto moved = OpenLater(options);
  ASSERT_THAT(moved, IsOk());
  EXPECT_THAT(moved->result.get(), IsOk());
}

TEST_F(PrefixReuseTest, OpenPromisesAllPositionsOrRefuses) {
  Start(6);
  SequenceOptions options = Prompt(201);
  options.sampling.max_tokens = 55;  // 256 tokens in total, which is four pages
  const auto first = OpenLater(options);
  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(first->result.get(), IsOk());
  EXPECT_EQ(scheduler_->load().kv_bytes_used, 4 * kPageBytes);
  EXPECT_EQ(scheduler_->load().kv_bytes_bound, 6 * kPageBytes);
  EXPECT_THAT(
      OpenLater(Prompt(2)),  // without max_tokens the sequence needs the whole context
      StatusIs(absl::StatusCode::kOutOfRange, HasSubstr("need 5120 bytes, expected at most 3072")));
  options = Prompt(300, 1);
  options.sampling.max_tokens = 1;
  EXPECT_THAT(OpenLater(options), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(scheduler_->load().open_sequences, 1u);
  // Three of its four pages are in the cache already.
  options = Prompt(201);
  options.sampling.max_tokens = 100;
  const auto second = OpenLater(options);
  ASSERT_THAT(second, IsOk());
  EXPECT_EQ(second->result.get()->cached_tokens, 192u);
}

TEST_F(PrefixReuseTest, ASequenceMayUseAllItsPromisedPositionsAndNoMore) {
  Start(1);
  SequenceOptions options = Prompt(20);
  options.sampling.max_tokens = 30;
  const auto opened = OpenLater(options);
  ASSERT_THAT(opened, IsOk());
  ASSERT_THAT(opened->result.get(), IsOk());
  std::uint32_t base = 20;
  for (; base < 50; ++base) EXPECT_THAT(Step(*opened->sequence, base), IsOk());
  EXPECT_THAT(Step(*opened->sequence, base),
              StatusIs(absl::StatusCode::kOutOfRange, HasSubstr("got 50 tokens, expected less")));
}

TEST_F(PrefixReuseTest, UsageCountsTokensLookedUpAndFound) {
  Run(Prompt(201), 1);
  Run(Prompt(201), 1);
  const KvUsage usage = scheduler_->kv_usage();
  EXPECT_EQ(usage.queried_tokens, 402u);
  EXPECT_EQ(usage.found_tokens, 192u);
  EXPECT_EQ(usage.held_bytes, 0u);
  EXPECT_EQ(usage.promised_bytes, 0u);
  EXPECT_EQ(usage.cached_bytes, 3 * kPageBytes);
}

}  // namespace
}  // namespace recycling::verifier
