// API keys, tenants and their limits at the gateway, over real gRPC.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "common/auth/api_keys.h"
#include "common/base/retry_delay.h"
#include "tests/contract/gateway_service_fixture.h"
#include "tests/doubles/fake_clock.h"

namespace recycling::gateway {
namespace {

constexpr char kRequest[] = "prompt_ids { ids: [5, 6, 7] } sampling { max_tokens: 9 }";

class GatewayKeysTest : public GatewayServiceTest {
 protected:
  GatewayKeysTest() {
    std::ofstream file(path_);
    file << *ApiKeyLine("acme", KeyRole::kInference, "acme-key") << " rate=1 burst=2\n"
         << *ApiKeyLine("umbrella", KeyRole::kInference, "umbrella-key") << "\n"
         << *ApiKeyLine("ops", KeyRole::kAdmin, "admin-key") << "\n";
    file.close();
    options_.callers = std::make_shared<const CallerCheck>(*ApiKeyFile::Open(path_, clock_));
    options_.clock = &clock_;
    as_admin_ = [](grpc::ClientContext* context) { AddKey("admin-key", context); };
  }
  ~GatewayKeysTest() override { std::remove(path_.c_str()); }

  static void AddKey(const std::string& key, grpc::ClientContext* context) {
    if (!key.empty()) context->AddMetadata("authorization", "Bearer " + key);
  }
  Generated GenerateAs(const std::string& key) {
    grpc::ClientContext context;
    AddKey(key, &context);
    return Generate(kRequest, &context);
  }

  const std::string path_ = absl::StrCat(::testing::TempDir(), "/gateway-keys.", getpid());
  doubles::FakeClock clock_;
};

TEST_F(GatewayKeysTest, TheDrafterGetsTheTenantOfTheKey) {
  AddVerifier();
  Mutex mutex;
  std::vector<std::string> tenants;
  AddDrafter({.on_open = [&](const OpenDrafting& open) {
    MutexLock lock(mutex);
    tenants.push_back(open.tenant);
  }});
  Start();
  EXPECT_THAT(GenerateAs("umbrella-key").status, IsOk());
  EXPECT_THAT(GenerateAs("acme-key").status, IsOk());
  MutexLock lock(mutex);
  EXPECT_THAT(tenants, ElementsAre("umbrella", "acme"));
}

TEST_F(GatewayKeysTest, EachCallNeedsAKeyOfItsRole) {
  AddVerifier();
  Start();
  using Code = absl::StatusCode;
  const auto code = [&](const std::string& key, const auto& call) {
    grpc::ClientContext context;
    AddKey(key, &context);
    return static_cast<Code>(call(&context).error_code());
  };
  const auto model = [&](grpc::ClientContext* context) {
    v1::GetModelResponse response;
    return stub_->GetModel(context, {}, &response);
  };
  const auto tokenize = [&](grpc::ClientContext* context) {
    v1::TokenizeResponse response;
    return stub_->Tokenize(context, ParseProto<v1::TokenizeRequest>("text: 'x'"), &response);
  };
  const auto detokenize = [&](grpc::ClientContext* context) {
    v1::DetokenizeResponse response;
    return stub_->Detokenize(context, ParseProto<v1::DetokenizeRequest>("ids: 5"), &response);
  };
  const auto stats = [&](grpc::ClientContext* context) {
    v1::GetStatsResponse response;
    return stub_->GetStats(context, {}, &response);
  };
  const auto drain = [&](grpc::ClientContext* context) {
    v1::DrainResponse response;
    return stub_->Drain(context, {}, &response);
  };
  for (const char* key : {"", "wrong"}) {
    EXPECT_EQ(GenerateAs(key).status.code(), Code::kUnauthenticated);
    EXPECT_EQ(code(key, model), Code::kUnauthenticated);
    EXPECT_EQ(code(key, tokenize), Code::kUnauthenticated);
    EXPECT_EQ(code(key, detokenize), Code::kUnauthenticated);
    EXPECT_EQ(code(key, stats), Code::kUnauthenticated);
    EXPECT_EQ(code(key, drain), Code::kUnauthenticated);
  }
  for (const char* key : {"umbrella-key", "admin-key"}) {
    EXPECT_EQ(code(key, model), Code::kOk);
    EXPECT_EQ(code(key, tokenize), Code::kOk);
    EXPECT_EQ(code(key, detokenize), Code::kOk);
  }
  EXPECT_EQ(code("umbrella-key", stats), Code::kPermissionDenied);
  EXPECT_EQ(code("umbrella-key", drain), Code::kPermissionDenied);
  EXPECT_EQ(GenerateAs("admin-key").status.code(), Code::kPermissionDenied);
  EXPECT_EQ(GenerateAs("umbrella-key").status.code(), Code::kOk);
  EXPECT_EQ(Refusals(v1::REFUSAL_REASON_UNAUTHENTICATED), 12u);
  EXPECT_EQ(Refusals(v1::REFUSAL_REASON_PERMISSION), 3u);
  EXPECT_EQ(Stats().requests_failed(), 3u);  // the Generate calls

  std::atomic<bool> serving = true;
  gateway_->OnReady([&](bool ready) { serving = ready; });
  EXPECT_TRUE(serving);
  EXPECT_EQ(code("admin-key", drain), Code::kOk);
  EXPECT_FALSE(serving);
  EXPECT_EQ(GenerateAs("umbrella-key").status.code(), Code::kUnavailable);
  EXPECT_EQ(code("admin-key", drain), Code::kOk);
}

TEST_F(GatewayKeysTest, EachTenantHasItsOwnRate) {
  AddVerifier();
  Start();
  EXPECT_THAT(GenerateAs("acme-key").status, IsOk());
  EXPECT_THAT(GenerateAs("acme-key").status, IsOk());
  const absl::Status refused = GenerateAs("acme-key").status;
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("tenant acme")));
  EXPECT_EQ(RetryDelay(refused), absl::Seconds(1));
  for (int i = 0; i < 5; ++i) EXPECT_THAT(GenerateAs("umbrella-key").status, IsOk());
  clock_.Advance(absl::Seconds(1));
  EXPECT_THAT(GenerateAs("acme-key").status, IsOk());
  EXPECT_EQ(Refusals(v1::REFUSAL_REASON_RATE), 1u);
}

