#include "gateway/front/admission.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "common/base/retry_delay.h"
#include "tests/doubles/fake_clock.h"
#include "tests/doubles/matchers.h"

namespace recycling::gateway {
namespace {

using doubles::FakeClock;
using doubles::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class AdmissionTest : public ::testing::Test {
 protected:
  Admission& queue() {
    if (!queue_.has_value()) queue_.emplace(options_);
    return *queue_;
  }

  // The ticket of a request is its number in the order of arrival: 1, 2, and so on.
  Admission::Ticket Arrive(const std::string& tenant = "a", TenantLimits limits = {},
                           std::uint64_t bytes = 0,
                           absl::Duration deadline = absl::InfiniteDuration()) {
    queue().Arrive(++last_,
                   {.tenant = tenant, .limits = limits, .bytes = bytes, .deadline = deadline},
                   clock_.Monotonic());
    Take();
    return last_;
  }
  void Finish(Admission::Ticket ticket) {
    queue().Finish(ticket, clock_.Monotonic());
    Take();
  }
  void Take() {
    Admission::Changes changes = queue().Take(capacity_, clock_.Monotonic());
    started_.insert(started_.end(), changes.start.begin(), changes.start.end());
    for (auto& refused : changes.refuse) refused_.push_back(std::move(refused));
  }
  // The requests that were started since the last call.
  std::vector<Admission::Ticket> Started() { return std::exchange(started_, {}); }
  std::vector<Admission::Ticket> Refused() {
    std::vector<Admission::Ticket> tickets;
    for (const auto& [ticket, refusal] : refused_) tickets.push_back(ticket);
    if (!refused_.empty()) last_refusal_ = refused_.back().second;
    refused_.clear();
    return tickets;
  }

  AdmissionOptions options_;
  int capacity_ = 1;
  FakeClock clock_;
  std::optional<Admission> queue_;
  Admission::Ticket last_ = 0;
  std::vector<Admission::Ticket> started_;
  std::vector<std::pair<Admission::Ticket, Refusal>> refused_;
  Refusal last_refusal_;
};

TEST_F(AdmissionTest, StartsRequestsUpToTheCapacityAndTheNextWhenOneEnds) {
  capacity_ = 2;
  for (int i = 0; i < 4; ++i) Arrive();
  EXPECT_THAT(Started(), ElementsAre(1, 2));
  EXPECT_EQ(queue().running(), 2);
  EXPECT_EQ(queue().waiting(), 2);
  Finish(2);
  EXPECT_THAT(Started(), ElementsAre(3));
  Finish(2);  // request 2 has already ended
  EXPECT_THAT(Started(), IsEmpty());
  capacity_ = 3;
  Take();
  EXPECT_THAT(Started(), ElementsAre(4));
  capacity_ = 0;
  Arrive();
  Finish(1);
  Finish(3);
  EXPECT_THAT(Started(), IsEmpty());
  EXPECT_EQ(queue().running(), 1);
  EXPECT_THAT(Refused(), IsEmpty());
}

TEST_F(AdmissionTest, AFullQueueRefusesTheNewestRequestWithARetryDelay) {
  options_.max_queue = 2;
  for (int i = 0; i < 4; ++i) Arrive();
  EXPECT_THAT(Started(), ElementsAre(1));
  EXPECT_THAT(Refused(), ElementsAre(4));
  EXPECT_EQ(last_refusal_.reason, RefusalReason::kQueueFull);
  EXPECT_THAT(last_refusal_.status, StatusIs(absl::StatusCode::kResourceExhausted,
                                             HasSubstr("the 1 that run and the 2 that wait")));
  EXPECT_EQ(RetryDelay(last_refusal_.status), absl::Seconds(1));  // no request has ended yet

  clock_.Advance(absl::Seconds(3));
  Finish(1);
  Arrive();
  EXPECT_THAT(Refused(), IsEmpty());
  Arrive();
  EXPECT_THAT(Refused(), ElementsAre(6));
  // Three requests, with the refused one, wait for one place, and a request takes 3 s.
  EXPECT_EQ(RetryDelay(last_refusal_.status), absl::Seconds(9));
}

TEST_F(AdmissionTest, WithoutAQueueNoRequestWaits) {
  options_.max_queue = 0;
  Arrive();
  Arrive();
  EXPECT_THAT(Started(), ElementsAre(1));
  EXPECT_THAT(Refused(), ElementsAre(2));
}

TEST_F(AdmissionTest, TheQueueIsBoundedInBytes) {
  options_.max_queue_bytes = 100;
  Arrive("a", {}, 1000);  // this request runs
  Arrive("a", {}, 40);
  Arrive("b", {}, 60);
  EXPECT_THAT(Refused(), IsEmpty());
  Arrive("c", {}, 1);  // tenant b has the most bytes in the queue
  EXPECT_THAT(Refused(), ElementsAre(3));
  Arrive("c", {}, 200);
  EXPECT_THAT(Refused(), ElementsAre(5));
  Finish(1);
  Finish(4);
  EXPECT_EQ(queue().waiting(), 0);
  Arrive("c", {}, 100);
  EXPECT_THAT(Refused(), IsEmpty());
}

TEST_F(AdmissionTest, TenantsTakeTurnsAndTheRequestsOfATenantKeepTheirOrder) {
  Arrive("z");
  for (const char* tenant : {"b", "b", "b", "a", "c", "a"}) Arrive(tenant);
  std::vector<Admission::Ticket> order;
  for (Admission::Ticket running = 1; running != 0;) {
    Started();
    Finish(running);
    const auto next = Started();
    running = next.empty() ? 0 : next[0];
    if (running != 0) order.push_back(running);
  }
  EXPECT_THAT(order, ElementsAre(5, 2, 6, 7, 3, 4));  // tenants a b c a b b
}

TEST_F(AdmissionTest, AFullQueueMakesRoomForATenantWithFewerRequests) {
  options_.max_queue = 4;
  Arrive("busy");
  for (int i = 0; i < 4; ++i) Arrive("busy");
  Arrive("quiet");
  EXPECT_THAT(Refused(), ElementsAre(5));
  Arrive("quiet");
  EXPECT_THAT(Refused(), ElementsAre(4));
  Arrive("quiet");  // this tenant would have the most requests in the queue
  EXPECT_THAT(Refused(), ElementsAre(8));
  Started();
  Finish(1);
  EXPECT_THAT(Started(), ElementsAre(6));
}

TEST_F(AdmissionTest, ATenantAtItsConcurrencyDoesNotDelayOtherTenants) {
  capacity_ = 3;
  for (int i = 0; i < 3; ++i) Arrive("a", {.concurrency = 1});
  Arrive("b");
  EXPECT_THAT(Started(), ElementsAre(1, 4));
  EXPECT_EQ(queue().waiting(), 2);
  Finish(4);
  EXPECT_THAT(Started(), IsEmpty());
  Finish(1);
  EXPECT_THAT(Started(), ElementsAre(2));
  Arrive("a", {.concurrency = 2});  // the new limit also holds for the waiting requests
  EXPECT_THAT(Started(), ElementsAre(3));
}

TEST_F(AdmissionTest, ARateIsATokenBucket) {
  capacity_ = 100;
  const TenantLimits limits = {.rate = 2, .burst = 3};
  for (int i = 0; i < 4; ++i) Arrive("a", limits);
  EXPECT_THAT(Started(), ElementsAre(1, 2, 3));
  EXPECT_THAT(Refused(), ElementsAre(4));
  EXPECT_EQ(last_refusal_.reason, RefusalReason::kRate);
  EXPECT_THAT(last_refusal_.status, StatusIs(absl::StatusCode::kResourceExhausted,
                                             HasSubstr("tenant a: got more than 2 a second")));
  EXPECT_EQ(RetryDelay(last_refusal_.status), absl::Milliseconds(500));
  Arrive("b", limits);  // tenant b has its own rate
  EXPECT_THAT(Started(), ElementsAre(5));
  clock_.Advance(absl::Milliseconds(499));
  Arrive("a", limits);
  EXPECT_THAT(Refused(), ElementsAre(6));
  clock_.Advance(absl::Milliseconds(1));
  Arrive("a", limits);
  EXPECT_THAT(Started(), ElementsAre(7));
  clock_.Advance(absl::Hours(1));  // fills the bucket up to the burst
  for (int i = 0; i < 4; ++i) Arrive("a", limits);
  EXPECT_THAT(Started(), ElementsAre(8, 9, 10));
}

TEST_F(AdmissionTest, ARefusalByTheQueueDoesNotCountForTheRate) {
  options_.max_queue = 0;
  const TenantLimits limits = {.rate = 0.001, .burst = 2};
  Arrive("a", limits);
  Arrive("a", limits);
  EXPECT_THAT(Refused(), ElementsAre(2));
  EXPECT_EQ(last_refusal_.reason, RefusalReason::kQueueFull);
  Finish(1);
  Arrive("a", limits);
  EXPECT_THAT(Started(), ElementsAre(1, 3));
}

TEST_F(AdmissionTest, TheQueueTimeoutOrTheDeadlineOfTheRequestEndsTheWait) {
  options_.queue_timeout = absl::Seconds(10);
  Arrive();
  Arrive("a", {}, 0, absl::Seconds(4));
  Arrive("a", {}, 0, absl::Seconds(40));
  EXPECT_EQ(queue().NextDue(), absl::Seconds(4));
  clock_.Advance(absl::Seconds(4) - absl::Nanoseconds(1));
  Take();
  EXPECT_THAT(Refused(), IsEmpty());
  clock_.Advance(absl::Nanoseconds(1));
  Take();
  EXPECT_THAT(Refused(), ElementsAre(2));
  EXPECT_EQ(last_refusal_.reason, RefusalReason::kDeadline);
  EXPECT_THAT(last_refusal_.status,
              StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("waited 4s")));
  EXPECT_EQ(RetryDelay(last_refusal_.status), std::nullopt);

