// A fake transformer whose passes take what its kernels are said to cost, by a clock that only
// these passes move.
#include "verifier/schedule/cost_probe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/doubles/fake_clock.h"
#include "tests/doubles/matchers.h"
#include "tests/verifier/schedule/fake_transformer.h"
#include "verifier/schedule/scheduler.h"

namespace recycling::verifier {
namespace {

using doubles::IsOk;
using doubles::StatusIs;

constexpr std::uint32_t kVocab = 300;
constexpr std::uint32_t kContext = 64;

// Tiles of 16 rows: 700 us, and 200 us for each tile.
absl::Duration TileCost(std::size_t rows) {
  return absl::Microseconds(700 + 200 * static_cast<int>((rows + 15) / 16));
}
// Vectors: 400 us, and 100 us for each row. Cheaper than tiles up to 4 rows, equal at 5.
absl::Duration VectorCost(std::size_t rows) {
  return absl::Microseconds(400 + 100 * static_cast<int>(rows));
}

// To whole microseconds; the curve is kept in logarithms.
absl::Duration Rounded(absl::Duration cost) {
  return absl::Trunc(cost + absl::Nanoseconds(500), absl::Microseconds(1));
}

class CostProbeTest : public testing::Test {
 protected:
  FakeTransformer::Hook Pass() {
    return [this](std::span<const Segment> segments, const std::atomic<bool>* cancelled) {
      std::size_t rows = 0;
      for (const Segment& segment : segments) rows += segment.tokens.size();
      ++passes_;
      const std::size_t kernel = transformer_->KernelFor(rows);
      clock_.Advance(slowness_ * (kernel == 0 ? TileCost(rows) : VectorCost(rows)));
      used_.emplace_back(rows, kernel);
      return before_return_ == nullptr ? absl::OkStatus() : before_return_(cancelled);
    };
  }

  void NewProbe(std::vector<std::string> kernels, std::uint32_t context = kContext) {
    owned_ = std::make_unique<FakeTransformer>(kVocab, context, Pass(), std::move(kernels));
    transformer_ = owned_.get();
    probe_ = *CostProbe::Create(*transformer_, FakeKvCache(context, 1), options_, clock_);
  }

  void MeasureAll() {
    const std::atomic<bool> cancelled = false;
    while (!probe_->done()) ASSERT_THAT(probe_->MeasureNext(cancelled), IsOk());
  }

  std::vector<std::size_t> KernelsOf(std::vector<std::size_t> rows) const {
    std::vector<std::size_t> kernels;
    for (const std::size_t r : rows) kernels.push_back(transformer_->KernelFor(r));
    return kernels;
  }