TEST_F(GatewayKeysTest, UnknownCallersGetFewLogLinesAndKnownCallersOneForEachRequest) {
  AddVerifier();
  Start();
  ::testing::internal::CaptureStderr();
  for (int i = 0; i < 50; ++i) GenerateAs("not-a-key");
  for (int i = 0; i < 20; ++i) GenerateAs("admin-key");
  for (int i = 0; i < 20; ++i) GenerateAs("acme-key");
  clock_.Advance(absl::Seconds(10));
  GenerateAs("");
  const std::string log = ::testing::internal::GetCapturedStderr();
  const std::vector<std::string> stranger = {
      " generate request_id=\"\" trace_id=", "tenant=\"\" end=\"UNAUTHENTICATED: ",
      "reason=unauthenticated"};
  const auto lines = LinesWith(log, stranger);
  ASSERT_THAT(lines, SizeIs(11)) << log;
  EXPECT_THAT(lines.front(), HasSubstr("left_out=0"));
  EXPECT_THAT(lines.back(), HasSubstr("left_out=40"));
  EXPECT_THAT(LinesWith(log, {"end=\"PERMISSION_DENIED: ", "reason=permission"}), SizeIs(20))
      << log;
  EXPECT_THAT(LinesWith(log, {"tenant=acme end=length"}), SizeIs(2)) << log;
  EXPECT_THAT(LinesWith(log, {"tenant=acme end=\"RESOURCE_EXHAUSTED: ", "reason=rate"}), SizeIs(18))
      << log;
  EXPECT_THAT(LinesWith(log, {" generate "}), SizeIs(11 + 20 + 20)) << log;
  EXPECT_THAT(LinesWith(log, {"not-a-key"}), SizeIs(0)) << "a key must not appear in a log";
}

TEST_F(GatewayKeysTest, TenantsWithoutOwnLimitsGetTheDefaultLimits) {
  options_.tenant_limits = {.rate = 1, .burst = 1};
  AddVerifier();
  Start();
  EXPECT_THAT(GenerateAs("umbrella-key").status, IsOk());
  EXPECT_THAT(GenerateAs("umbrella-key").status, StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(GenerateAs("acme-key").status, IsOk());
  EXPECT_THAT(GenerateAs("acme-key").status, IsOk());
}

}  // namespace
}  // namespace recycling::gateway