  EXPECT_EQ(queue().NextDue(), absl::Seconds(10));
  clock_.Advance(absl::Seconds(6));
  Take();
  EXPECT_THAT(Refused(), ElementsAre(3));
  EXPECT_EQ(last_refusal_.reason, RefusalReason::kQueueTimeout);
  EXPECT_THAT(last_refusal_.status,
              StatusIs(absl::StatusCode::kResourceExhausted,
                       HasSubstr("waited 10s for its turn, expected at most 10s")));
  EXPECT_NE(RetryDelay(last_refusal_.status), std::nullopt);
  EXPECT_EQ(queue().NextDue(), absl::InfiniteDuration());
  EXPECT_EQ(queue().running(), 1);  // timeout and deadline do not end a running request
}

TEST_F(AdmissionTest, ACancelledRequestLeavesTheQueueAtOnce) {
  options_.max_queue = 1;
  Arrive();
  Arrive();
  queue().Leave(2);
  queue().Leave(2);
  queue().Leave(1);  // has no effect: request 1 runs, so only Finish ends it
  Take();
  EXPECT_THAT(Refused(), ElementsAre(2));
  EXPECT_EQ(last_refusal_.reason, RefusalReason::kCancelled);
  Arrive();
  EXPECT_THAT(Refused(), IsEmpty());
  EXPECT_EQ(queue().waiting(), 1);
}

TEST_F(AdmissionTest, DrainingRefusesWaitingAndNewRequestsAndLetsRunningOnesEnd) {
  Arrive();
  Arrive();
  queue().Drain();
  Take();
  Arrive();
  EXPECT_THAT(Refused(), ElementsAre(2, 3));
  EXPECT_EQ(last_refusal_.reason, RefusalReason::kDraining);
  EXPECT_THAT(last_refusal_.status,
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("draining")));
  EXPECT_NE(RetryDelay(last_refusal_.status), std::nullopt);
  EXPECT_EQ(queue().running(), 1);
  Finish(1);
  EXPECT_EQ(queue().running(), 0);
  EXPECT_THAT(Started(), ElementsAre(1));
}

