#include "verifier/service/drain_gate.h"

#include <gtest/gtest.h>

#include <future>

#include "tests/doubles/matchers.h"

namespace recycling::verifier {
namespace {

using doubles::IsOk;
using doubles::StatusIs;

TEST(DrainGateTest, WithoutCallsReturnsAtOnceAndRefusesNewOnes) {
  DrainGate gate;
  EXPECT_FALSE(gate.draining());
  gate.Drain(absl::InfiniteDuration());
  EXPECT_TRUE(gate.draining());
  EXPECT_THAT(gate.Enter(&gate, nullptr), StatusIs(absl::StatusCode::kUnavailable));
}

TEST(DrainGateTest, WaitsForRunningCalls) {
  DrainGate gate;
  int a, b;
  bool cancelled = false;
  ASSERT_THAT(gate.Enter(&a, [&] { cancelled = true; }), IsOk());
  ASSERT_THAT(gate.Enter(&b, nullptr), IsOk());
  auto drained = std::async(std::launch::async, [&] { gate.Drain(absl::InfiniteDuration()); });
  while (!gate.draining()) std::this_thread::yield();
  EXPECT_THAT(gate.Enter(&drained, nullptr), StatusIs(absl::StatusCode::kUnavailable));
  gate.Leave(&a);
  gate.Leave(&a);
  EXPECT_EQ(drained.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  gate.Leave(&b);
  drained.get();
  EXPECT_FALSE(cancelled);
}

TEST(DrainGateTest, CancelsCallsThatStillRunAfterTheGracePeriod) {
  DrainGate gate;
  std::promise<void> cancelled;
  ASSERT_THAT(gate.Enter(&gate, [&] { cancelled.set_value(); }), IsOk());
  auto drained = std::async(std::launch::async, [&] { gate.Drain(absl::ZeroDuration()); });
  cancelled.get_future().wait();
  gate.Leave(&gate);
  drained.get();
}

}  // namespace
}  // namespace recycling::verifier
