// A verifier that answers handshakes and health checks but loses a step.
#include <atomic>

#include "common/base/clock.h"
#include "tests/contract/gateway_service_fixture.h"

namespace recycling::gateway {
namespace {

// A clock that stands still until Run. After Run, each of the next 60 readings is a second later
// than the one before. A gateway reads the clock about ten times between two checks for late steps.
// So it makes several checks after the bound of 30 s. A call that begins after the 60 readings is
// never late.
class ReadingClock final : public Clock {
 public:
  absl::Time Now() const override { return absl::FromUnixSeconds(1'700'000'000) + Monotonic(); }
  absl::Duration Monotonic() const override {
    return absl::Seconds(left_-- > 0 ? ++seconds_ : seconds_.load());
  }
  void Run() { left_ = 60; }

 private:
  mutable std::atomic<int> left_ = 0;
  mutable std::atomic<int> seconds_ = 0;
};

class LostStepTest : public GatewayServiceTest {
 protected:
  LostStepTest() { options_.clock = &clock_; }
  ~LostStepTest() override { Stop(); }  // the gateway must end before the clock

  // Adds a verifier. Only one step number 5 is lost: the first that any of these verifiers gets.
  void AddForgetfulVerifier() {
    AddVerifier({.fault = [this](std::uint64_t step) {
      if (step != 5 || lost_.exchange(true)) return VerifierFault::kNone;
      clock_.Run();
      return VerifierFault::kSilent;
    }});
  }

  ReadingClock clock_;
  std::atomic<bool> lost_ = false;
};

TEST_F(LostStepTest, ARequestWithoutADeadlineContinuesAtAnotherVerifierWithEqualTokens) {
  AddForgetfulVerifier();
  AddForgetfulVerifier();
  Start();
  const Generated generated =
      Generate("prompt_ids { ids: [5, 6, 7] } sampling { ignore_eos: true max_tokens: 20 }");
  EXPECT_THAT(generated.status, IsOk());
  EXPECT_TRUE(lost_);
  EXPECT_EQ(generated.tokens(), Plain(20));
  EXPECT_EQ(generated.final.speculation().moves(), 1u);
}

}  // namespace
}  // namespace recycling::gateway
