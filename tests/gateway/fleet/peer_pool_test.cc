#include "gateway/fleet/peer_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "tests/doubles/fake_clock.h"
#include "tests/doubles/matchers.h"

namespace recycling::gateway {
namespace {

using doubles::IsOk;
using doubles::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct Client {
  std::string address;
};

class FakeResolver : public Resolver {
 public:
  absl::StatusOr<std::vector<std::string>> Resolve(const std::string&) override {
    ++calls;
    return answer;
  }
  absl::StatusOr<std::vector<std::string>> answer = std::vector<std::string>();
  int calls = 0;
};

// Makes a pool without threads. The peer at `address` answers a handshake with errors_[address],
// which is OK by default.
class PeerPoolTest : public ::testing::Test {
 protected:
  PeerPool<Client>& Make(const std::string& list) {
    pool_.emplace(
        PeerPoolOptions{
            .role = role_,
            .targets = *ParsePeerList(list),
            .table = {.breaker = {.in_a_row = 2, .first = absl::Seconds(5)},
                      .use_ejected = use_ejected_},
            .on_ready = [this](bool ready) { ready_changes_.push_back(ready); },
            .poll_targets = [this] { return std::exchange(new_list_, std::nullopt); },
            .heard = [this](const std::string&) { return heard_; },
            .on_lost = [this](const std::string& address,
                              const absl::Status&) { lost_.push_back(address); },
            .on_removed = [this](const std::string& address) { removed_.push_back(address); },
            .run = run_},
        [this](const std::string& address) -> absl::StatusOr<std::shared_ptr<Client>> {
          greeted_.push_back(address);
          if (const absl::Status error = errors_[address]; !error.ok()) return error;
          return std::make_shared<Client>(Client{address});
        },
        resolver_, clock_, [this](const Client& client) { return admits_[client.address]; });
    return *pool_;
  }

  // Advances the clock, calls Tick, and returns the peers to which the pool sent a handshake.
  std::vector<std::string> After(absl::Duration time) {
    greeted_.clear();
    clock_.Advance(time);
    pool_->Tick();
    return greeted_;
  }

  // Picks the peer with the fewest running requests. On ties it picks the first one.
  absl::StatusOr<std::shared_ptr<Client>> Pick() {
    return pool_->Pick([](std::span<const ReadyPeer> peers) { return PickVerifier({}, peers); });
  }

  FakeResolver resolver_;
  doubles::FakeClock clock_;
  std::map<std::string, absl::Status> errors_;
  std::vector<std::string> greeted_;
  std::vector<bool> ready_changes_;
  std::map<std::string, absl::Status> admits_;
  std::optional<std::vector<PeerTarget>> new_list_;
  absl::Duration heard_ = -absl::InfiniteDuration();
  std::vector<std::string> lost_, removed_;
  bool use_ejected_ = false;
  PeerRole role_ = PeerRole::kVerifier;
  std::function<void(std::function<void()>)> run_ = [](const auto& task) { task(); };
  std::optional<PeerPool<Client>> pool_;
};

TEST_F(PeerPoolTest, NothingIsReadyBeforeAHandshake) {
  Make("a:1");
  EXPECT_THAT(Pick(), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("no peer is known")));
  pool_->Tick();
  ASSERT_THAT(Pick(), IsOk());
  EXPECT_EQ((*Pick())->address, "a:1");
}

TEST_F(PeerPoolTest, CountsRunningRequestsUntilTheyEnd) {
  Make("a:1,b:1").Tick();
  const auto first = *Pick();
  auto second = *Pick();
  EXPECT_EQ(first->address, "a:1");
  EXPECT_EQ(second->address, "b:1");
  EXPECT_EQ(pool_->Statuses()[1].running, 1);
  second.reset();
  EXPECT_EQ(pool_->Statuses()[1].running, 0);
  EXPECT_EQ((*Pick())->address, "b:1");
}

TEST_F(PeerPoolTest, AClientOutlivesItsPool) {
  Make("a:1").Tick();
  const auto client = *Pick();
  pool_.reset();
  EXPECT_EQ(client->address, "a:1");
}

TEST_F(PeerPoolTest, RepeatsHandshakesWithGrowingPausesForALostPeer) {
  Make("a:1");
  EXPECT_THAT(After(absl::ZeroDuration()), ElementsAre("a:1"));
  EXPECT_THAT(After(absl::Seconds(1.9)), IsEmpty());
  errors_["a:1"] = absl::UnavailableError("gone");
  EXPECT_THAT(After(absl::Milliseconds(100)), ElementsAre("a:1"));
  for (const int pause : {100, 200, 400, 800, 1600, 2000, 2000}) {
    EXPECT_THAT(After(absl::Milliseconds(pause - 1)), IsEmpty()) << pause;
    EXPECT_THAT(After(absl::Milliseconds(1)), ElementsAre("a:1")) << pause;
  }
  EXPECT_THAT(Pick(), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("a:1: gone")));
  errors_.clear();
  After(absl::Seconds(2));
  EXPECT_THAT(Pick(), IsOk());
}

