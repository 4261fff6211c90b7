#include "gateway/loop/decode_loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "tests/doubles/fake_clock.h"
#include "tests/doubles/fake_drafter_client.h"
#include "tests/doubles/fake_verifier_client.h"
#include "tests/doubles/fake_verifier_directory.h"
#include "tests/doubles/matchers.h"
#include "tests/doubles/mock_drafter_client.h"
#include "tests/doubles/mock_verifier_client.h"

namespace recycling::gateway {
namespace {

using doubles::DraftFault;
using doubles::IsOk;
using doubles::StatusIs;
using doubles::VerifierFault;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Return;
using ::testing::ReturnRef;

const std::vector<TokenId> kPrompt = {5, 6, 7, 8};
constexpr TokenId kEos = 2;

class OneDrafter : public DrafterDirectory {
 public:
  absl::StatusOr<std::shared_ptr<DrafterClient>> Pick(const std::string&, MatrixScope) override {
    if (drafter == nullptr) return absl::UnavailableError("no drafter");
    return drafter;
  }
  void Report(const std::string&, const absl::Status& error) override { reported.push_back(error); }
  bool Judge(const std::string&, const absl::Status&) override { return true; }

  std::shared_ptr<DrafterClient> drafter;
  std::vector<absl::Status> reported;
};

// Runs the loop with a toy verifier and a drafter that knows the toy model.
class DecodeLoopTest : public ::testing::Test {
 protected:
  DecodeOutcome Run(DecodeRequest request) {
    if (request.prompt_ids.empty()) request.prompt_ids = kPrompt;
    verifier_options_.model = drafter_options_.model = model_;
    verifier_options_.trace = drafter_options_.trace = trace_;
    drafter_options_.clock = &clock_;
    verifier_ = std::make_shared<doubles::FakeVerifierClient>(verifier_options_);
    if (has_drafter_) {
      drafters_.drafter = std::make_shared<doubles::FakeDrafterClient>(drafter_options_);
    }
    if (offers_itself_) verifiers_.clients = {verifier_};
    DecodeLoop loop(std::move(request), Parts(verifier_));
    on_start_(loop);
    return loop.Run([this](OutputDelta delta) {
      on_show_();
      deltas_.push_back(std::move(delta));
    });
  }

  DecodeParts Parts(std::shared_ptr<VerifierClient> verifier) {
    return {.verifier = std::move(verifier),
            .moves = {.verifiers = verifiers_, .budget = budget_, .clock = clock_, .rules = {}},
            .drafters = drafters_,
            .ledger = ledger_,
            .clock = clock_,
            .token_bytes = [](TokenId id) { return "<" + std::to_string(id) + ">"; },
            .draft_deadline = absl::Milliseconds(20),
            .on_steps = on_steps_,
            .on_step_times = on_step_times_};
  }

  std::vector<TokenId> Tokens() const {
    std::vector<TokenId> tokens;
    for (const OutputDelta& delta : deltas_) {
      tokens.insert(tokens.end(), delta.tokens.begin(), delta.tokens.end());
    }
    return tokens;
  }

  std::vector<TokenId> Plain(int count) const { return model_->Continue(kPrompt, count); }

  std::uint64_t Fallbacks(const DecodeOutcome& outcome, FallbackReason reason) const {
    return outcome.speculation.fallbacks[static_cast<std::size_t>(reason)];
  }

  // The number of calls whose names start with `word`.
  long Calls(const std::string& word) const {
    const auto calls = trace_->Calls();
    return std::count_if(calls.begin(), calls.end(),
                         [&](const std::string& call) { return call.starts_with(word); });
  }

