// The gateway's admission of requests over real gRPC: the queue, refusals, slow readers, draining.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "common/base/retry_delay.h"
#include "tests/common/rpc/raw_client.h"
#include "tests/contract/gateway_service_fixture.h"
#include "tests/doubles/fake_clock.h"

namespace recycling::gateway {
namespace {

constexpr char kRequest[] = "prompt_ids { ids: [5, 6, 7] } sampling { max_tokens: 9 }";

class GatewayAdmissionTest : public GatewayServiceTest {
 protected:
  // A call whose answers have not been read yet.
  struct Call {
    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientReader<v1::GenerateResponse>> reader;
    absl::Status End() {
      v1::GenerateResponse response;
      while (reader->Read(&response)) {
      }
      return FromGrpcStatus(reader->Finish());
    }
  };
  std::unique_ptr<Call> Begin(const std::string& request = kRequest) {
    auto call = std::make_unique<Call>();
    call->reader = stub_->Generate(&call->context, ParseProto<v1::GenerateRequest>(request));
    return call;
  }

  // A verifier whose sequences stop before their first step until the gate opens.
  void AddGatedVerifier(std::uint32_t max_sequences) {
    AddVerifier({.max_sequences = max_sequences, .on_call = [this](const std::string& call) {
                   if (call == "verifier.verify 0") gate_.Pass();
                 }});
  }

  void AwaitWaiting(std::uint32_t count) {
    AwaitStats([&](const auto& stats) { return stats.requests_waiting() == count; });
  }
  void AwaitRunning(std::uint32_t count) {
    AwaitStats([&](const auto& stats) { return stats.requests_running() == count; });
  }

  Gate gate_;
  doubles::FakeClock clock_;
};

TEST_F(GatewayAdmissionTest, ARequestWithoutRoomAtTheVerifiersWaitsAndThenRuns) {
  AddGatedVerifier(2);
  Start();
  EXPECT_EQ(Stats().requests_capacity(), 2u);
  std::vector<std::thread> clients;
  for (int i = 0; i < 8; ++i) {
    clients.emplace_back([this] {
      const Generated generated = Generate(kRequest);
      EXPECT_THAT(generated.status, IsOk());
      EXPECT_EQ(generated.tokens(), Plain(9));
    });
  }
  AwaitStats([](const auto& stats) {
    return stats.requests_running() == 2 && stats.requests_waiting() == 6;
  });
  gate_.Open();
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(Stats().requests_succeeded(), 8u);
}

TEST_F(GatewayAdmissionTest, AFullQueueRefusesAtOnceWithARetryDelay) {
  options_.admission.max_queue = 1;
  AddGatedVerifier(1);
  Start();
  const auto runs = Begin();
  AwaitRunning(1);
  const auto waits = Begin();
  AwaitWaiting(1);
  const auto refused = Begin();
  const absl::Status status = refused->End();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("requests")));
  EXPECT_EQ(RetryDelay(status), absl::Seconds(1));
  const auto& trailers = refused->context.GetServerTrailingMetadata();
  const auto details = trailers.find("grpc-status-details-bin");
  EXPECT_NE(details, trailers.end());
  const auto pushback = trailers.find("grpc-retry-pushback-ms");
  ASSERT_NE(pushback, trailers.end());
  EXPECT_EQ(pushback->second, "1000");
  EXPECT_EQ(Refusals(v1::REFUSAL_REASON_QUEUE_FULL), 1u);
  gate_.Open();
  EXPECT_THAT(runs->End(), IsOk());
  EXPECT_THAT(waits->End(), IsOk());
}

TEST_F(GatewayAdmissionTest, ARequestThatIsCancelledLeavesTheQueueAtOnce) {
  AddGatedVerifier(1);
  Start();
  const auto runs = Begin();
  AwaitRunning(1);
  const auto waits = Begin();
  AwaitWaiting(1);
  waits->context.TryCancel();
  EXPECT_THAT(waits->End(), StatusIs(absl::StatusCode::kCancelled));
  AwaitWaiting(0);
  EXPECT_EQ(Refusals(v1::REFUSAL_REASON_CANCELLED), 1u);
  EXPECT_EQ(Stats().requests_running(), 1u);
  gate_.Open();
  EXPECT_THAT(runs->End(), IsOk());
}

TEST_F(GatewayAdmissionTest, ARequestThatWaitsTooLongIsRefused) {
  options_.clock = &clock_;
  options_.admission.queue_timeout = absl::Seconds(30);
  options_.readers.timeout = absl::Hours(1);
  AddGatedVerifier(1);
  Start();
  const auto runs = Begin();
  AwaitRunning(1);
  const auto waits = Begin();
  AwaitWaiting(1);
  clock_.Advance(absl::Seconds(30));
  const absl::Status status = waits->End();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("waited 30s")));
  EXPECT_TRUE(RetryDelay(status).has_value());
  EXPECT_EQ(Refusals(v1::REFUSAL_REASON_QUEUE_TIMEOUT), 1u);
  gate_.Open();
  EXPECT_THAT(runs->End(), IsOk());
}