TEST_F(PeerPoolTest, TickReturnsTheTimeToTheNextHandshake) {
  EXPECT_EQ(Make("a:1").Tick(), absl::Seconds(2));
  errors_["b:1"] = absl::UnavailableError("gone");
  EXPECT_EQ(Make("a:1,b:1").Tick(), absl::Milliseconds(100));
}

TEST_F(PeerPoolTest, AReportOfUnavailableMakesAPeerUnreadyAtOnce) {
  Make("a:1,b:1").Tick();
  pool_->Report("a:1", absl::UnavailableError("broken stream"));
  EXPECT_EQ((*Pick())->address, "b:1");
  EXPECT_THAT(After(absl::ZeroDuration()), ElementsAre("a:1"));
  EXPECT_EQ((*Pick())->address, "a:1");
  pool_->Report("nobody:1", absl::UnavailableError("ignored"));
}

TEST_F(PeerPoolTest, AfterAReportOfAnotherErrorAHandshakeDecidesWhetherAPeerIsReady) {
  Make("a:1").Tick();
  pool_->Report("a:1", absl::FailedPreconditionError("refused this session"));
  EXPECT_THAT(Pick(), IsOk());
  errors_["a:1"] = absl::FailedPreconditionError("model_id differs");
  EXPECT_THAT(After(absl::ZeroDuration()), ElementsAre("a:1"));
  EXPECT_THAT(Pick(), StatusIs(absl::StatusCode::kFailedPrecondition,
                               AllOf(HasSubstr("a:1"), HasSubstr("model_id differs"))));
  EXPECT_THAT(pool_->Statuses()[0].detail,
              AllOf(HasSubstr("FAILED_PRECONDITION"), HasSubstr("refused 1 times")));
}

