#include "gateway/fleet/peer_keeper.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gateway/fleet/peer_fault.h"

namespace recycling::gateway {

PeerKeeper::PeerKeeper(PeerPoolOptions options, Greet greet, Resolver& resolver, const Clock& clock)
    : options_(std::move(options)),
      greet_(std::move(greet)),
      resolver_(resolver),
      clock_(clock),
      addresses_(options_.targets, options_.resolve, options_.table.longest_retry),
      table_(options_.table, clock) {}

PeerKeeper::~PeerKeeper() {
  {
    MutexLock lock(mutex_);
    stop_ = true;
    wake_.NotifyAll();
  }
  if (thread_.joinable()) thread_.join();
  for (const std::future<void>& task : running_) task.wait();
}

void PeerKeeper::Start() {
  thread_ = std::thread([this] { TickUntilStopped(); });
}

void PeerKeeper::TickUntilStopped() {
  while (true) {
    const absl::Duration wait = Tick();
    MutexLock lock(mutex_);
    if (!stop_ && !woken_) wake_.WaitFor(mutex_, wait);
    woken_ = false;
    if (stop_) return;
  }
}

absl::Duration PeerKeeper::Tick() {
  using std::chrono::seconds;
  running_.remove_if(
      [](const auto& task) { return task.wait_for(seconds(0)) == std::future_status::ready; });
  if (options_.poll_targets) {
    if (auto targets = options_.poll_targets()) addresses_.SetTargets(*std::move(targets));
  }
  for (const std::string& name : addresses_.TakeDue(clock_.Monotonic())) {
    Run([this, name] { Resolve(name); });
  }
  for (const std::string& address : table_.SetAddresses(addresses_.Wanted())) {
    if (options_.on_removed) options_.on_removed(address);
  }
  for (const PeerGreeting& greeting : table_.TakeDue()) {
    Run([this, greeting] { GreetPeer(greeting); });
  }
  if (options_.on_ready && table_.AnyReady() != any_ready_) {
    any_ready_ = !any_ready_;
    options_.on_ready(any_ready_);
  }
  if (options_.on_tick) options_.on_tick();
  return table_.UntilDue();
}

void PeerKeeper::Run(std::function<void()> task) {
  if (options_.run) {
    options_.run(std::move(task));
    return;
  }
  // If the system has no thread left, std::async defers the task, and this thread runs it.
  auto running = std::async(std::launch::async | std::launch::deferred, std::move(task));
  if (running.wait_for(std::chrono::seconds(0)) == std::future_status::deferred) running.wait();
  running_.push_back(std::move(running));
}

void PeerKeeper::Resolve(const std::string& name) {
  auto addresses = resolver_.Resolve(name);
  addresses_.Resolved(name, std::move(addresses), clock_.Monotonic());
  Wake();
}

void PeerKeeper::GreetPeer(const PeerGreeting& greeting) {
  auto greeted = greet_(greeting.address);
  if (greeted.ok()) {
    LogChange(greeting.address,
              table_.Greeted(greeting, std::move(greeted->client), greeted->admitted));
  } else {
    const absl::Duration heard =
        options_.heard ? options_.heard(greeting.address) : -absl::InfiniteDuration();
    const auto result = table_.NotGreeted(greeting, greeted.status(), heard);
    LogChange(greeting.address, result.change);
    if (result.gone && options_.on_lost) options_.on_lost(greeting.address, greeted.status());
  }
  if (options_.on_change) options_.on_change();
  Wake();
}

void PeerKeeper::LogChange(const std::string& address, const PeerChange& change) const {
  if (change.became_ready) LogPeerReady(options_.role, address, change.ready_peers);
  if (change.became_unready) LogPeerLost(options_.role, address, change.why, change.ready_peers);
}

void PeerKeeper::Nudge() {
  table_.GreetAll();
  Wake();
}

void PeerKeeper::Report(const std::string& address, const absl::Status& outcome,
                        absl::Duration since) {
  Note(address, outcome, IsPeersFault(outcome), since, /*doubt=*/true);
}

bool PeerKeeper::Judge(const std::string& address, const absl::Status& answer) {
  return Note(address, answer, /*is_fault=*/!answer.ok(), absl::InfiniteDuration(),
              /*doubt=*/false);
}

bool PeerKeeper::Note(const std::string& address, const absl::Status& outcome, bool is_fault,
                      absl::Duration since, bool doubt) {
  const auto result = table_.Note(address, outcome, is_fault, since, doubt);
  LogChange(address, result.change);
  if (result.ejected_now) LogPeerEjected(options_.role, address, outcome);
  if (result.greet_now) Wake();
  return result.may_go_on;
}

std::vector<PeerStatus> PeerKeeper::Statuses() const {
  std::vector<PeerStatus> statuses = table_.Statuses();
  for (const auto& [name, error] : addresses_.Failures()) {
    statuses.push_back({.address = absl::StrCat("dns:///", name), .detail = error.ToString()});
  }
  return statuses;
}

void PeerKeeper::Wake() {
  MutexLock lock(mutex_);
  woken_ = true;
  wake_.NotifyAll();
}

}  // namespace recycling::gateway