TEST_F(GatewayAdmissionTest, EveryRefusedRequestHasOneLogLine) {
  options_.clock = &clock_;
  options_.admission = {.max_queue = 1, .queue_timeout = absl::Seconds(30)};
  options_.readers.timeout = absl::Hours(1);
  AddGatedVerifier(1);
  Start();
  const auto named = [](const std::string& id) {
    return absl::StrCat(kRequest, " request_id: '", id, "'");
  };
  ::testing::internal::CaptureStderr();
  const auto runs = Begin(named("runs"));
  AwaitRunning(1);
  const auto late = Begin(named("late"));
  AwaitWaiting(1);
  EXPECT_THAT(Begin(named("full"))->End(), StatusIs(absl::StatusCode::kResourceExhausted));
  clock_.Advance(absl::Seconds(30));
  EXPECT_THAT(late->End(), StatusIs(absl::StatusCode::kResourceExhausted));
  const auto gone = Begin(named("gone"));
  AwaitWaiting(1);
  gone->context.TryCancel();
  EXPECT_THAT(gone->End(), StatusIs(absl::StatusCode::kCancelled));
  AwaitWaiting(0);
  const auto drained = Begin(named("drained"));
  AwaitWaiting(1);
  std::thread drain([this] { gateway_->Drain(absl::Hours(1)); });
  EXPECT_THAT(drained->End(), StatusIs(absl::StatusCode::kUnavailable));
  gate_.Open();
  EXPECT_THAT(runs->End(), IsOk());
  drain.join();  // then all streams have ended and their log lines are written
  const std::string log = ::testing::internal::GetCapturedStderr();

  EXPECT_THAT(LinesWith(log, {" generate "}), SizeIs(5)) << log;
  EXPECT_THAT(LinesWith(log, {" generate request_id=runs ", " end=length "}), SizeIs(1)) << log;
  const auto expect = [&](const std::string& id, const std::string& code, const std::string& reason,
                          const std::string& seconds) {
    EXPECT_THAT(LinesWith(log, {" I generate request_id=" + id + " trace_id=", " tenant=default ",
                                "end=\"" + code + ": ", " reason=" + reason + " ",
                                " seconds=" + seconds + " "}),
                SizeIs(1))
        << id << " in\n"
        << log;
  };
  expect("full", "RESOURCE_EXHAUSTED", "queue_full", "0.000");
  expect("late", "RESOURCE_EXHAUSTED", "queue_timeout", "30.000");
  expect("gone", "CANCELLED", "cancelled", "0.000");
  expect("drained", "UNAVAILABLE", "draining", "0.000");
}

// The only verifier fails its steps and states another numerics id while away_ is set.
class OnlyVerifierAwayTest : public GatewayAdmissionTest {
 protected:
  ~OnlyVerifierAwayTest() override { Stop(); }

  void StartAndLoseTheVerifier() {
    options_.moves = {.max_moves = 0, .patience = absl::ZeroDuration()};
    auto service = std::make_unique<FakeVerifierService>(doubles::FakeVerifierOptions{
        .fault =
            [this](std::uint64_t) { return away_ ? VerifierFault::kError : VerifierFault::kNone; },
        .error = absl::UnavailableError("scripted")});
    service->set_edit_handshake([this](verifier::v1::HandshakeResponse& response) {
      if (away_) response.set_numerics_id("another");
    });
    AddVerifier(std::move(service));
    Start();
    away_ = true;
    EXPECT_THAT(Begin()->End(), StatusIs(absl::StatusCode::kUnavailable));
    AwaitStats([](const auto& stats) { return !stats.peers(0).ready(); });
  }

  std::atomic<bool> away_ = false;
};

TEST_F(OnlyVerifierAwayTest, ARequestThatWaitedTooLongForTheVerifierIsUnavailable) {
  options_.admission.queue_timeout = absl::Milliseconds(10);
  StartAndLoseTheVerifier();
  const absl::Status status = Begin()->End();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable,
                               AllOf(HasSubstr("the request waited"), HasSubstr("verifier-0"))));
  EXPECT_TRUE(RetryDelay(status).has_value());
  EXPECT_EQ(Refusals(v1::REFUSAL_REASON_QUEUE_TIMEOUT), 1u);
}