TEST_F(AdmissionTest, ForgetsTenantsWithoutRequestsAndWithAFullBurst) {
  capacity_ = 1000;
  for (int i = 0; i < 100; ++i) {
    Finish(Arrive("plain" + std::to_string(i)));
    Finish(Arrive("rated" + std::to_string(i), {.rate = 1, .burst = 5}));
  }
  EXPECT_EQ(queue().tenants(), 100u);
  clock_.Advance(absl::Seconds(1));
  Take();
  EXPECT_EQ(queue().tenants(), 0u);
}

// Makes random calls in random order.
TEST_F(AdmissionTest, EveryRequestIsStartedOrRefusedOnceAndTheBoundsHold) {
  options_.max_queue = 7;
  options_.max_queue_bytes = 50;
  options_.queue_timeout = absl::Seconds(5);
  std::mt19937 random(4);
  const auto below = [&](unsigned n) { return static_cast<int>(random() % n); };
  std::set<Admission::Ticket> running, seen;
  for (int i = 0; i < 20000; ++i) {
    capacity_ = 1 + below(5);
    const std::size_t before = running.size();
    switch (below(5)) {
      case 0:
      case 1:
        Arrive(std::string(1, static_cast<char>('a' + below(4))),
               {.concurrency = below(3), .rate = static_cast<double>(below(4))},
               static_cast<std::uint64_t>(below(20)),
               clock_.Monotonic() + absl::Seconds(1 + below(9)));
        break;
      case 2:
        if (!running.empty()) {
          const Admission::Ticket first = *running.begin();
          running.erase(first);
          Finish(first);
        }
        break;
      case 3:
        queue().Leave(static_cast<Admission::Ticket>(below(static_cast<unsigned>(last_) + 1)));
        Take();
        break;
      default:
        clock_.Advance(absl::Milliseconds(below(1000)));
        Take();
    }
    for (const Admission::Ticket ticket : Started()) {
      EXPECT_TRUE(seen.insert(ticket).second);
      running.insert(ticket);
    }
    for (const Admission::Ticket ticket : Refused()) EXPECT_TRUE(seen.insert(ticket).second);
    EXPECT_LE(queue().waiting(), 7);
    EXPECT_LE(running.size(), std::max(before, static_cast<std::size_t>(capacity_)));
    EXPECT_EQ(running.size(), static_cast<std::size_t>(queue().running()));
    EXPECT_EQ(seen.size() + static_cast<std::size_t>(queue().waiting()), last_);
  }
  EXPECT_GT(last_, 1000u);
}