TEST_F(PeerPoolTest, APeerIsUnreadyAfterTwoSlowHandshakesInARow) {
  Make("a:1").Tick();
  errors_["a:1"] = absl::DeadlineExceededError("slow");
  After(absl::Seconds(2));
  EXPECT_THAT(Pick(), IsOk());
  After(absl::Seconds(2));
  EXPECT_THAT(Pick(), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(PeerPoolTest, SlowHandshakesDoNotCountWhileThePeerAnswersRequests) {
  Make("a:1").Tick();
  errors_["a:1"] = absl::DeadlineExceededError("slow");
  for (int i = 0; i < 5; ++i) {
    heard_ = clock_.Monotonic() + absl::Seconds(2);
    After(absl::Seconds(2));
    EXPECT_THAT(Pick(), IsOk());
  }
  EXPECT_THAT(lost_, IsEmpty());
  After(absl::Seconds(2));
  After(absl::Seconds(2));
  EXPECT_THAT(Pick(), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(PeerPoolTest, APeerIsLostOnlyAfterAFailedHandshake) {
  Make("a:1,b:1").Tick();
  pool_->Report("a:1", absl::UnavailableError("broken stream"));
  EXPECT_THAT(lost_, IsEmpty()) << "other streams to a:1 may still work";
  After(absl::ZeroDuration());
  EXPECT_THAT(lost_, IsEmpty());
  errors_["a:1"] = absl::DeadlineExceededError("hangs");
  After(absl::Seconds(2));
  EXPECT_THAT(lost_, IsEmpty()) << "one slow handshake is not enough";
  After(absl::Seconds(2));
  EXPECT_THAT(lost_, ElementsAre("a:1"));
}

TEST_F(PeerPoolTest, APeerThatAdmitsNoWorkIsNotPickedAndNotLost) {
  Make("a:1,b:1").Tick();
  admits_["a:1"] = absl::UnavailableError("drains");
  After(absl::Seconds(2));
  EXPECT_EQ((*Pick())->address, "b:1");
  EXPECT_FALSE(pool_->Statuses()[0].ready);
  EXPECT_THAT(pool_->Statuses()[0].detail, HasSubstr("drains"));
  EXPECT_THAT(lost_, IsEmpty());
  admits_["b:1"] = absl::UnavailableError("drains too");
  After(absl::Seconds(2));
  EXPECT_THAT(Pick(), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("a:1: drains")));
  EXPECT_THAT(ready_changes_, ElementsAre(true, false));
}

TEST_F(PeerPoolTest, APeerWhoseRequestsFailIsEjectedAndProbed) {
  Make("a:1,b:1").Tick();
  for (int i = 0; i < 2; ++i) pool_->Report("a:1", absl::InternalError("nonsense"));
  EXPECT_EQ((*Pick())->address, "b:1");
  const PeerStatus status = pool_->Statuses()[0];
  EXPECT_TRUE(status.ready);
  EXPECT_TRUE(status.ejected);
  EXPECT_EQ(status.failures, 2u);
  EXPECT_EQ(status.ejections, 1u);
  EXPECT_THAT(status.detail, HasSubstr("nonsense"));
  After(absl::Seconds(5));
  EXPECT_EQ((*Pick())->address, "a:1") << "this request is the probe";
  EXPECT_EQ((*Pick())->address, "b:1") << "only one probe runs at a time";
  pool_->Report("a:1", absl::OkStatus());
  EXPECT_EQ((*Pick())->address, "a:1");
  EXPECT_FALSE(pool_->Statuses()[0].ejected);
}

TEST_F(PeerPoolTest, CountsEjectionsOfRemovedPeersToo) {
  Make("a:1,b:1").Tick();
  EXPECT_EQ(pool_->ejections(), 0u);
  for (const char* address : {"a:1", "b:1"}) {
    for (int i = 0; i < 2; ++i) pool_->Report(address, absl::InternalError("nonsense"));
  }
  EXPECT_EQ(pool_->ejections(), 2u);
  new_list_ = *ParsePeerList("b:1");
  After(absl::ZeroDuration());
  EXPECT_EQ(pool_->Statuses().size(), 1u);
  EXPECT_EQ(pool_->ejections(), 2u);
}

TEST_F(PeerPoolTest, RefusedRequestsEjectNoPeer) {
  Make("a:1").Tick();
  for (const absl::Status& refusal :
       {absl::InvalidArgumentError("a bad tree"), absl::OutOfRangeError("a long prompt"),
        absl::PermissionDeniedError("the shared scope"), absl::ResourceExhaustedError("full"),
        absl::NotFoundError("no matrix"), absl::AlreadyExistsError("a matrix"),
        absl::UnauthenticatedError("no key")}) {
    for (int i = 0; i < 5; ++i) pool_->Report("a:1", refusal);
    After(absl::ZeroDuration());
    EXPECT_THAT(Pick(), IsOk()) << refusal;
  }
  EXPECT_EQ(pool_->Statuses()[0].failures, 0u);
}

TEST_F(PeerPoolTest, EveryOtherErrorCountsAsAFailureOfThePeer) {
  for (const absl::Status& failure :
       {absl::UnavailableError("gone"), absl::DeadlineExceededError("late"),
        absl::InternalError("nonsense"), absl::UnknownError("?"), absl::DataLossError("corrupt"),
        absl::AbortedError("?"), absl::CancelledError("?"), absl::UnimplementedError("?"),
        absl::FailedPreconditionError("another model")}) {
    Make("a:1").Tick();
    for (int i = 0; i < 2; ++i) pool_->Report("a:1", failure);
    EXPECT_TRUE(pool_->Statuses()[0].ejected) << failure;
  }
}

TEST_F(PeerPoolTest, ARefusedRequestDoesNotUseUpTheProbeOfAnEjectedPeer) {
  Make("a:1").Tick();
  for (int i = 0; i < 2; ++i) pool_->Report("a:1", absl::InternalError("nonsense"));
  After(absl::Seconds(5));
  ASSERT_THAT(Pick(), IsOk()) << "this request is the probe";
  EXPECT_THAT(Pick(), StatusIs(absl::StatusCode::kUnavailable)) << "only one probe runs at a time";
  pool_->Report("a:1", absl::PermissionDeniedError("the shared scope"));
  EXPECT_THAT(Pick(), IsOk());
}

TEST_F(PeerPoolTest, JudgeSendsNoHandshake) {
  Make("a:1").Tick();
  EXPECT_TRUE(pool_->Judge("a:1", absl::DeadlineExceededError("late")));
  EXPECT_TRUE(pool_->Judge("a:1", absl::OkStatus()));
  EXPECT_TRUE(pool_->Judge("a:1", absl::DeadlineExceededError("late")));
  EXPECT_THAT(After(absl::ZeroDuration()), IsEmpty());
  EXPECT_FALSE(pool_->Judge("a:1", absl::InvalidArgumentError("no tree")));
  EXPECT_THAT(After(absl::ZeroDuration()), IsEmpty());
  EXPECT_THAT(Pick(), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("no tree")));
}

TEST_F(PeerPoolTest, WithUseEjectedAnEjectedPeerIsPickedIfThereIsNoOther) {
  use_ejected_ = true;
  Make("a:1").Tick();
  for (int i = 0; i < 2; ++i) pool_->Report("a:1", absl::InternalError("nonsense"));
  EXPECT_TRUE(pool_->Statuses()[0].ejected);
  EXPECT_THAT(Pick(), IsOk());
}

TEST_F(PeerPoolTest, ANewListAddsAndRemovesPeersWhileItRuns) {
  Make("a:1,b:1").Tick();
  new_list_ = *ParsePeerList("b:1,c:1");
  EXPECT_THAT(After(absl::ZeroDuration()), ElementsAre("c:1"));
  EXPECT_THAT(removed_, ElementsAre("a:1"));
  EXPECT_EQ(pool_->Statuses()[0].address, "b:1");
  EXPECT_EQ(pool_->Statuses().size(), 2u);
  EXPECT_THAT(lost_, IsEmpty()) << "a removed peer finishes its requests";
}

TEST_F(PeerPoolTest, PeersFollowTheAddressesOfAName) {
  resolver_.answer = std::vector<std::string>{"10.0.0.1:1", "10.0.0.2:1"};
  Make("dns:///drafters:1").Tick();
  EXPECT_EQ(pool_->Statuses().size(), 2u);
  resolver_.answer = std::vector<std::string>{"10.0.0.2:1", "10.0.0.3:1"};
  After(absl::Seconds(9));
  EXPECT_EQ(resolver_.calls, 1);
  EXPECT_THAT(After(absl::Seconds(1)), ElementsAre("10.0.0.3:1"));
  EXPECT_EQ(pool_->Statuses()[0].address, "10.0.0.2:1");
}

TEST_F(PeerPoolTest, ANameThatCannotBeResolvedKeepsItsAddressesAndShowsTheError) {
  resolver_.answer = std::vector<std::string>{"10.0.0.1:1"};
  Make("dns:///drafters:1").Tick();
  resolver_.answer = absl::UnavailableError("no such name");
  After(absl::Seconds(10));
  const std::vector<PeerStatus> statuses = pool_->Statuses();
  ASSERT_EQ(statuses.size(), 2u);
  EXPECT_TRUE(statuses[0].ready);
  EXPECT_EQ(statuses[1].address, "dns:///drafters:1");
  EXPECT_THAT(statuses[1].detail, HasSubstr("no such name"));
}

TEST_F(PeerPoolTest, OnReadyReportsTheFirstReadyPeerAndTheLossOfTheLast) {
  Make("a:1,b:1").Tick();
  errors_["a:1"] = errors_["b:1"] = absl::UnavailableError("gone");
  After(absl::Seconds(2));
  After(absl::Seconds(2));
  EXPECT_THAT(ready_changes_, ElementsAre(true, false));
}

// Collects the log lines from the constructor to the call of InfoLines.
class CapturedLog {
 public:
  CapturedLog() { ::testing::internal::CaptureStderr(); }

  // Returns the lines of level info without their times. Call it only once.
  std::vector<std::string> InfoLines() {
    std::vector<std::string> lines;
    for (const absl::string_view line :
         absl::StrSplit(::testing::internal::GetCapturedStderr(), '\n')) {
      const absl::string_view text = line.substr(line.find(' ') + 1);
      if (absl::StartsWith(text, "I ")) lines.emplace_back(text);
    }
    return lines;
  }
};

TEST_F(PeerPoolTest, LogsOneLineWhenAVerifierIsLostAndOneWhenItIsReadyAgain) {
  CapturedLog log;
  Make("a:1,b:1").Tick();
  errors_["a:1"] = absl::UnavailableError("gone");
  pool_->Report("a:1", errors_["a:1"]);
  for (int i = 0; i < 10; ++i) {
    After(absl::Seconds(2));  // the handshake fails again
    pool_->Report("a:1", errors_["a:1"]);
  }
  errors_["b:1"] = absl::UnavailableError("gone too");
  After(absl::Seconds(2));
  After(absl::Seconds(2));
  errors_.clear();
  After(absl::Seconds(2));
  After(absl::Seconds(2));
  EXPECT_THAT(
      log.InfoLines(),
      ElementsAre("I verifier ready address=a:1 ready=1 requests=\"requests may run on it\"",
                  "I verifier ready address=b:1 ready=2 requests=\"requests may run on it\"",
                  "I verifier lost address=a:1 error=\"UNAVAILABLE: gone\" ready=1 "
                  "requests=\"its requests go on at another verifier\"",
                  "I verifier lost address=b:1 error=\"UNAVAILABLE: gone too\" ready=0 "
                  "requests=\"no verifier is ready: requests wait for one\"",
                  "I verifier ready address=a:1 ready=1 requests=\"requests may run on it\"",
                  "I verifier ready address=b:1 ready=2 requests=\"requests may run on it\""));
}

TEST_F(PeerPoolTest, LogsOneLineWhenADrafterIsLostAndOneWhenItIsReadyAgain) {
  role_ = PeerRole::kDrafter;
  CapturedLog log;
  Make("a:1").Tick();
  errors_["a:1"] = absl::UnavailableError("gone");
  After(absl::Seconds(2));
  After(absl::Seconds(2));
  errors_.clear();
  After(absl::Seconds(2));
  EXPECT_THAT(
      log.InfoLines(),
      ElementsAre("I drafter ready address=a:1 ready=1 requests=\"requests may draft with it\"",
                  "I drafter lost address=a:1 error=\"UNAVAILABLE: gone\" ready=0 "
                  "requests=\"no drafter is ready: requests go on without drafts\"",
                  "I drafter ready address=a:1 ready=1 requests=\"requests may draft with it\""));
}

TEST_F(PeerPoolTest, APeerHasOneHandshakeAtATime) {
  std::vector<std::function<void()>> tasks;
  run_ = [&tasks](std::function<void()> task) { tasks.push_back(std::move(task)); };
  Make("a:1").Tick();
  pool_->Nudge();
  pool_->Tick();
  ASSERT_EQ(tasks.size(), 1u);
  tasks[0]();
  pool_->Tick();
  EXPECT_EQ(tasks.size(), 2u) << "after the handshake, Nudge() causes another one";
}

TEST_F(PeerPoolTest, TheHandshakeOfARemovedPeerDoesNotCountForANewPeerAtTheSameAddress) {
  std::vector<std::function<void()>> tasks;
  run_ = [&tasks](std::function<void()> task) { tasks.push_back(std::move(task)); };
  Make("a:1,b:1").Tick();
  for (const char* list : {"b:1", "a:1,b:1"}) {
    new_list_ = *ParsePeerList(list);
    pool_->Tick();
  }
  ASSERT_EQ(tasks.size(), 3u);
  tasks[0]();
  EXPECT_THAT(Pick(), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("not greeted yet")));
  tasks[2]();
  EXPECT_THAT(Pick(), IsOk());
}

TEST_F(PeerPoolTest, PicksTheOnePeerThatAnswersWhileEightOthersHang) {
  std::mutex mutex;
  std::condition_variable changed;
  bool ready = false;
  bool let_go = false;
  PeerPool<Client> pool(
      {.targets = *ParsePeerList("a:1,b:1,c:1,d:1,e:1,f:1,g:1,h:1,z:1"),
       .table = {.refresh = absl::Hours(1)},
       .on_ready =
           [&](bool is) {
             const std::lock_guard lock(mutex);
             ready = is;
             changed.notify_all();
           }},
      [&](const std::string& address) -> absl::StatusOr<std::shared_ptr<Client>> {
        std::unique_lock lock(mutex);
        if (address != "z:1") changed.wait(lock, [&] { return let_go; });
        return std::make_shared<Client>(Client{address});
      },
      resolver_, RealClock());
  pool.Start();
  {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return ready; });
  }
  const auto picked =
      pool.Pick([](std::span<const ReadyPeer> peers) { return PickVerifier({}, peers); });
  ASSERT_THAT(picked, IsOk());
  EXPECT_EQ((*picked)->address, "z:1");
  const std::lock_guard lock(mutex);
  let_go = true;
  changed.notify_all();
}