TEST_F(OnlyVerifierAwayTest, AFullQueueIsUnavailableToo) {
  options_.admission.max_queue = 0;
  StartAndLoseTheVerifier();
  EXPECT_THAT(Begin()->End(), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("verifier-0")));
  EXPECT_EQ(Refusals(v1::REFUSAL_REASON_QUEUE_FULL), 1u);
}

TEST_F(OnlyVerifierAwayTest, WhenTheVerifierComesBackItServesTheWaitingRequests) {
  StartAndLoseTheVerifier();
  const auto waits = Begin();
  AwaitWaiting(1);
  away_ = false;
  EXPECT_THAT(waits->End(), IsOk());
}

TEST_F(GatewayAdmissionTest, ARequestWaitsForTheFirstHandshakeOfAVerifier) {
  auto slow = std::make_unique<FakeVerifierService>();
  slow->set_edit_handshake([this](auto&) { gate_.Pass(); });
  AddVerifier(std::move(slow));
  Start(/*wait_until_ready=*/false);
  const auto waits = Begin();
  AwaitWaiting(1);
  gate_.Open();
  EXPECT_THAT(waits->End(), IsOk());
}

TEST_F(GatewayAdmissionTest, AnUnreadOutputFreesItsSlotAndIsDroppedAfterTheTimeout) {
  options_.clock = &clock_;
  AddVerifier();
  Start();
  const auto unread = Begin();
  AwaitStats([](const auto& stats) {
    return stats.requests_succeeded() == 1 && stats.unread_outputs() == 1;
  });
  const v1::GetStatsResponse stats = Stats();
  EXPECT_EQ(stats.requests_running(), 0u);
  EXPECT_EQ(verifiers_[0]->fake().open_sequences(), 0);
  EXPECT_EQ(stats.peers(0).requests_running(), 0u);
  EXPECT_GT(stats.unread_bytes(), 9u);

  ::testing::internal::CaptureStderr();
  clock_.Advance(options_.readers.timeout);
  AwaitStats([](const auto& now) { return now.unread_outputs() == 0 && now.unread_bytes() == 0; });
  AwaitStats([this](const auto&) { return Refusals(v1::REFUSAL_REASON_SLOW_READER) == 1; });
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(
      LinesWith(log, {" output dropped trace_id=", "reason=slow_reader",
                      absl::StrCat("unread_bytes=", stats.unread_bytes()), "seconds=30.000"}),
      SizeIs(1))
      << log;
  EXPECT_THAT(unread->End(),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("did not read its output")));
}

TEST_F(GatewayAdmissionTest, AnOutputReadBeforeTheTimeoutIsComplete) {
  options_.clock = &clock_;
  AddVerifier();
  Start();
  const auto unread = Begin();
  AwaitStats([](const auto& stats) { return stats.unread_outputs() == 1; });
  clock_.Advance(options_.readers.timeout - absl::Seconds(1));
  EXPECT_THAT(unread->End(), IsOk());
  EXPECT_EQ(Refusals(v1::REFUSAL_REASON_SLOW_READER), 0u);
}

TEST_F(GatewayAdmissionTest, UnreadOutputsAreBoundedInNumber) {
  options_.readers.max_outputs = 1;
  AddVerifier();
  Start();
  const auto first = Begin();
  AwaitStats([](const auto& stats) { return stats.unread_outputs() == 1; });
  const auto second = Begin();
  AwaitStats([this](const auto&) { return Refusals(v1::REFUSAL_REASON_SLOW_READER) == 1; });
  EXPECT_THAT(first->End(), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(second->End(), IsOk());
}

TEST_F(GatewayAdmissionTest, UnreadOutputsOfOneConnectionAreBoundedInBytes) {
  options_.readers.max_connection_bytes = 1;
  AddVerifier();
  Start();
  const auto unread = Begin();
  AwaitStats([this](const auto&) { return Refusals(v1::REFUSAL_REASON_SLOW_READER) == 1; });
  EXPECT_THAT(unread->End(), StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST_F(GatewayAdmissionTest, DrainingFinishesRunningRequestsAndRefusesAllOthers) {
  AddGatedVerifier(1);
  Start();
  const auto runs = Begin();
  AwaitRunning(1);
  const auto waits = Begin();
  AwaitWaiting(1);
  std::thread drain([this] { gateway_->Drain(absl::Hours(1)); });
  const absl::Status refused = waits->End();
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kUnavailable, HasSubstr("draining")));
  EXPECT_TRUE(RetryDelay(refused).has_value());
  EXPECT_THAT(Begin()->End(), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("draining")));
  gate_.Open();
  EXPECT_THAT(runs->End(), IsOk());
  drain.join();
  EXPECT_EQ(Refusals(v1::REFUSAL_REASON_DRAINING), 2u);
  EXPECT_EQ(Stats().requests_succeeded(), 1u);
}