  std::shared_ptr<const doubles::ToyModel> model_ = std::make_shared<doubles::ToyModel>();
  std::shared_ptr<doubles::CallTrace> trace_ = std::make_shared<doubles::CallTrace>();
  doubles::FakeVerifierOptions verifier_options_;
  doubles::FakeDrafterOptions drafter_options_;
  bool has_drafter_ = true;
  std::function<void(DecodeLoop&)> on_start_ = [](DecodeLoop&) {};
  std::function<void()> on_show_ = [] {};
  std::function<void(const SpeculationStats&)> on_steps_;
  std::function<void(const StepTimes&)> on_step_times_;
  doubles::FakeClock clock_;
  OneDrafter drafters_;
  // The verifiers to which the sequence can move: none, or only verifier_ if offers_itself_ is
  // true.
  doubles::FakeVerifierDirectory verifiers_{clock_};
  bool offers_itself_ = false;
  RetryBudget budget_;
  DraftLedger ledger_;
  std::shared_ptr<doubles::FakeVerifierClient> verifier_;
  std::vector<OutputDelta> deltas_;
};

TEST_F(DecodeLoopTest, DraftedOutputEqualsPlainOutputInFewerSteps) {
  const DecodeOutcome outcome = Run({.max_tokens = 40, .node_budget = 16});
  ASSERT_THAT(outcome.status, IsOk());
  EXPECT_EQ(Tokens(), Plain(40));
  EXPECT_EQ(outcome.finish.reason, FinishReason::kLength);
  EXPECT_EQ(outcome.completion_tokens, 40u);
  EXPECT_LT(outcome.speculation.steps, 20u);
  EXPECT_GT(outcome.speculation.MeanAcceptedTokens(), 2.0);
  EXPECT_EQ(outcome.drafter, "fake-drafter");
}

// The traces of all steps together hold the output: the accepted nodes and the token after them.
TEST_F(DecodeLoopTest, TracesSayWhatEachStepVerified) {
  ASSERT_THAT(Run({.max_tokens = 20, .node_budget = 8, .trace = true}).status, IsOk());
  std::vector<TokenId> traced;
  TokenId root = kPrompt.back();
  std::size_t base = kPrompt.size();
  int drafted = 0;
  for (const OutputDelta& delta : deltas_) {
    ASSERT_TRUE(delta.trace.has_value());
    const StepTrace& trace = *delta.trace;
    ASSERT_EQ(trace.pieces.size(), trace.tree.tokens.size() + 1);
    EXPECT_EQ(trace.tree.tokens[0], root);
    EXPECT_EQ(trace.tree.base, base);
    base += trace.accepted_nodes.size() + 1;
    EXPECT_EQ(trace.pieces[0], "<" + std::to_string(root) + ">");
    for (const int node : trace.accepted_nodes) {
      traced.push_back(trace.tree.tokens.at(static_cast<std::size_t>(node)));
    }
    traced.push_back(trace.next);
    EXPECT_EQ(trace.pieces.back(), "<" + std::to_string(trace.next) + ">");
    root = trace.next;
    drafted += trace.tree.drafted();
  }
  traced.resize(20);
  EXPECT_EQ(traced, Plain(20));
  EXPECT_GT(drafted, 20);
}

TEST_F(DecodeLoopTest, WithoutDraftsATraceHasTheRootAlone) {
  ASSERT_THAT(Run({.max_tokens = 3, .speculation = Speculation::kOff, .trace = true}).status,
              IsOk());
  ASSERT_EQ(deltas_.size(), 3u);
  for (const OutputDelta& delta : deltas_) EXPECT_EQ(delta.trace->tree.drafted(), 0);
}

TEST_F(DecodeLoopTest, WithoutARequestThereIsNoTrace) {
  ASSERT_THAT(Run({.max_tokens = 3, .node_budget = 8}).status, IsOk());
  for (const OutputDelta& delta : deltas_) EXPECT_FALSE(delta.trace.has_value());
}

TEST_F(DecodeLoopTest, AStepGetsADraftThenVerifiesItThenSendsTheResultToTheDrafter) {
  drafter_options_.acceptance_rate = 0;
  ASSERT_THAT(Run({.max_tokens = 2, .node_budget = 8}).status, IsOk());
  EXPECT_THAT(trace_->Calls(), ElementsAre("verifier.session", "verifier.open", "drafter.session",
                                           "drafter.propose 0", "verifier.verify 0",
                                           "drafter.observe 1", "verifier.verify 1",
                                           "verifier.close", "drafter.observe 2", "drafter.close"));
}

TEST_F(DecodeLoopTest, SpeculationOffMakesNoDrafterCallAndAsksNoCandidates) {
  const DecodeOutcome outcome =
      Run({.max_tokens = 10, .speculation = Speculation::kOff, .node_budget = 16, .learn_last = 3});
  ASSERT_THAT(outcome.status, IsOk());
  EXPECT_EQ(Tokens(), Plain(10));
  EXPECT_EQ(Calls("drafter"), 0);
  EXPECT_EQ(outcome.speculation.MeanAcceptedTokens(), 1.0);
  EXPECT_EQ(outcome.drafter, "");
}

TEST_F(DecodeLoopTest, WithABudgetOfZeroStepsArePlainAndTheDrafterLearnsThem) {
  const DecodeOutcome outcome = Run({.max_tokens = 10, .node_budget = 0});
  ASSERT_THAT(outcome.status, IsOk());
  EXPECT_EQ(Tokens(), Plain(10));
  EXPECT_EQ(Calls("drafter.propose"), 0);
  EXPECT_EQ(Calls("drafter.observe"), 10);
  EXPECT_EQ(outcome.speculation.steps, 10u);
  EXPECT_EQ(outcome.speculation.fallbacks, (SpeculationStats().fallbacks));
}

TEST_F(DecodeLoopTest, TheLastTokenIsNotDrafted) {
  ASSERT_THAT(Run({.max_tokens = 1, .node_budget = 16}).status, IsOk());
  EXPECT_EQ(Calls("drafter.propose"), 0);
  EXPECT_EQ(Calls("drafter.observe"), 1);
  EXPECT_EQ(Tokens(), Plain(1));
}

TEST_F(DecodeLoopTest, TreesAreCutToTheLimitOfTheVerifierAndToTheAllowedTokens) {
  verifier_options_.max_tree_nodes = 5;
  ASSERT_THAT(Run({.max_tokens = 3, .node_budget = 16}).status, IsOk());
  EXPECT_EQ(Tokens(), Plain(3));
  for (const OutputDelta& delta : deltas_) EXPECT_LE(delta.tokens.size(), 3u);
  // The verifier would refuse a larger tree, and a deeper tree would give too many tokens.
  EXPECT_EQ(Calls("verifier.verify"), 1);
}

TEST_F(DecodeLoopTest, LearnsThePromptBeforeTheFirstStep) {
  ASSERT_THAT(Run({.max_tokens = 4, .node_budget = 4, .learn_last = 2}).status, IsOk());
  EXPECT_EQ(Calls("drafter.prompt 0"), 1);
  EXPECT_EQ(Calls("drafter.prompt"), 1);
}

TEST_F(DecodeLoopTest, EndOfSequenceInsideAnAcceptedRunEndsTheOutputThere) {
  model_ = std::make_shared<doubles::ToyModel>(doubles::ToyModelOptions{.script = {{8, kEos}}});
  const DecodeOutcome outcome = Run({.max_tokens = 40, .node_budget = 16});
  ASSERT_THAT(outcome.status, IsOk());
  EXPECT_EQ(outcome.finish.reason, FinishReason::kEos);
  EXPECT_EQ(outcome.finish.matched_token, kEos);
  EXPECT_EQ(outcome.completion_tokens, 5u);
  EXPECT_EQ(Tokens(), Plain(5));
}

TEST_F(DecodeLoopTest, WithIgnoreEosTheOutputContinuesAfterEndOfSequence) {
  model_ = std::make_shared<doubles::ToyModel>(doubles::ToyModelOptions{.script = {{8, kEos}}});
  const DecodeOutcome outcome =
      Run({.sampling = {.ignore_eos = true}, .max_tokens = 9, .node_budget = 16});
  EXPECT_EQ(outcome.finish.reason, FinishReason::kLength);
  EXPECT_EQ(Tokens(), Plain(9));
}

TEST_F(DecodeLoopTest, AStopStringInsideAnAcceptedRunTrimsTextIdsAndCounts) {
  const std::vector<TokenId> plain = Plain(10);
  const std::string stop = std::to_string(plain[3]) + "><" + std::to_string(plain[4]);
  const DecodeOutcome outcome = Run({.max_tokens = 10, .stop = {stop}, .node_budget = 16});
  EXPECT_EQ(outcome.finish.reason, FinishReason::kStopString);
  EXPECT_EQ(outcome.finish.matched_stop, stop);
  EXPECT_EQ(Tokens(), Plain(4));  // the "<" of the fourth token is before the match
  EXPECT_EQ(outcome.completion_tokens, 4u);
  EXPECT_EQ(outcome.speculation.emitted_tokens, 4u);
  EXPECT_LE(outcome.speculation.accepted_tokens, 4u);
}

TEST_F(DecodeLoopTest, EveryDeltaHasOneLogprobForEachToken) {
  Run({.sampling = {.top_logprobs = 2}, .max_tokens = 12, .node_budget = 8});
  for (const OutputDelta& delta : deltas_) {
    ASSERT_EQ(delta.logprobs.size(), delta.tokens.size());
    for (std::size_t i = 0; i < delta.tokens.size(); ++i) {
      EXPECT_EQ(delta.logprobs[i].token, delta.tokens[i]);
    }
  }
}

TEST_F(DecodeLoopTest, FaultsOfTheDrafterGivePlainStepsAndAreCounted) {
  const std::vector<std::pair<DraftFault, FallbackReason>> faults = {
      {DraftFault::kError, FallbackReason::kError},
      {DraftFault::kMismatch, FallbackReason::kMismatch},
      {DraftFault::kSilent, FallbackReason::kTimeout},
      {DraftFault::kDropped, FallbackReason::kUnavailable},
      {DraftFault::kStale, FallbackReason::kStale},
      {DraftFault::kNoTree, FallbackReason::kMalformed},
      {DraftFault::kCycle, FallbackReason::kMalformed},
      {DraftFault::kUnknownToken, FallbackReason::kMalformed},
      {DraftFault::kTooManyNodes, FallbackReason::kMalformed},
      {DraftFault::kTwins, FallbackReason::kMalformed},
      {DraftFault::kWrongRoot, FallbackReason::kStale},
      {DraftFault::kNegativeParent, FallbackReason::kMalformed},
      {DraftFault::kLengthsDiffer, FallbackReason::kMalformed}};
  for (const auto& [fault, reason] : faults) {
    deltas_.clear();
    drafter_options_.fault = [fault = fault](std::uint64_t) { return fault; };
    const DecodeOutcome outcome = Run({.max_tokens = 10, .node_budget = 8});
    ASSERT_THAT(outcome.status, IsOk());
    EXPECT_EQ(Tokens(), Plain(10));
    EXPECT_EQ(outcome.speculation.steps, 10u);
    // The last step asks for no draft.
    EXPECT_EQ(Fallbacks(outcome, reason), 9u) << static_cast<int>(fault);
  }
}

TEST_F(DecodeLoopTest, WithoutADrafterEveryStepIsPlain) {
  has_drafter_ = false;
  const DecodeOutcome outcome = Run({.max_tokens = 10, .node_budget = 8});
  ASSERT_THAT(outcome.status, IsOk());
  EXPECT_EQ(Tokens(), Plain(10));
  EXPECT_EQ(Fallbacks(outcome, FallbackReason::kUnavailable), 9u);
}

TEST_F(DecodeLoopTest, ADrafterThatRecoversDraftsAgain) {
  drafter_options_.fault = [](std::uint64_t step) {
    return step < 2 ? DraftFault::kError : DraftFault::kNone;
  };
  const DecodeOutcome outcome = Run({.max_tokens = 30, .node_budget = 8});
  EXPECT_EQ(Tokens(), Plain(30));
  EXPECT_EQ(Fallbacks(outcome, FallbackReason::kError), 3u);  // steps 0 and 1, and the pause after
  EXPECT_GT(outcome.speculation.drafted_steps, 0u);
  EXPECT_EQ(drafters_.reported.size(), 2u);
}

TEST_F(DecodeLoopTest, TimingsSeparateDraftVerifyAndRest) {
  verifier_options_.on_call = [this](const std::string& call) {
    if (call == "verifier.open") clock_.Advance(absl::Milliseconds(7));
    if (call.starts_with("verifier.verify")) clock_.Advance(absl::Milliseconds(3));
  };
  drafter_options_.on_call = [this](const std::string& call) {
    if (call.starts_with("drafter.propose")) clock_.Advance(absl::Milliseconds(1));
  };
  drafter_options_.acceptance_rate = 0;
  const DecodeOutcome outcome = Run({.max_tokens = 4, .node_budget = 8});
  EXPECT_EQ(outcome.timings.prefill, absl::Milliseconds(7));
  EXPECT_EQ(outcome.timings.verify, absl::Milliseconds(12));
  EXPECT_EQ(outcome.timings.draft, absl::Milliseconds(3));
  EXPECT_EQ(outcome.timings.decode, absl::Milliseconds(15));
  EXPECT_EQ(outcome.timings.rest(), absl::ZeroDuration());
  EXPECT_EQ(outcome.timings.time_to_first_token, absl::Milliseconds(11));
}

TEST_F(DecodeLoopTest, ShowsAStepToTheClientWhileTheVerifierRunsTheNextOne) {
  on_show_ = [this] { trace_->Add("show"); };
  // Before the verifier answers a step, the loop must have shown all earlier steps to the client.
  verifier_options_.on_answer = [this](std::uint64_t step) {
    EXPECT_EQ(deltas_.size(), step);
    trace_->Add("answer " + std::to_string(step));
  };
  drafter_options_.acceptance_rate = 0;
  ASSERT_THAT(Run({.max_tokens = 3, .node_budget = 8}).status, IsOk());
  const auto calls = trace_->Calls();
  const auto first_show = std::find(calls.begin(), calls.end(), "show");
  ASSERT_GE(first_show - calls.begin(), 2);
  EXPECT_THAT(std::vector<std::string>(first_show - 2, first_show + 2),
              ElementsAre("drafter.propose 1", "verifier.verify 1", "show", "answer 1"));
}

TEST_F(DecodeLoopTest, StepsAreCountedWhileTheRequestRuns) {
  SpeculationStats counted;
  on_steps_ = [&](const SpeculationStats& steps) { counted.Add(steps); };
  // Before the verifier answers step n, the loop must have shown and counted all earlier steps.
  verifier_options_.on_answer = [&](std::uint64_t step) { EXPECT_EQ(counted.steps, step); };
  const DecodeOutcome outcome = Run({.max_tokens = 20, .node_budget = 8});
  ASSERT_THAT(outcome.status, IsOk());
  EXPECT_GT(outcome.speculation.steps, 2u);
  EXPECT_EQ(counted.steps, outcome.speculation.steps);
  EXPECT_EQ(counted.accepted_tokens, outcome.speculation.accepted_tokens);
  EXPECT_EQ(counted, outcome.counted);
}

TEST_F(DecodeLoopTest, TimesOfStepsAreToldAtTheirEnds) {
  Timings told;
  std::uint64_t ends = 0;
  on_step_times_ = [&](const StepTimes& times) {
    told.Add(times);
    ++ends;
  };
  verifier_options_.on_answer = [&](std::uint64_t step) { EXPECT_EQ(ends, step); };
  verifier_options_.on_call = [this](const std::string& call) {
    if (call.find("verify") != std::string::npos) clock_.Advance(absl::Milliseconds(3));
  };
  const DecodeOutcome outcome = Run({.max_tokens = 20, .node_budget = 8});
  ASSERT_THAT(outcome.status, IsOk());
  EXPECT_EQ(ends, outcome.speculation.steps);
  EXPECT_GT(told.decode, absl::ZeroDuration());
  EXPECT_EQ(told.decode, outcome.timings.decode);
  EXPECT_EQ(told.verify, outcome.timings.verify);
}

TEST_F(DecodeLoopTest, StepDurationsSeparateInsideWireAndRest) {
  verifier_options_.on_call = [this](const std::string& call) {
    if (call.starts_with("verifier.verify")) clock_.Advance(absl::Microseconds(300));
  };
  verifier_options_.inside = absl::Microseconds(250);
  drafter_options_.on_call = [this](const std::string& call) {
    if (call.starts_with("drafter.propose")) clock_.Advance(absl::Microseconds(100));
  };
  drafter_options_.inside = absl::Microseconds(40);
  drafter_options_.acceptance_rate = 0;
  on_show_ = [this] { clock_.Advance(absl::Microseconds(10)); };
  const DecodeOutcome outcome = Run({.max_tokens = 4, .node_budget = 8});
  EXPECT_EQ(outcome.timings.draft, absl::Microseconds(300));
  EXPECT_EQ(outcome.timings.draft_inside, absl::Microseconds(120));
  // The loop shows a step while the verifier runs the next one. In this test both happen on one
  // thread, so the 30 us of showing three steps are part of the wait for the verifier.
  EXPECT_EQ(outcome.timings.verify, absl::Microseconds(1200 + 30));
  EXPECT_EQ(outcome.timings.verify_inside, absl::Microseconds(1000));
  EXPECT_EQ(outcome.timings.wire, absl::Microseconds(380 + 30));
  EXPECT_EQ(outcome.timings.rest(), absl::Microseconds(10));
  EXPECT_EQ(outcome.timings.decode, absl::Microseconds(1540));
  // A drafted step waits 100 us for the draft and 50 us for the wire. Each step but the first also
  // shows the step before it. The last step has no draft, and it also shows its own tokens.
  EXPECT_EQ(outcome.steps.drafted_overhead.sum_micros(), 150u + 160u + 160u);
  EXPECT_EQ(outcome.steps.plain_overhead.sum_micros(), 70u);
  EXPECT_EQ(outcome.steps.verify.sum_micros(), 1230u);
}

TEST_F(DecodeLoopTest, TheReportedTimeOfAPeerIsCutToTheWaitingTime) {
  verifier_options_.inside = absl::Hours(1);
  verifier_options_.forward = absl::Hours(2);
  drafter_options_.inside = absl::InfiniteDuration();
  const DecodeOutcome outcome = Run({.max_tokens = 4, .node_budget = 8});
  EXPECT_EQ(outcome.timings.draft_inside, absl::ZeroDuration());
  EXPECT_EQ(outcome.timings.verify_inside, absl::ZeroDuration());
  EXPECT_EQ(outcome.timings.verify_forward, absl::ZeroDuration());
}

// A pass of one row takes 1 ms, and a pass of a tree takes 10 ms. The verifier reports these costs.
// No draft is accepted.
class CostlyTreesTest : public DecodeLoopTest {
 protected:
  CostlyTreesTest() {
    drafter_options_.acceptance_rate = 0;
    drafter_options_.on_call = [this](const std::string& call) {
      drafted_ = drafted_ || call.starts_with("drafter.propose");
    };
    verifier_options_.on_call = [this](const std::string& call) {
      if (!call.starts_with("verifier.verify")) return;
      clock_.Advance(absl::Milliseconds(std::exchange(drafted_, false) ? 10 : 1));
    };
    verifier_options_.inside = absl::InfiniteDuration();  // the loop cuts it to the waiting time
    verifier_options_.pass_costs = {{1, absl::Milliseconds(1)}, {9, absl::Milliseconds(10)}};
  }

