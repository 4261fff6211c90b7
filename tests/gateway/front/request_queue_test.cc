#include "gateway/front/request_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "tests/doubles/fake_clock.h"
#include "tests/doubles/matchers.h"

namespace recycling::gateway {
namespace {

using doubles::FakeClock;
using doubles::IsOk;
using doubles::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class RequestQueueTest : public ::testing::Test {
 protected:
  RequestQueue::Ticket Submit() {
    const RequestQueue::Ticket ticket = queue_.NewTicket();
    queue_.Submit(
        ticket, {.tenant = "a"}, [this, ticket] { started_.push_back(ticket); },
        [this, ticket](const Refusal& refusal) {
          refused_.push_back(ticket);
          reason_ = refusal.reason;
        });
    return ticket;
  }

  FakeClock clock_;
  std::atomic<int> capacity_ = 1;
  RequestQueue queue_{{.max_queue = 2, .queue_timeout = absl::Seconds(5)},
                      [this] { return capacity_.load(); },
                      clock_};
  std::vector<RequestQueue::Ticket> started_, refused_;
  RefusalReason reason_ = RefusalReason::kCount;
};

TEST_F(RequestQueueTest, TheThreadThatMakesRoomStartsTheNextRequest) {
  Submit();
  Submit();
  EXPECT_THAT(started_, ElementsAre(1));
  EXPECT_EQ(queue_.Counts().running, 1);
  EXPECT_EQ(queue_.Counts().waiting, 1);
  queue_.Finish(1);
  EXPECT_THAT(started_, ElementsAre(1, 2));
  EXPECT_THAT(refused_, IsEmpty());
}

TEST_F(RequestQueueTest, CountsEachReasonOfRefusal) {
  for (int i = 0; i < 4; ++i) Submit();
  EXPECT_THAT(refused_, ElementsAre(4));
  EXPECT_EQ(reason_, RefusalReason::kQueueFull);
  queue_.Leave(3);
  EXPECT_THAT(refused_, ElementsAre(4, 3));
  EXPECT_EQ(reason_, RefusalReason::kCancelled);
  queue_.Leave(3);
  queue_.Leave(1);  // has no effect: request 1 runs
  queue_.Leave(99);
  clock_.Advance(absl::Seconds(5));
  EXPECT_EQ(queue_.Tick(), absl::InfiniteDuration());
  EXPECT_THAT(refused_, ElementsAre(4, 3, 2));
  EXPECT_EQ(reason_, RefusalReason::kQueueTimeout);
  Submit();
  queue_.Drain();
  Submit();
  EXPECT_THAT(refused_, ElementsAre(4, 3, 2, 5, 6));
  EXPECT_EQ(reason_, RefusalReason::kDraining);
  EXPECT_THAT(queue_.Counts().refused, ElementsAre(1, 1, 0, 2, 0, 1));
  EXPECT_EQ(queue_.Counts().running, 1);
}

TEST_F(RequestQueueTest, TickUsesNewCapacityAndReturnsTheTimeToTheNextTick) {
  Submit();
  EXPECT_EQ(queue_.Tick(), absl::InfiniteDuration());
  Submit();
  EXPECT_EQ(queue_.Tick(), absl::Milliseconds(100));  // then checks the capacity again
  clock_.Advance(absl::Seconds(5) - absl::Milliseconds(1));
  EXPECT_EQ(queue_.Tick(), absl::Milliseconds(1));
  capacity_ = 2;
  queue_.Tick();
  EXPECT_THAT(started_, ElementsAre(1, 2));
}

// Requests arrive, leave and end on many threads. Never do more requests run than the capacity
// allows.
TEST(RequestQueueThreadsTest, EachRequestIsStartedOrRefusedOnce) {
  constexpr int kThreads = 4, kEach = 2000, kCapacity = 2;
  FakeClock clock;
  RequestQueue queue(
      {.max_queue = 1}, [] { return kCapacity; }, clock);
  std::atomic<int> running = 0, most = 0, started = 0, refused = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      for (int j = 0; j < kEach; ++j) {
        const RequestQueue::Ticket ticket = queue.NewTicket();
        queue.Submit(
            ticket, {.tenant = std::string(1, static_cast<char>('a' + i))},
            [&, ticket] {
              const int now = ++running;
              for (int before = most; now > before && !most.compare_exchange_weak(before, now);) {
              }
              ++started;
              --running;
              queue.Finish(ticket);
            },
            [&](const Refusal&) { ++refused; });
        queue.Leave(ticket);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(started + refused, kThreads * kEach);
  EXPECT_LE(most, kCapacity);
  EXPECT_EQ(queue.Counts().running, 0);
  EXPECT_EQ(queue.Counts().waiting, 0);
}

TEST_F(RequestQueueTest, AShortCallHoldsItsPlaceUntilItIsDestroyed) {
  const TenantLimits limits{.concurrency = 1};
  auto first = queue_.BeginShort("a", limits);
  EXPECT_THAT(first.status(), IsOk());
  EXPECT_THAT(queue_.BeginShort("a", limits).status(),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(queue_.Counts().refused[static_cast<std::size_t>(RefusalReason::kQueueFull)], 1u);
  first->reset();
  EXPECT_THAT(queue_.BeginShort("a", limits).status(), IsOk());
}

}  // namespace
}  // namespace recycling::gateway