  doubles::FakeClock clock_;
  SchedulerOptions options_ = {
      .vocab_size = kVocab, .k = 2, .max_tree_nodes = 128, .max_rows = 129};
  double slowness_ = 1;
  int passes_ = 0;
  std::vector<std::pair<std::size_t, std::size_t>> used_;  // rows and kernel of every pass
  std::function<absl::Status(const std::atomic<bool>*)> before_return_;
  std::unique_ptr<FakeTransformer> owned_;
  FakeTransformer* transformer_ = nullptr;
  std::unique_ptr<CostProbe> probe_;
};

TEST_F(CostProbeTest, TheCheapestKernelIsUsedForEachNumberOfRows) {
  NewProbe({"tiles", "vectors"});
  ASSERT_THAT(probe_->MeasureFirst(absl::Seconds(1)), IsOk());
  EXPECT_EQ(passes_, 8);  // two of one row, one of 16 rows and one of 4 rows, with each kernel
  MeasureAll();
  EXPECT_EQ(KernelsOf({1, 2, 3, 4}), std::vector<std::size_t>(4, 1));
  EXPECT_EQ(KernelsOf({5, 6, 8, 16, 17, 32, 80, 129, 1000}), std::vector<std::size_t>(9, 0));
  EXPECT_EQ(probe_->costs().text(), "vectors to 4 rows, tiles to 129 rows");
  const PassCosts costs = probe_->costs().costs();
  EXPECT_EQ(Rounded(costs.At(1)), VectorCost(1));
  EXPECT_EQ(Rounded(costs.At(4)), VectorCost(4));
  EXPECT_EQ(Rounded(costs.At(16)), TileCost(16));
  EXPECT_EQ(Rounded(costs.At(17)), TileCost(17));
  EXPECT_EQ(Rounded(costs.At(129)), TileCost(129));
}

TEST_F(CostProbeTest, ChoosesByEstimatesUntilTheRestIsMeasured) {
  NewProbe({"tiles", "vectors"});
  EXPECT_EQ(probe_->costs().text(), "tiles to 129 rows (estimated)");
  ASSERT_THAT(probe_->MeasureFirst(absl::Seconds(1)), IsOk());
  EXPECT_EQ(probe_->costs().text(), "vectors to 4 rows (estimated), tiles to 129 rows (estimated)");
  for (const KernelCosts::Use& use : probe_->costs().uses()) {
    EXPECT_EQ(use.estimated, use.rows != 1 && use.rows != 4 && use.rows != 16) << use.rows;
  }
  const PassCosts costs = probe_->costs().costs();
  EXPECT_EQ(costs.Snapshot().size(), 3u);
  MeasureAll();
  for (const KernelCosts::Use& use : probe_->costs().uses()) EXPECT_FALSE(use.estimated);
}

TEST_F(CostProbeTest, AKernelMustBeClearlyCheaper) {
  KernelCosts costs({"wide", "narrow"}, 1);
  while (!costs.ready()) costs.Add(absl::Microseconds(costs.next().kernel == 0 ? 1000 : 980));
  EXPECT_EQ(costs.table().KernelFor(1), 0u);
  KernelCosts clear({"wide", "narrow"}, 1);
  while (!clear.ready()) clear.Add(absl::Microseconds(clear.next().kernel == 0 ? 1000 : 960));
  EXPECT_EQ(clear.table().KernelFor(1), 1u);
}

TEST_F(CostProbeTest, OfAFewPassesTheFastestCounts) {
  NewProbe({"tiles"});
  int pass = 0;
  before_return_ = [&](const std::atomic<bool>*) {
    clock_.Advance(++pass % 2 == 0 ? absl::ZeroDuration() : absl::Milliseconds(20));
    return absl::OkStatus();
  };
  ASSERT_THAT(probe_->MeasureFirst(absl::Seconds(1)), IsOk());
  const PassCosts costs = probe_->costs().costs();
  EXPECT_EQ(Rounded(costs.At(1)), TileCost(1));
}

TEST_F(CostProbeTest, AnOnlyKernelIsUsedForEveryNumberOfRows) {
  NewProbe({"vectors"});
  ASSERT_THAT(probe_->MeasureFirst(absl::Seconds(1)), IsOk());
  MeasureAll();
  EXPECT_EQ(probe_->costs().text(), "vectors");
  for (const auto& [rows, kernel] : used_) EXPECT_EQ(kernel, 0u) << rows;
}

TEST_F(CostProbeTest, TheBudgetBoundsTheStart) {
  NewProbe({"tiles", "vectors"});
  ASSERT_THAT(probe_->MeasureFirst(absl::Milliseconds(3)), IsOk());
  EXPECT_EQ(passes_, 3);  // 0.9, 0.5 and 0.9 ms; another one might end after 3 ms
  EXPECT_FALSE(probe_->costs().ready());
  EXPECT_FALSE(probe_->done());
  EXPECT_EQ(KernelsOf({1, 16}), std::vector<std::size_t>(2, 0));
}

TEST_F(CostProbeTest, ABudgetOfZeroMeasuresOnePassAndNothingLater) {
  NewProbe({"tiles", "vectors"});
  ASSERT_THAT(probe_->MeasureFirst(absl::ZeroDuration()), IsOk());
  EXPECT_EQ(passes_, 1);
  EXPECT_TRUE(probe_->done());
}

TEST_F(CostProbeTest, AContextOfOneTokenIsMeasuredWithOneRow) {
  NewProbe({"tiles"}, 1);
  ASSERT_THAT(probe_->MeasureFirst(absl::Seconds(1)), IsOk());
  MeasureAll();
  for (const auto& [rows, kernel] : used_) EXPECT_EQ(rows, 1u);
}

TEST_F(CostProbeTest, ACancelledPassIsMeasuredLater) {
  NewProbe({"tiles", "vectors"});
  ASSERT_THAT(probe_->MeasureFirst(absl::Seconds(1)), IsOk());
  const KernelCosts::Measurement next = probe_->costs().next();
  before_return_ = [](const std::atomic<bool>* cancelled) {
    return *cancelled ? absl::CancelledError("") : absl::OkStatus();
  };
  EXPECT_THAT(probe_->MeasureNext(true), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(probe_->costs().next().rows, next.rows);
  EXPECT_EQ(probe_->costs().next().kernel, next.kernel);
  EXPECT_EQ(KernelsOf({1, 16}), (std::vector<std::size_t>{1, 0}));
  EXPECT_THAT(probe_->MeasureNext(false), IsOk());
}

TEST_F(CostProbeTest, LogitsThatAreNotFiniteAreAnError) {
  NewProbe({"tiles"});
  transformer_->poisoned = true;
  EXPECT_THAT(probe_->MeasureFirst(absl::Seconds(1)), StatusIs(absl::StatusCode::kInternal));
}

// The scheduler's thread measures the rest by itself. The transformer says when all is measured.
TEST_F(CostProbeTest, TheSchedulerMeasuresTheRestWhileNothingIsOpen) {
  NewProbe({"tiles", "vectors"});
  ASSERT_THAT(probe_->MeasureFirst(absl::Seconds(1)), IsOk());
  const std::size_t left = [this] {
    KernelCosts costs = probe_->costs();
    std::size_t passes = 0;
    for (; !costs.done(); ++passes) costs.Add(absl::ZeroDuration());
    return passes;
  }();
  std::promise<void> measured;
  before_return_ = [&, measured_passes = std::size_t{0}](const std::atomic<bool>*) mutable {
    if (++measured_passes == left) measured.set_value();
    return absl::OkStatus();
  };
  const SchedulerOptions options = options_;
  Scheduler scheduler(std::move(owned_), FakeKvCache(kContext, 2), options, clock_,
                      std::move(probe_));
  EXPECT_FALSE(scheduler.load().pass_costs.empty());
  measured.get_future().wait();
  while (!scheduler.kernel_costs().done()) std::this_thread::yield();  // the last pass ends
  EXPECT_EQ(scheduler.kernel_costs().text(), "vectors to 4 rows, tiles to 129 rows");
  EXPECT_EQ(scheduler.counts().passes, 0u);  // they are not passes of sequences
  EXPECT_EQ(scheduler.load().open_sequences, 0u);
}

// The measured pass ends only when it is cancelled, and it is cancelled only by the operation.
TEST_F(CostProbeTest, AnOperationEndsTheMeasuredPass) {
  NewProbe({"tiles", "vectors"});
  ASSERT_THAT(probe_->MeasureFirst(absl::Seconds(1)), IsOk());
  std::promise<void> measuring;
  bool first = true;
  before_return_ = [&](const std::atomic<bool>* cancelled) {
    if (!std::exchange(first, false)) return absl::OkStatus();
    measuring.set_value();
    while (!*cancelled) std::this_thread::yield();
    return absl::CancelledError("");
  };
  const SchedulerOptions options = options_;
  Scheduler scheduler(std::move(owned_), FakeKvCache(kContext, 2), options, clock_,
                      std::move(probe_));
  measuring.get_future().wait();
  std::promise<absl::Status> opened;
  const auto sequence =
      scheduler.Open({.prompt_ids = {1, 2, 3}},
                     [&](const absl::StatusOr<OpenResult>& r) { opened.set_value(r.status()); });
  ASSERT_THAT(sequence, IsOk());
  EXPECT_THAT(opened.get_future().get(), IsOk());
  EXPECT_EQ(scheduler.counts().passes, 1u);
}

TEST_F(CostProbeTest, NothingIsMeasuredWhileASequenceIsOpen) {
  NewProbe({"tiles", "vectors"});
  ASSERT_THAT(probe_->MeasureFirst(absl::Seconds(1)), IsOk());
  std::promise<void> measuring;
  std::atomic<bool> is_open = false;
  std::atomic<int> while_open = 0;
  bool first = true;
  before_return_ = [&](const std::atomic<bool>* cancelled) {
    if (std::exchange(first, false)) {
      measuring.set_value();
      while (!*cancelled) std::this_thread::yield();
      return absl::CancelledError("");
    }
    if (is_open) ++while_open;
    return absl::OkStatus();
  };
  const SchedulerOptions options = options_;
  Scheduler scheduler(std::move(owned_), FakeKvCache(kContext, 2), options, clock_,
                      std::move(probe_));
  measuring.get_future().wait();
  std::promise<absl::Status> opened;
  is_open = true;
  auto sequence = scheduler.Open({.prompt_ids = {1}}, [&](const absl::StatusOr<OpenResult>& r) {
    opened.set_value(r.status());
  });
  ASSERT_THAT(sequence, IsOk());
  ASSERT_THAT(opened.get_future().get(), IsOk());
  constexpr int kSteps = 20;
  std::uint32_t base = 1;
  for (int i = 0; i < kSteps; ++i) {
    std::promise<absl::StatusOr<StepResult>> done;
    ASSERT_THAT((*sequence)->Verify({.base = base}, [&](auto result) { done.set_value(result); }),
                IsOk());
    const auto result = done.get_future().get();
    ASSERT_THAT(result, IsOk());
    base += static_cast<std::uint32_t>(result->tokens.size());
    for (int turn = 0; turn < 1000; ++turn) std::this_thread::yield();  // a chance to measure
  }
  is_open = false;
  EXPECT_EQ(while_open, kSteps);
}

}  // namespace
}  // namespace recycling::verifier