  bool drafted_ = false;
};

TEST_F(CostlyTreesTest, StopsAskingForCostlyDraftsButSendsEveryStepToTheDrafter) {
  std::vector<TokenId> learnt;  // accepted rows, in order
  drafter_options_.on_step = [&learnt](const DraftStep& step) {
    if (!step.observation.has_value()) return;
    const Observation& heard = *step.observation;
    ASSERT_EQ(heard.candidates.ids.size(), heard.tokens.size() * heard.candidates.k);
    for (const int row : heard.accepted_path) {
      learnt.push_back(heard.tokens.at(static_cast<std::size_t>(row)));
      EXPECT_EQ(heard.parents.at(static_cast<std::size_t>(row)), row - 1)
          << "the rows must form a chain";
    }
  };
  const DecodeOutcome outcome = Run({.max_tokens = 200, .node_budget = 8});
  ASSERT_THAT(outcome.status, IsOk());
  EXPECT_EQ(Tokens(), Plain(200));
  EXPECT_EQ(Calls("drafter.propose"), 1);
  std::vector<TokenId> rows = Plain(199);
  rows.insert(rows.begin(), kPrompt.back());
  EXPECT_EQ(learnt, rows) << "the drafter must learn every step, in order";
  EXPECT_LE(Calls("drafter.observe"), 10) << "one message must carry many steps";
  EXPECT_EQ(outcome.speculation.paused_steps, 198u)
      << "all steps but the first and the last are paused";
  EXPECT_EQ(outcome.speculation.fallbacks, (SpeculationStats().fallbacks));
}

// The guard also counts the time that drafting costs other sequences. A tree that saves time for a
// lone sequence can cost time if many sequences wait for it.
TEST_F(DecodeLoopTest, UnderLoadStopsAskingForTreesThatDelayOthers) {
  verifier_options_.pass_costs = {{1, absl::Microseconds(1000)}, {101, absl::Microseconds(51000)}};
  verifier_options_.on_call = [this](const std::string& call) {
    if (call.starts_with("verifier.verify")) clock_.Advance(absl::Milliseconds(6));
  };
  EXPECT_EQ(Run({.max_tokens = 100, .node_budget = 8}).speculation.paused_steps, 0u);
  verifier_options_.others = {.rows = 9, .tokens = 9};
  deltas_.clear();
  const DecodeOutcome loaded = Run({.max_tokens = 60, .node_budget = 8, .tenant = "b"});
  EXPECT_EQ(Tokens(), Plain(60));
  EXPECT_GT(loaded.speculation.paused_steps, 20u);
  // The same tenant again, after the other sequences have ended.
  verifier_options_.others = {};
  EXPECT_EQ(Run({.max_tokens = 100, .node_budget = 8, .tenant = "b"}).speculation.paused_steps, 1u);
}

TEST_F(DecodeLoopTest, TheDrafterGetsTheParentOfEachRow) {
  std::vector<std::vector<int>> parents;
  std::vector<std::vector<TokenId>> tokens;
  drafter_options_.children = 2;
  drafter_options_.on_step = [&](const DraftStep& step) {
    if (!step.observation.has_value()) return;
    parents.push_back(step.observation->parents);
    tokens.push_back(step.observation->tokens);
  };
  ASSERT_THAT(Run({.max_tokens = 4, .speculation = Speculation::kFixed, .node_budget = 4}).status,
              IsOk());
  ASSERT_GE(parents.size(), 1u);
  EXPECT_EQ(tokens[0].size(), 5u);
  EXPECT_THAT(parents[0], ElementsAre(-1, 0, 0, 1, 1));
  for (std::size_t i = 0; i < parents.size(); ++i) EXPECT_EQ(parents[i].size(), tokens[i].size());
}

TEST_F(DecodeLoopTest, TheDrafterGetsThePromptAndANewDrafterGetsAllTokensSoFar) {
  std::vector<std::vector<TokenId>> heard;
  drafter_options_.on_open = [&](const OpenDrafting& open) { heard.push_back(open.committed); };
  drafter_options_.fault = [](std::uint64_t step) {
    return step == 2 ? DraftFault::kDropped : DraftFault::kNone;
  };
  drafter_options_.acceptance_rate = 0;
  ASSERT_THAT(Run({.max_tokens = 6, .node_budget = 4}).status, IsOk());
  std::vector<TokenId> later = kPrompt;
  for (const TokenId token : Plain(3)) later.push_back(token);
  EXPECT_THAT(heard, ElementsAre(kPrompt, later));
}

TEST_F(DecodeLoopTest, OnlyTheVerifiedPartOfACutTreeIsLearntAndCounted) {
  verifier_options_.most_verified = 2;
  std::size_t rows = 0;
  drafter_options_.on_step = [&rows](const DraftStep& step) {
    if (!step.observation.has_value()) return;
    const Observation& heard = *step.observation;
    ASSERT_EQ(heard.parents.size(), heard.tokens.size());
    ASSERT_LE(heard.tokens.size(), 3u);
    ASSERT_EQ(heard.candidates.ids.size(), heard.tokens.size() * heard.candidates.k);
    rows += heard.tokens.size();
  };
  const DecodeOutcome outcome = Run({.max_tokens = 30, .node_budget = 8});
  ASSERT_THAT(outcome.status, IsOk());
  EXPECT_EQ(Tokens(), Plain(30));
  EXPECT_GT(outcome.speculation.draft_tokens, 0u);
  EXPECT_EQ(outcome.speculation.draft_tokens + outcome.speculation.steps, rows);
}

TEST_F(CostlyTreesTest, ThePauseContinuesInTheNextRequestOfTheTenant) {
  Run({.max_tokens = 10, .node_budget = 8});
  EXPECT_EQ(Run({.max_tokens = 10, .node_budget = 8}).speculation.paused_steps, 9u);
  EXPECT_EQ(Calls("drafter.propose"), 1);
  EXPECT_EQ(Run({.max_tokens = 10, .node_budget = 8, .tenant = "b"}).speculation.drafted_steps, 1u);
  // The first request lost 9 ms, which is 2 % of a pause of 450 ms.
  const DecodeOutcome outcome = Run({.max_tokens = 500, .node_budget = 8});
  EXPECT_GE(outcome.speculation.drafted_steps, 1u) << "the guard must probe after the pause";
  EXPECT_LE(outcome.speculation.drafted_steps, 2u);
  EXPECT_EQ(outcome.speculation.drafted_steps + outcome.speculation.paused_steps, 499u);
}

// Runs a request while the test holds the places of other requests of the same kind.
class ManyRequestsTest : public CostlyTreesTest {
 protected:
  std::unique_ptr<DraftPlace> Join(MatrixScope scope = MatrixScope::kTenant) {
    const std::string address = doubles::FakeVerifierClient(verifier_options_).address();
    return std::make_unique<DraftPlace>(
        ledger_.Kind(absl::StrCat("default\n", address, "\n", static_cast<int>(scope))), true);
  }
  static void Lose(DraftPlace& place, absl::Duration took) {
    ASSERT_TRUE(place.Ask());
    place.Asked(1, took, absl::Milliseconds(1), 0);
  }
};

TEST_F(ManyRequestsTest, TheLossesOfOtherRequestsCount) {
  const auto other = Join();
  verifier_options_.on_call = [&](const std::string& call) {
    if (call == "verifier.verify 3") Lose(*other, absl::Milliseconds(100));
    if (call.starts_with("verifier.verify")) clock_.Advance(absl::Milliseconds(1));
  };
  const DecodeOutcome outcome = Run({.max_tokens = 40, .node_budget = 8});
  EXPECT_EQ(Tokens(), Plain(40));
  EXPECT_EQ(outcome.speculation.drafted_steps, 4u);
}

TEST_F(ManyRequestsTest, InAPauseOnlyOneRequestTeachesTheDrafter) {
  auto other = Join();
  Lose(*other, absl::Seconds(100));
  ASSERT_TRUE(other->Teach());
  EXPECT_THAT(Run({.max_tokens = 100, .node_budget = 8}).status, IsOk());
  EXPECT_EQ(Tokens(), Plain(100));
  EXPECT_EQ(Calls("drafter."), 0);
  other.reset();
  for (int request = 0; request < 2; ++request) {
    EXPECT_THAT(Run({.max_tokens = 100, .node_budget = 8}).status, IsOk());
  }
  EXPECT_EQ(Calls("drafter.observe"), 2 * 4)
      << "each request sends three messages of 32 rows and one with the rest";
}

TEST_F(ManyRequestsTest, ARequestThatIsNotTheTeacherDoesNotTeachInAPause) {
  const auto other = Join();
  verifier_options_.on_call = [&](const std::string& call) {
    if (call == "verifier.verify 0") {
      Lose(*other, absl::Seconds(100));
      ASSERT_TRUE(other->Teach());
    }
  };
  EXPECT_THAT(Run({.max_tokens = 100, .node_budget = 8}).status, IsOk());
  EXPECT_EQ(Calls("drafter.propose"), 1);
  EXPECT_EQ(Calls("drafter.observe"), 0);
}

TEST_F(ManyRequestsTest, AMatrixOfOneRequestIsAlwaysTaught) {
  const auto other = Join(MatrixScope::kRequest);
  Lose(*other, absl::Seconds(100));
  ASSERT_TRUE(other->Teach());
  Run({.max_tokens = 100, .node_budget = 8, .scope = MatrixScope::kRequest});
  EXPECT_EQ(Calls("drafter.observe"), 4);
}

TEST_F(ManyRequestsTest, EachMatrixScopeHasItsOwnGuard) {
  Lose(*Join(MatrixScope::kShared), absl::Seconds(100));
  EXPECT_EQ(Run({.max_tokens = 10, .node_budget = 8}).speculation.drafted_steps, 1u);
}

// The request has sent no candidates to the drafter and cannot send any. So the drafts would be
// random.
TEST_F(ManyRequestsTest, ARequestThatOpensInAPauseWithoutCandidatesNeverAsksForDrafts) {
  const auto other = Join();
  Lose(*other, absl::Seconds(100));
  ASSERT_TRUE(other->Teach());
  verifier_options_.on_call = [&](const std::string& call) {
    if (call == "verifier.verify 3") other->Paused(absl::Hours(10), 0);
  };
  const DecodeOutcome outcome = Run({.max_tokens = 40, .node_budget = 8});
  EXPECT_EQ(outcome.speculation.drafted_steps, 0u);
  EXPECT_EQ(outcome.speculation.paused_steps, 39u);
  EXPECT_FALSE(other->paused());
}

TEST_F(ManyRequestsTest, AfterAFailedRequestOthersCanProbeAndTeach) {
  Lose(*Join(), absl::Milliseconds(10));
  Join()->Paused(absl::Hours(1), 0);
  for (const bool at_open : {true, false}) {
    verifier_options_.open_error =
        at_open ? absl::InvalidArgumentError("scripted") : absl::OkStatus();
    verifier_options_.fault = [](std::uint64_t) { return VerifierFault::kError; };
    verifier_options_.error = absl::InvalidArgumentError("scripted");
    for (int request = 0; request < 2 * DraftGuard::kProbe; ++request) {
      EXPECT_FALSE(Run({.max_tokens = 10, .node_budget = 8}).status.ok());
    }
  }
  EXPECT_EQ(Calls("drafter.propose"), 2 * DraftGuard::kProbe);
  EXPECT_TRUE(Join()->Teach());
}

TEST_F(CostlyTreesTest, FixedSpeculationAsksForDraftsAtAnyCost) {
  const DecodeOutcome outcome =
      Run({.max_tokens = 20, .speculation = Speculation::kFixed, .node_budget = 8});
  EXPECT_EQ(Tokens(), Plain(20));
  EXPECT_EQ(Calls("drafter.propose"), 19);
  EXPECT_EQ(outcome.speculation.paused_steps, 0u);
}

TEST_F(CostlyTreesTest, FullSpeculationAsksForDraftsAtAnyCost) {
  const DecodeOutcome outcome =
      Run({.max_tokens = 20, .speculation = Speculation::kFull, .node_budget = 8});
  EXPECT_EQ(Tokens(), Plain(20));
  EXPECT_EQ(Calls("drafter.propose"), 19);
  EXPECT_EQ(outcome.speculation.paused_steps, 0u);
}

TEST_F(CostlyTreesTest, WithoutCostsOfTheVerifierEveryStepAsksForADraft) {
  verifier_options_.pass_costs = {};
  Run({.max_tokens = 20, .node_budget = 8});
  EXPECT_EQ(Calls("drafter.propose"), 19);
}

// Records the step costs that the loop sends to the drafter whenever it asks for a tree.
class PricesTest : public DecodeLoopTest {
 protected:
  std::vector<std::vector<StepCost>> Prices(Speculation speculation) {
    verifier_options_.pass_costs = {{1, absl::Microseconds(1000)}, {81, absl::Microseconds(1500)}};
    verifier_options_.model = model_;
    std::vector<std::vector<StepCost>> prices;
    auto session = std::make_unique<testing::NiceMock<doubles::MockDrafterSession>>();
    ON_CALL(*session, Send).WillByDefault([&](const DraftStep& step) {
      if (!step.proposal.has_value()) return;
      prices.push_back(step.proposal->step_costs);
      other_tokens_.push_back(step.proposal->other_tokens);
    });
    ON_CALL(*session, Receive).WillByDefault([this](auto&&...) {
      clock_.Advance(absl::Microseconds(70));
      return DraftAnswer{.tree = DraftTree(), .inside = absl::Microseconds(20)};
    });
    auto client = std::make_shared<testing::NiceMock<doubles::MockDrafterClient>>();
    const std::string address = "mock";
    ON_CALL(*client, address).WillByDefault(ReturnRef(address));
    EXPECT_CALL(*client, NewSession).WillOnce(Return(testing::ByMove(std::move(session))));
    drafters_.drafter = client;
    DecodeLoop loop(
        {.prompt_ids = kPrompt, .max_tokens = 5, .speculation = speculation, .node_budget = 40},
        Parts(std::make_shared<doubles::FakeVerifierClient>(verifier_options_)));
    loop.Run([](OutputDelta) {});
    drafters_.drafter.reset();
    return prices;
  }

