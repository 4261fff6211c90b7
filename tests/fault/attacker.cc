#include "tests/fault/attacker.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/fault/raw_call.h"

namespace recycling::fault {
namespace {

constexpr absl::Duration kDeadline = absl::Seconds(3);
constexpr absl::Duration kShortDeadline = absl::Milliseconds(300);
constexpr absl::Duration kPauseOfSlow = absl::Milliseconds(30);
constexpr std::size_t kMostHeld = 32;
constexpr int kCrowd = 50;

enum class Manner { kAll, kHalfClosed, kAbandoned, kHeld, kSlow, kUnread, kCount };

// Chooses how to make a call. Half of the calls send all messages at normal speed.
Manner AnyManner(Random& random) {
  const std::uint64_t choice = random() % 12;
  return choice < static_cast<std::uint64_t>(Manner::kCount) ? static_cast<Manner>(choice)
                                                             : Manner::kAll;
}

std::string NameOf(grpc::StatusCode code) {
  return absl::StatusCodeToString(static_cast<absl::StatusCode>(code));
}

}  // namespace

Attacker::Attacker(const std::vector<Victim>& victims, std::uint64_t seed, std::size_t most_bytes)
    : victims_(victims), most_bytes_(most_bytes), random_(seed), channels_(victims.size()) {}

void Attacker::Attack() {
  const std::size_t victim = random_() % victims_.size();
  const std::uint64_t choice = random_() % 16;
  if (choice < 12) {
    CallMethod(victim);
  } else if (choice < 15) {
    SpeakBadly(victim);
  } else {
    Crowd(victim);
  }
}

void Attacker::CallMethod(std::size_t victim) {
  const auto& methods = victims_[victim].methods;
  const Method& method = methods[random_() % methods.size()];
  const std::vector<std::string> messages = HostileCall(method, most_bytes_, random_);
  if (channels_[victim] == nullptr || random_() % 20 == 0) {
    channels_[victim] = OwnChannel(victims_[victim].address);
  }
  const Manner manner = AnyManner(random_);
  const bool brief = manner == Manner::kHeld || manner == Manner::kUnread;
  RawCall call(channels_[victim], method.path, brief ? kShortDeadline : kDeadline);
  const std::size_t said = manner == Manner::kHalfClosed ? 0
                           : manner == Manner::kAbandoned && !messages.empty()
                               ? 1 + random_() % messages.size()
                               : messages.size();
  for (std::size_t i = 0; i < said; ++i) {
    if (!call.Write(messages[i])) break;
    if (manner == Manner::kSlow) absl::SleepFor(kPauseOfSlow);
  }
  std::string end = "abandoned";
  if (manner == Manner::kAbandoned) {
    call.Read();
  } else if (manner == Manner::kUnread) {
    absl::SleepFor(kPauseOfSlow);
  } else {
    if (manner != Manner::kHeld) call.WritesDone();
    end = NameOf(call.Finish().error_code());
  }
  ++counts_[absl::StrCat(method.path.substr(method.path.rfind('/') + 1), " ", end)];
}

void Attacker::SpeakBadly(std::size_t victim) {
  RawConnection connection(victims_[victim].address);
  ++counts_[connection.open() ? "connections with hostile bytes" : "connections refused"];
  if (!connection.open()) return;
  connection.Say(HostileBytes(random_));
  if (random_() % 4 == 0) connection.Say(HostileBytes(random_));
  if (random_() % 2 == 0) return;
  held_.push_back(std::move(connection));
  if (held_.size() > kMostHeld) held_.erase(held_.begin());
}

void Attacker::Crowd(std::size_t victim) {
  std::vector<RawConnection> crowd;
  for (int i = 0; i < kCrowd; ++i) {
    crowd.emplace_back(victims_[victim].address);
    if (crowd.back().open() && i % 2 == 0) crowd.back().Say(Http2Hello());
  }
  ++counts_["bursts of connections"];
}

IdleCrowd::IdleCrowd(const std::vector<Victim>& victims, int count) : victims_(victims) {
  for (int i = 0; i < count; ++i) {
    connections_.emplace_back("");
    Open(static_cast<std::size_t>(i));
  }
}

void IdleCrowd::Open(std::size_t at) {
  connections_[at] = RawConnection(victims_[at % victims_.size()].address);
  if (connections_[at].open() && at / victims_.size() % 2 == 0) connections_[at].Say(Http2Hello());
}

void IdleCrowd::Tend() {
  for (std::size_t i = 0; i < connections_.size(); ++i) {
    if (connections_[i].open() && !connections_[i].Closed()) continue;
    ++closed_;
    Open(i);
  }
}

int IdleCrowd::open() const {
  return static_cast<int>(
      std::count_if(connections_.begin(), connections_.end(),
                    [](const RawConnection& one) { return one.open() && !one.Closed(); }));
}

}  // namespace recycling::fault
