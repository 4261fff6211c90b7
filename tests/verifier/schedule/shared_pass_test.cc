// Many sequences share passes of a real transformer. They start, end, are cancelled, prefill and
// draft. Each sequence must give the same bits as alone and without drafts.
#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <future>
#include <latch>
#include <random>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/doubles/matchers.h"
#include "tests/doubles/tiny_model.h"
#include "tests/verifier/forward/random_tree.h"
#include "verifier/schedule/scheduler.h"

namespace recycling::verifier {
namespace {

using doubles::IsOk;

constexpr std::uint32_t kK = 4;

// The output of a sequence.
struct Output {
  Candidates prompt_candidates;
  std::vector<TokenId> tokens;
  std::vector<TokenLogprob> logprobs;
  std::vector<TokenId> candidates;  // [tokens][kK], from the row that gave the token
};

void ExpectEqualBits(const Output& got, const Output& expected, const std::string& where) {
  EXPECT_EQ(got.prompt_candidates, expected.prompt_candidates) << where;
  EXPECT_EQ(got.tokens, expected.tokens) << where;
  EXPECT_EQ(got.candidates, expected.candidates) << where;
  ASSERT_EQ(got.logprobs.size(), expected.logprobs.size()) << where;
  for (std::size_t i = 0; i < got.logprobs.size(); ++i) {
    const TokenLogprob& a = got.logprobs[i];
    const TokenLogprob& b = expected.logprobs[i];
    EXPECT_EQ(a.token, b.token) << where;
    EXPECT_EQ(std::memcmp(&a.logprob, &b.logprob, sizeof(float)), 0) << where << " token " << i;
    ASSERT_EQ(a.top.size(), b.top.size()) << where;
    for (std::size_t t = 0; t < a.top.size(); ++t) {
      EXPECT_EQ(a.top[t].first, b.top[t].first) << where;
      EXPECT_EQ(std::memcmp(&a.top[t].second, &b.top[t].second, sizeof(float)), 0) << where;
    }
  }
}

class MixedPassTest : public ::testing::Test {
 protected:
  static constexpr int kSlots = 8;

  void SetUp() override {
    bytes_ = doubles::TinyModelBytes({.heads_per_group = 3});
    auto file = GgufFile::Parse(std::as_bytes(std::span<const char>(bytes_)));
    ASSERT_THAT(file, IsOk());
    model_ = *Model::FromFile(*std::move(file), "tiny");
    vocab_ = model_->config().vocab_size;
  }

  // The scheduler has few rows and small chunks. So it must cut trees, and a prompt needs many
  // passes.
  std::unique_ptr<Scheduler> NewScheduler(InstructionSet set) {
    auto transformer = *Transformer::Create(
        model_, {.threads = 2, .max_rows = 24, .kv_type = KvType::kF16, .instruction_set = set});
    auto cache =
        *KvCache::Create(model_->config(), KvType::kF16, transformer->context_length(), kSlots);
    auto scheduler = std::make_unique<Scheduler>(std::move(transformer), std::move(cache),
                                                 SchedulerOptions{.vocab_size = vocab_,
                                                                  .k = kK,
                                                                  .max_tree_nodes = 12,
                                                                  .prefill_chunk = 16,
                                                                  .max_rows = 24});
    PassCosts costs;
    costs.Set(1, absl::Microseconds(100));
    costs.Set(24, absl::Microseconds(400));
    scheduler->SetPassCosts(costs);
    return scheduler;
  }

  SequenceOptions RandomOptions(std::mt19937& random) const {
    SequenceOptions options;
    options.prompt_ids.resize(1 + random() % 90);
    for (TokenId& id : options.prompt_ids) id = static_cast<TokenId>(random() % vocab_);
    options.learn_last = static_cast<std::uint32_t>(random() % 3 * 7);
    options.want_candidates = true;
    options.tenant = std::string(1, static_cast<char>('a' + random() % 3));
    options.sampling.ignore_eos = true;
    options.sampling.top_logprobs = 2;
    if (random() % 2 == 0) {
      options.sampling.temperature = 0.8F;
      options.sampling.top_p = 0.9F;
      options.sampling.seed = random();
      options.sampling.repetition_penalty = 1.1F;
    }
    return options;
  }