TEST_F(GatewayAdmissionTest, ARequestThatRunsBeyondTheGraceEndsAsUnavailable) {
  options_.clock = &clock_;
  AddVerifier({.max_sequences = 1, .fault = [](std::uint64_t step) {
                 return step == 3 ? VerifierFault::kSilent : VerifierFault::kNone;
               }});
  Start();
  Gate shown;
  std::thread client([&] {
    int deltas = 0;
    const Generated generated = Generate(kRequest, nullptr, [&](const auto& response) {
      if (response.has_delta() && ++deltas == 3) shown.Open();
    });
    EXPECT_THAT(generated.status,
                StatusIs(absl::StatusCode::kUnavailable, HasSubstr("grace time")));
    EXPECT_EQ(generated.tokens(), Plain(3));
  });
  shown.Pass();
  const auto waits = Begin();
  AwaitWaiting(1);
  std::thread drain([this] { gateway_->Drain(absl::Seconds(10)); });
  EXPECT_THAT(waits->End(), StatusIs(absl::StatusCode::kUnavailable)) << "the gateway drains";
  clock_.Advance(absl::Seconds(10));
  client.join();
  drain.join();
  EXPECT_EQ(verifiers_[0]->fake().open_sequences(), 0);
}

// Tokenize and Detokenize. These calls need no verifier.
class ShortCallsTest : public GatewayAdmissionTest {
 protected:
  absl::Status Tokenize() {
    grpc::ClientContext context;
    v1::TokenizeResponse response;
    return FromGrpcStatus(
        stub_->Tokenize(&context, ParseProto<v1::TokenizeRequest>("text: 'x'"), &response));
  }
  absl::Status Detokenize() {
    grpc::ClientContext context;
    v1::DetokenizeResponse response;
    return FromGrpcStatus(stub_->Detokenize(&context, ids_, &response));
  }

  const v1::DetokenizeRequest ids_ = ParseProto<v1::DetokenizeRequest>("ids: [5, 6]");
};

TEST_F(ShortCallsTest, CountAgainstTheTenantsRate) {
  options_.tenant_limits = {.rate = 0.001, .burst = 3};
  AddVerifier();
  Start();
  EXPECT_THAT(Tokenize(), IsOk());
  EXPECT_THAT(Detokenize(), IsOk());
  EXPECT_THAT(Tokenize(), IsOk());
  const absl::Status refused = Detokenize();
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kResourceExhausted,
                                HasSubstr("tenant default: got more than 0.001 a second")));
  EXPECT_TRUE(RetryDelay(refused).has_value());
  EXPECT_THAT(Tokenize(), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(Generate("prompt: 'x'").status, StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(Refusals(v1::REFUSAL_REASON_RATE), 3u);
}

TEST_F(ShortCallsTest, CountAgainstTheTenantsConcurrencyUntilTheirAnswersAreRead) {
  options_.tenant_limits = {.concurrency = 2};
  listen_ = {"127.0.0.1:0"};
  AddVerifier();
  Start();
  constexpr int kAnswerBytes = 1000;  // more than all other unread answers together
  v1::DetokenizeRequest long_text;
  for (int i = 0; i < kAnswerBytes; ++i) long_text.add_ids(68);  // its text has one byte
  {
    RawClient unread(server_->addresses()[0]);
    unread.SayHelloWithWindowZero();
    for (int i = 0; i < 2; ++i) {
      unread.Call("/recycling.gateway.v1.GatewayService/Detokenize", long_text.SerializeAsString());
    }
    while (server_->call_counts().unread < 2 * kAnswerBytes) {
    }
    EXPECT_THAT(Detokenize(), StatusIs(absl::StatusCode::kResourceExhausted,
                                       HasSubstr("one more than the 2 that it may make")));
    EXPECT_GE(server_->call_counts().unread, 2u * kAnswerBytes);
  }
  while (!Tokenize().ok()) {  // until the server sees that the client closed the connection
  }
}

TEST_F(ShortCallsTest, AreRefusedIfUnknownFieldsMakeThemTooLarge) {
  max_message_bytes_ = 4 << 20;
  AddVerifier();
  Start();
  grpc::ClientContext context;
  v1::GetModelRequest large;
  // Field 1000, of 2 MiB.
  large.GetReflection()->MutableUnknownFields(&large)->AddLengthDelimited(
      1000, std::string(2 << 20, 'x'));
  v1::GetModelResponse model;
  EXPECT_THAT(FromGrpcStatus(stub_->GetModel(&context, large, &model)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("request: got 20971")));
}

}  // namespace
}  // namespace recycling::gateway