TEST_F(PeerPoolTest, ANameServerThatHangsDelaysNoOtherPeer) {
  std::mutex mutex;
  std::condition_variable changed;
  bool let_go = false;
  struct HungResolver : Resolver {
    explicit HungResolver(std::function<void()> wait) : hang(std::move(wait)) {}
    absl::StatusOr<std::vector<std::string>> Resolve(const std::string&) override {
      hang();
      return std::vector<std::string>();
    }
    std::function<void()> hang;
  } resolver([&] {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return let_go; });
  });
  bool ready = false;
  PeerPool<Client> pool(
      {.targets = *ParsePeerList("dns:///lost:1,z:1"),
       .table = {.refresh = absl::Hours(1)},
       .on_ready =
           [&](bool is) {
             const std::lock_guard lock(mutex);
             ready = is;
             changed.notify_all();
           }},
      [&](const std::string& address) { return std::make_shared<Client>(Client{address}); },
      resolver, RealClock());
  pool.Start();
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return ready; });
  EXPECT_THAT(pool.Statuses().back().detail, HasSubstr("not resolved yet"));
  let_go = true;
  changed.notify_all();
}

TEST_F(PeerPoolTest, NudgeRepeatsTheHandshake) {
  std::mutex mutex;
  std::condition_variable greeted;
  int count = 0;
  PeerPool<Client> pool(
      {.targets = *ParsePeerList("a:1"), .table = {.refresh = absl::Hours(1)}},
      [&](const std::string& address) -> absl::StatusOr<std::shared_ptr<Client>> {
        const std::lock_guard lock(mutex);
        ++count;
        greeted.notify_all();
        return std::make_shared<Client>(Client{address});
      },
      resolver_, RealClock());
  pool.Start();
  const auto wait_for = [&](int greetings) {
    std::unique_lock lock(mutex);
    greeted.wait(lock, [&] { return count >= greetings; });
  };
  wait_for(1);
  pool.Nudge();
  wait_for(2);
}

}  // namespace
}  // namespace recycling::gateway