  // Decodes `count` tokens. `truth` are the expected tokens: if it is not null, most steps have
  // random trees.
  Output Decode(Scheduler& scheduler, const SequenceOptions& options, std::size_t count,
                const std::vector<TokenId>* truth, unsigned seed) const {
    Output output;
    std::mt19937 random(seed);
    auto opened = std::make_shared<std::promise<absl::StatusOr<OpenResult>>>();
    auto sequence = scheduler.Open(options, [opened](auto result) { opened->set_value(result); });
    EXPECT_THAT(sequence, IsOk());
    auto open_result = opened->get_future().get();
    EXPECT_THAT(open_result, IsOk());
    if (!open_result.ok()) return output;
    output.prompt_candidates = open_result->prompt_candidates;
    std::vector<TokenId> so_far = options.prompt_ids;
    while (output.tokens.size() < count) {
      VerifyStep step = {.base = static_cast<std::uint32_t>(so_far.size())};
      if (truth != nullptr && random() % 4 != 0) {
        const auto told = static_cast<std::ptrdiff_t>(output.tokens.size());
        step.tree = RandomTree(so_far, {truth->begin() + told, truth->end()}, vocab_, 12, random);
      }
      auto done = std::make_shared<std::promise<absl::StatusOr<StepResult>>>();
      EXPECT_THAT((*sequence)->Verify(step, [done](auto result) { done->set_value(result); }),
                  IsOk());
      const auto result = done->get_future().get();
      EXPECT_THAT(result, IsOk());
      if (!result.ok()) return output;
      for (std::size_t i = 0; i < result->tokens.size() && output.tokens.size() < count; ++i) {
        output.tokens.push_back(result->tokens[i]);
        output.logprobs.push_back(result->logprobs[i]);
        const auto row = static_cast<std::size_t>(i == 0 ? 0 : result->accepted_nodes[i - 1]);
        const auto ids = result->candidates.ids.begin() + static_cast<std::ptrdiff_t>(row * kK);
        output.candidates.insert(output.candidates.end(), ids, ids + kK);
      }
      so_far.insert(so_far.end(), result->tokens.begin(), result->tokens.end());
    }
    return output;
  }

  // Opens sequences, uses them and cancels them at random moments.
  void Disturb(Scheduler& scheduler, unsigned seed, const std::atomic<bool>& stop) const {
    std::mt19937 random(seed);
    while (!stop) {
      auto done = std::make_shared<std::promise<void>>();
      auto sequence =
          scheduler.Open(RandomOptions(random), [done](const auto&) { done->set_value(); });
      if (!sequence.ok()) {  // all slots are taken
        std::this_thread::yield();
        continue;
      }
      if (random() % 2 == 0) {
        sequence->reset();  // its prefill waits or runs
        done->get_future().wait();
        continue;
      }
      done->get_future().wait();
      done = std::make_shared<std::promise<void>>();
      const absl::Status status =
          (*sequence)->Verify({.base = 1}, [done](const auto&) { done->set_value(); });
      EXPECT_THAT(status, IsOk());
      if (random() % 2 == 0) (*sequence)->Cancel();
      done->get_future().wait();
    }
  }

  void CheckMix(InstructionSet set);

  std::string bytes_;
  std::shared_ptr<const Model> model_;
  std::uint32_t vocab_ = 0;
};

void MixedPassTest::CheckMix(InstructionSet set) {
  constexpr std::size_t kSequences = 6;
  constexpr std::size_t kRounds = 3;  // sequences per thread, one after the other
  constexpr std::size_t kTokens = 40;
  std::mt19937 random(23);
  std::vector<SequenceOptions> options;
  std::vector<Output> alone;
  for (std::size_t i = 0; i < kSequences * kRounds; ++i) {
    options.push_back(RandomOptions(random));
    const auto scheduler = NewScheduler(set);
    // The trees of the last steps need expected tokens after the first kTokens.
    alone.push_back(Decode(*scheduler, options.back(), kTokens + 12, nullptr, 0));
    ASSERT_EQ(scheduler->counts().shares, scheduler->counts().passes);
  }

  const auto scheduler = NewScheduler(set);
  std::latch all_there(kSequences + 2);
  std::atomic<bool> stop = false;
  std::vector<Output> mixed(options.size());
  {
    std::vector<std::jthread> disturbers;
    for (unsigned d = 0; d < 2; ++d) {
      disturbers.emplace_back([&, d] {
        all_there.arrive_and_wait();
        Disturb(*scheduler, 100 + d, stop);
      });
    }
    std::vector<std::jthread> threads;
    for (std::size_t thread = 0; thread < kSequences; ++thread) {
      threads.emplace_back([&, thread] {
        all_there.arrive_and_wait();
        for (std::size_t round = 0; round < kRounds; ++round) {
          const std::size_t i = thread * kRounds + round;
          mixed[i] =
              Decode(*scheduler, options[i], kTokens, &alone[i].tokens, static_cast<unsigned>(i));
        }
      });
    }
    threads.clear();
    stop = true;
  }
  const SchedulerCounts counts = scheduler->counts();
  EXPECT_GT(counts.shares, counts.passes) << "no sequences shared a pass";
  EXPECT_GT(counts.draft_rows, 100u);
  EXPECT_GT(counts.cut_rows, 0u);
  EXPECT_EQ(counts.waiting, 0u);
  EXPECT_EQ(scheduler->load().open_sequences, 0u);
  for (std::size_t i = 0; i < options.size(); ++i) {
    Output expected = alone[i];
    expected.tokens.resize(kTokens);
    expected.logprobs.resize(kTokens);
    expected.candidates.resize(kTokens * kK);
    ExpectEqualBits(mixed[i], expected, absl::StrCat("sequence ", i));
  }
}

TEST_F(MixedPassTest, ASequenceGivesTheSameBitsAloneAndInAnyMix) {
  CheckMix(InstructionSet::kPortable);
  CheckMix(BestInstructionSet());
}

}  // namespace
}  // namespace recycling::verifier