  std::vector<double> other_tokens_;  // Proposal::other_tokens, as sent
};

TEST_F(PricesTest, PricesAreThePassCostsAndTheMeasuredOverhead) {
  const auto prices = Prices(Speculation::kAuto);
  ASSERT_GE(prices.size(), 2u);
  EXPECT_THAT(prices[0], ElementsAre(StepCost{0, 1300}, StepCost{80, 1800}))
      << "before the first measurement the overhead is a default";
  // The step takes 70 us more than the pass, because the loop waits 70 us for the draft.
  EXPECT_THAT(Prices(Speculation::kAuto)[0], ElementsAre(StepCost{0, 1070}, StepCost{80, 1570}));
}

TEST_F(PricesTest, PricesCountTheRowsAndPassesOfOtherSequences) {
  verifier_options_.others = {.rows = 15, .tokens = 7, .passes = absl::Milliseconds(2)};
  const auto prices = Prices(Speculation::kAuto);
  ASSERT_GE(prices.size(), 2u);
  EXPECT_THAT(other_tokens_, ::testing::Contains(7));
  // A row after the first costs 6.25 us. The passes of others take longer than the overhead, so
  // they hide it.
  EXPECT_THAT(prices.back(), ElementsAre(StepCost{0, 3093}, StepCost{65, 3500}));
}

TEST_F(PricesTest, FixedModeSendsNoPrices) {
  for (const auto& costs : Prices(Speculation::kFixed)) EXPECT_THAT(costs, ElementsAre());
}

TEST_F(PricesTest, AFullTreeHasNodesThatCostNothing) {
  for (const auto& costs : Prices(Speculation::kFull)) {
    EXPECT_THAT(costs, ElementsAre(StepCost{0, 1}));
  }
}

TEST_F(DecodeLoopTest, AnErrorOfTheVerifierEndsTheLoopAndKeepsTheShownTokens) {
  verifier_options_.fault = [](std::uint64_t step) {
    return step == 3 ? VerifierFault::kError : VerifierFault::kNone;
  };
  const DecodeOutcome outcome = Run({.max_tokens = 10, .speculation = Speculation::kOff});
  EXPECT_THAT(outcome.status, StatusIs(absl::StatusCode::kUnavailable, HasSubstr("scripted")));
  EXPECT_EQ(Tokens(), Plain(3));
  EXPECT_EQ(outcome.completion_tokens, 3u);
  EXPECT_EQ(verifier_->open_sequences(), 0);
}

TEST_F(DecodeLoopTest, AnErrorAtOpenEndsTheLoopBeforeAnyStep) {
  verifier_options_.open_error = absl::ResourceExhaustedError("no slot");
  const DecodeOutcome outcome = Run({.max_tokens = 10, .node_budget = 8});
  EXPECT_THAT(outcome.status, StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("no slot")));
  EXPECT_EQ(Calls("verifier.verify"), 0);
  EXPECT_EQ(Calls("drafter"), 0);
}

TEST_F(DecodeLoopTest, AVerifierThatBreaksTheProtocolGivesAnInternalError) {
  offers_itself_ = true;
  for (const VerifierFault fault :
       {VerifierFault::kWrongStep, VerifierFault::kNoTokens, VerifierFault::kUnknownToken}) {
    verifier_options_.fault = [fault](std::uint64_t) { return fault; };
    EXPECT_THAT(Run({.max_tokens = 10, .node_budget = 8}).status,
                StatusIs(absl::StatusCode::kInternal, HasSubstr("verifier's answer")));
  }
}

TEST_F(DecodeLoopTest, AfterCancelRunEndsAtOnce) {
  on_start_ = [](DecodeLoop& loop) { loop.Cancel(); };
  EXPECT_THAT(Run({.max_tokens = 10}).status, StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(Calls("verifier.verify"), 0);
}

TEST_F(DecodeLoopTest, CancelDuringAPassEndsTheLoopWithThatPass) {
  DecodeLoop* running = nullptr;
  on_start_ = [&](DecodeLoop& loop) { running = &loop; };
  verifier_options_.on_call = [&](const std::string& call) {
    if (call == "verifier.verify 2") running->Cancel();
  };
  EXPECT_THAT(Run({.max_tokens = 10, .speculation = Speculation::kOff}).status,
              StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(Tokens(), Plain(2));
  EXPECT_EQ(verifier_->open_sequences(), 0);
}

TEST_F(DecodeLoopTest, TheDeadlineReachesTheVerifier) {
  verifier_options_.fault = [](std::uint64_t) { return VerifierFault::kSilent; };
  EXPECT_THAT(Run({.max_tokens = 10, .deadline = clock_.Now() + absl::Seconds(1)}).status,
              StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST_F(DecodeLoopTest, TheDeadlineEndsARequestWhoseVerifierAlwaysAnswers) {
  verifier_options_.on_call = [this](const std::string& call) {
    if (call == "verifier.verify 2") clock_.Advance(absl::Seconds(1));
  };
  const DecodeOutcome outcome = Run({.max_tokens = 10,
                                     .speculation = Speculation::kOff,
                                     .deadline = clock_.Now() + absl::Seconds(1)});
  EXPECT_THAT(outcome.status, StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(Calls("verifier.verify"), 3);
}

TEST_F(DecodeLoopTest, ADraftThatTheVerifierIgnoresCountsAsStale) {
  doubles::MockVerifierClient client;
  auto session = std::make_unique<doubles::MockVerifierSession>();
  VerifierInfo info{.model = model_->Identity(), .max_tree_nodes = 80};
  EXPECT_CALL(*session, Open).WillOnce(Return(SequenceOpened{.base = 4}));
  EXPECT_CALL(*session, Verify).WillRepeatedly([](const VerifyStep& step) {
    return StepVerified{.step = step.step,
                        .base = step.base,
                        .tokens = {9},
                        .draft_ignored = step.tree.has_value()};
  });
  EXPECT_CALL(client, info).WillRepeatedly(ReturnRef(info));
  const std::string address = "mock";
  EXPECT_CALL(client, address).WillRepeatedly(ReturnRef(address));
  EXPECT_CALL(client, NewSession).WillOnce(Return(testing::ByMove(std::move(session))));
  drafters_.drafter = std::make_shared<doubles::FakeDrafterClient>(drafter_options_);
  DecodeLoop loop({.prompt_ids = kPrompt, .max_tokens = 3, .node_budget = 8},
                  Parts(std::shared_ptr<VerifierClient>(&client, [](auto*) {})));
  const DecodeOutcome outcome = loop.Run([](OutputDelta) {});
  ASSERT_THAT(outcome.status, IsOk());
  EXPECT_EQ(Fallbacks(outcome, FallbackReason::kStale), 2u);
  EXPECT_EQ(outcome.speculation.draft_tokens, 0u);
}

}  // namespace
}  // namespace recycling::gateway