TEST_F(AdmissionTest, ShortCallsAndRequestsShareTheTenantsRate) {
  const TenantLimits limits{.rate = 2, .burst = 2};
  Arrive("a", limits);
  EXPECT_EQ(queue().EnterShort("a", limits, clock_.Monotonic()), std::nullopt);
  const auto refusal = queue().EnterShort("a", limits, clock_.Monotonic());
  ASSERT_TRUE(refusal.has_value());
  EXPECT_EQ(refusal->reason, RefusalReason::kRate);
  EXPECT_THAT(refusal->status,
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("more than 2 a second")));
  EXPECT_EQ(RetryDelay(refusal->status), absl::Milliseconds(500));
  EXPECT_EQ(queue().EnterShort("b", limits, clock_.Monotonic()), std::nullopt);
  clock_.Advance(absl::Milliseconds(500));
  EXPECT_EQ(queue().EnterShort("a", limits, clock_.Monotonic()), std::nullopt);
}

TEST_F(AdmissionTest, RefusesShortCallsAboveTheConcurrencyOfTheTenant) {
  const TenantLimits limits{.concurrency = 2};
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(queue().EnterShort("a", limits, clock_.Monotonic()), std::nullopt);
  }
  const auto refusal = queue().EnterShort("a", limits, clock_.Monotonic());
  ASSERT_TRUE(refusal.has_value());
  EXPECT_EQ(refusal->reason, RefusalReason::kQueueFull);
  EXPECT_THAT(refusal->status,
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("one more than the 2")));
  EXPECT_EQ(queue().EnterShort("b", limits, clock_.Monotonic()), std::nullopt);
  queue().ExitShort("a", clock_.Monotonic());
  EXPECT_EQ(queue().EnterShort("a", limits, clock_.Monotonic()), std::nullopt);
}

TEST_F(AdmissionTest, ForgetsATenantAfterItsLastShortCall) {
  EXPECT_EQ(queue().EnterShort("a", {}, clock_.Monotonic()), std::nullopt);
  EXPECT_EQ(queue().EnterShort("a", {}, clock_.Monotonic()), std::nullopt);
  Take();
  EXPECT_EQ(queue().tenants(), 1u);
  for (int i = 0; i < 2; ++i) queue().ExitShort("a", clock_.Monotonic());
  EXPECT_EQ(queue().tenants(), 0u);
}

}  // namespace
}  // namespace recycling::gateway
