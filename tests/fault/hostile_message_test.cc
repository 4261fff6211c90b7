#include "tests/fault/hostile_message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "recycling/gateway/v1/gateway.pb.h"
#include "recycling/verifier/v1/verifier.pb.h"

namespace recycling::fault {
namespace {

Method Generate() {
  gateway::v1::GenerateRequest request;
  request.set_prompt("Once upon a time");
  request.mutable_sampling()->set_max_tokens(8);
  return {.path = "/g/Generate",
          .messages = {request.SerializeAsString()},
          .type = std::make_shared<gateway::v1::GenerateRequest>()};
}

TEST(HostileMessageTest, CallsDependOnlyOnTheSeed) {
  const auto many = [](std::uint64_t seed) {
    Random random(seed);
    std::vector<std::vector<std::string>> calls;
    for (int i = 0; i < 50; ++i) calls.push_back(HostileCall(Generate(), 1000, random));
    return calls;
  };
  EXPECT_EQ(many(1), many(1));
  EXPECT_NE(many(1), many(2));
}

TEST(HostileMessageTest, SomeCallsAreValidDamagedUnreadableOrEmpty) {
  Random random(3);
  int valid = 0, spoilt = 0, broken = 0, none = 0;
  for (int i = 0; i < 1000; ++i) {
    const auto call = HostileCall(Generate(), 1000, random);
    if (call.empty()) {
      ++none;
    } else if (call == Generate().messages) {
      ++valid;
    } else {
      gateway::v1::GenerateRequest request;
      ++(request.ParseFromString(call[0]) ? spoilt : broken);
    }
  }
  EXPECT_GT(valid, 50);
  EXPECT_GT(spoilt, 300);
  EXPECT_GT(broken, 30);
  EXPECT_GT(none, 30);
}

TEST(HostileMessageTest, DamagesFieldsOfInnerMessages) {
  Random random(4);
  std::set<float> temperatures;
  for (int i = 0; i < 2000; ++i) {
    gateway::v1::GenerateRequest request;
    request.mutable_sampling()->set_temperature(0.25f);
    SpoilOneField(&request, random);
    temperatures.insert(request.sampling().temperature());
  }
  EXPECT_GT(temperatures.size(), 5u);
}

TEST(HostileMessageTest, HugeMessagesHaveAboutTheRequestedSize) {
  Random random(5);
  std::size_t largest = 0;
  for (int i = 0; i < 50; ++i) {
    verifier::v1::DecodeRequest request;
    MakeHuge(&request, random, 100'000);
    EXPECT_LT(request.ByteSizeLong(), 1'000'000u);
    largest = std::max(largest, request.ByteSizeLong());
  }
  EXPECT_GT(largest, 90'000u);
}

}  // namespace
}  // namespace recycling::fault
