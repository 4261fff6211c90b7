// The decode loop with the real verifier client. It shows the tokens of a step while the verifier
// works on the next step: after it has sent that step, and before the verifier has answered it.
#include <gtest/gtest.h>

#include <string>

#include "common/rpc/rpc_server.h"
#include "gateway/fleet/watched_verifier.h"
#include "gateway/grpc/grpc_verifier_client.h"
#include "gateway/loop/decode_loop.h"
#include "tests/contract/gateway_service_fixture.h"
#include "tests/doubles/fake_clock.h"
#include "tests/doubles/fake_verifier_directory.h"

namespace recycling::gateway {
namespace {

class NoDrafters final : public DrafterDirectory {
 public:
  absl::StatusOr<std::shared_ptr<DrafterClient>> Pick(const std::string&, MatrixScope) override {
    return absl::UnavailableError("no drafter");
  }
  void Report(const std::string&, const absl::Status&) override {}
  bool Judge(const std::string&, const absl::Status&) override { return true; }
};

// Each side waits for the other. The client takes the tokens of a step only when the verifier has
// received the next step. The verifier answers a step only when the client has the tokens of the
// step before. If the loop showed tokens at another moment, this test would never end.
TEST(ShowWhileVerifyingTest, TheVerifierHasTheNextStepWhenTheClientIsShownTokens) {
  constexpr int kTokens = 6;
  Counter received;  // steps that the verifier has received
  Counter shown;     // steps whose tokens the client has received
  FakeVerifierService service(
      {.on_call =
           [&](const std::string& call) {
             if (call.starts_with("verifier.verify")) received.Increment();
           },
       .on_answer = [&](std::uint64_t step) { shown.Await(static_cast<int>(step)); }});
  const auto server = *RpcServer::Start({}, {&service}, {});
  doubles::FakeClock clock;
  const auto client =
      GrpcVerifierClient::Connect(server->InProcessChannel(), "verifier", absl::Minutes(1));
  ASSERT_THAT(client, IsOk());

  NoDrafters drafters;
  doubles::FakeVerifierDirectory verifiers(clock);
  RetryBudget budget;
  DraftLedger ledger;
  DecodeLoop loop(
      {.prompt_ids = {5, 6, 7}, .max_tokens = kTokens, .speculation = Speculation::kOff},
      {.verifier =
           std::make_shared<WatchedVerifier>(*client, std::make_shared<VerifierWatch>(), clock),
       .moves = {.verifiers = verifiers, .budget = budget, .clock = clock, .rules = {}},
       .drafters = drafters,
       .ledger = ledger,
       .clock = clock,
       .token_bytes = [](TokenId) { return "x"; },
       .draft_deadline = absl::Seconds(1)});
  std::vector<TokenId> tokens;
  const DecodeOutcome outcome = loop.Run([&](OutputDelta delta) {
    tokens.insert(tokens.end(), delta.tokens.begin(), delta.tokens.end());
    const int steps = static_cast<int>(tokens.size());
    if (steps < kTokens) received.Await(steps + 1);
    shown.Increment();
  });
  EXPECT_THAT(outcome.status, IsOk());
  EXPECT_EQ(tokens, doubles::ToyModel().Continue({5, 6, 7}, kTokens));
}

}  // namespace
}  // namespace recycling::gateway
