// A directory of verifiers in memory, with a fixed order.
#ifndef RECYCLING_TESTS_DOUBLES_FAKE_VERIFIER_DIRECTORY_H_
#define RECYCLING_TESTS_DOUBLES_FAKE_VERIFIER_DIRECTORY_H_

#include <algorithm>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gateway/clients/verifier_directory.h"
#include "tests/doubles/fake_clock.h"

namespace recycling::doubles {

// Pick returns the first client that is up and not in `avoid`. A client is down after a Report of
// Unavailable. Await does not wait, but advances the clock by its longest wait. Threads: one
// thread; any thread may call Wake.
class FakeVerifierDirectory final : public gateway::VerifierDirectory {
 public:
  explicit FakeVerifierDirectory(FakeClock& clock) : clock_(clock) {}

  absl::StatusOr<std::shared_ptr<gateway::VerifierClient>> Pick(
      const gateway::VerifierWish& wish) override {
    for (const auto& client : clients) {
      const auto avoided = std::find(wish.avoid.begin(), wish.avoid.end(), client->address());
      if (avoided == wish.avoid.end() && !down.contains(client->address())) return client;
    }
    return absl::UnavailableError("none is up");
  }

  void Report(const std::string& address, const absl::Status& outcome, absl::Duration) override {
    reports.emplace_back(address, outcome.code());
    if (absl::IsUnavailable(outcome)) down.insert(address);
  }

  void Await(absl::Duration at_most, const std::atomic<bool>& stop) override {
    if (stop) return;
    clock_.Advance(at_most);
    waited += at_most;
    if (on_await) on_await();
  }

  void Wake() override {}

  std::vector<std::shared_ptr<gateway::VerifierClient>> clients;
  std::set<std::string> down;
  std::vector<std::pair<std::string, absl::StatusCode>> reports;
  absl::Duration waited;
  std::function<void()> on_await;  // after the clock has moved; may be null

 private:
  FakeClock& clock_;
};

}  // namespace recycling::doubles

#endif  // RECYCLING_TESTS_DOUBLES_FAKE_VERIFIER_DIRECTORY_H_
