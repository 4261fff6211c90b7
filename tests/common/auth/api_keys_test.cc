#include "common/auth/api_keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "tests/doubles/matchers.h"

namespace recycling {
namespace {

using doubles::IsOk;
using doubles::StatusIs;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

// SHA-256 of "secret" and of "other".
constexpr char kSecret[] =
    "sha256:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";
constexpr char kOther[] = "sha256:d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa";

TEST(ApiKeysTest, FindsTenantRoleAndLimitsOfAKey) {
  const auto keys = ApiKeys::Parse(absl::StrCat(
      "# a comment\n\nacme ", kSecret, " inference concurrency=4 rate=2.5 burst=10 # ours\n",
      "\t ops.team-1_x  ", kOther, "\tadmin\r\n"));
  ASSERT_THAT(keys, IsOk());
  EXPECT_EQ(keys->size(), 2u);
  const ApiKey* acme = keys->Find("secret");
  ASSERT_NE(acme, nullptr);
  EXPECT_EQ(acme->tenant, "acme");
  EXPECT_EQ(acme->role, KeyRole::kInference);
  EXPECT_TRUE(acme->limited);
  EXPECT_EQ(acme->limits, (TenantLimits{.concurrency = 4, .rate = 2.5, .burst = 10}));
  const ApiKey* ops = keys->Find("other");
  ASSERT_NE(ops, nullptr);
  EXPECT_EQ(ops->tenant, "ops.team-1_x");
  EXPECT_EQ(ops->role, KeyRole::kAdmin);
  EXPECT_FALSE(ops->limited);
  for (const char* unknown : {"", "Secret", "secret ", "secre"}) {
    EXPECT_EQ(keys->Find(unknown), nullptr) << unknown;
  }
  EXPECT_EQ(keys->Find(std::string(100'000, 'x')), nullptr);
}

TEST(ApiKeysTest, NamesTheLineThatIsWrong) {
  const std::string good = absl::StrCat("acme ", kSecret, " inference");
  const std::pair<std::string, std::string> cases[] = {
      {"", "no key"},
      {"# nothing\n", "no key"},
      {"acme", "line 1: got 1 words"},
      {absl::StrCat("ac/me ", kSecret, " admin"), "line 1: tenant: got \"ac/me\""},
      {absl::StrCat(std::string(65, 'a'), " ", kSecret, " admin"), "line 1: tenant"},
      {"acme sha256:12 admin", "line 1: caller: expected sha256: and 64 hex digits"},
      {"acme secret admin", "line 1: caller: expected"},
      {absl::StrCat("acme sha256:", std::string(64, 'g'), " admin"), "line 1: caller: expected"},
      {"acme name: peer", "line 1: caller: expected name: and 1 to 253"},
      {"acme name:a*b peer", "line 1: caller: expected name:"},
      {absl::StrCat("acme name:", std::string(254, 'a'), " peer"),
       "line 1: caller: expected name:"},
      {"acme name:a peer\nacme name:a peer", "line 2: caller: got it twice"},
      {absl::StrCat("acme ", kSecret, " root"), "line 1: role: got \"root\""},
      {absl::StrCat(good, " speed=1"), "line 1: limit: got \"speed=1\""},
      {absl::StrCat(good, " rate"), "limit: got \"rate\""},
      {absl::StrCat(good, " rate=0"), "limit: got \"rate=0\""},
      {absl::StrCat(good, " rate=nan"), "limit: got \"rate=nan\""},
      {absl::StrCat(good, " rate=-1"), "limit: got \"rate=-1\""},
      {absl::StrCat(good, " burst=inf"), "limit: got \"burst=inf\""},
      {absl::StrCat(good, " concurrency=1.5"), "limit: got \"concurrency=1.5\""},
      {absl::StrCat(good, "\n", good), "line 2: caller: got it twice"},
      {absl::StrCat(good, "\nacme ", kOther, " inference rate=1"),
       "line 2: limit: got other limits"}};
  for (const auto& [text, message] : cases) {
    EXPECT_THAT(ApiKeys::Parse(text),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)))
        << text;
  }
  // A message does not show the text, because an operator may have written a key there by mistake.
  EXPECT_THAT(std::string(ApiKeys::Parse("acme secret admin").status().message()),
              ::testing::Not(HasSubstr("secret")));
}

TEST(ApiKeysTest, ATenantMayHaveSeveralKeysOfOneRoleAndOfSeveralRoles) {
  EXPECT_THAT(ApiKeys::Parse(absl::StrCat("acme ", kSecret, " inference rate=1\nacme ", kOther,
                                          " inference rate=1")),
              IsOk());
  EXPECT_THAT(
      ApiKeys::Parse(absl::StrCat("acme ", kSecret, " inference rate=1\nacme ", kOther, " admin")),
      IsOk());
}

TEST(ApiKeysTest, FindsTheCallerOfACertificateByAnyOfItsNames) {
  const auto keys = ApiKeys::Parse(absl::StrCat("gateways name:gw.example peer\n", "ops ", kSecret,
                                                " admin\nacme name:client inference rate=2"));
  ASSERT_THAT(keys, IsOk());
  EXPECT_EQ(keys->size(), 3u);
  const ApiKey* gateway = keys->FindCertificate({"10.0.0.1", "gw.example"});
  ASSERT_NE(gateway, nullptr);
  EXPECT_EQ(gateway->tenant, "gateways");
  EXPECT_EQ(gateway->role, KeyRole::kPeer);
  EXPECT_EQ(keys->FindCertificate({"client", "gw.example"}), gateway) << "the first line wins";
  EXPECT_EQ(keys->FindCertificate({"client"})->limits.rate, 2);
  for (const char* stranger : {"", "gw", "gw.example.org", "GW.example"}) {
    EXPECT_EQ(keys->FindCertificate({stranger}), nullptr) << stranger;
  }
  EXPECT_EQ(keys->FindCertificate({}), nullptr);
  EXPECT_EQ(keys->Find("gw.example"), nullptr) << "a name is not a key";
}

TEST(ApiKeysTest, TheNumberOfKeysIsBounded) {
  std::string text;
  for (std::size_t i = 0; i < ApiKeys::kMostKeys; ++i) {
    absl::StrAppend(&text, *ApiKeyLine(absl::StrCat("t", i), KeyRole::kInference, absl::StrCat(i)),
                    "\n");
  }
  const auto full = ApiKeys::Parse(text);
  ASSERT_THAT(full, IsOk());
  EXPECT_EQ(full->Find("0")->tenant, "t0");
  EXPECT_EQ(full->Find("4095")->tenant, "t4095");
  EXPECT_THAT(ApiKeys::Parse(absl::StrCat(text, "one ", kSecret, " admin")),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("line 4097: got more keys")));
}

TEST(ParseTenantLimitsTest, ParsesLimitsWithoutATenantAndAKey) {
  EXPECT_EQ(*ParseTenantLimits("concurrency=4  rate=2.5 burst=10"),
            (TenantLimits{.concurrency = 4, .rate = 2.5, .burst = 10}));
  EXPECT_EQ(*ParseTenantLimits("rate=1"), (TenantLimits{.rate = 1}));
  EXPECT_EQ(*ParseTenantLimits(""), TenantLimits());
  for (const char* wrong : {"4", "rate=0", "rate=1,burst=2", "concurrency=-1", "speed=3"}) {
    EXPECT_THAT(ParseTenantLimits(wrong),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("limit: got \"")))
        << wrong;
  }
}

TEST(NewApiKeyTest, ANewKeyIsRandomAndIsFoundByItsLine) {
  const auto key = NewApiKey();
  ASSERT_THAT(key, IsOk());
  EXPECT_THAT(*key, MatchesRegex("rk_[A-Za-z0-9_-]+"));
  EXPECT_EQ(key->size(), 46u);
  EXPECT_NE(*NewApiKey(), *key);
  const auto line = ApiKeyLine("acme", KeyRole::kAdmin, *key);
  ASSERT_THAT(line, IsOk());
  EXPECT_EQ(line->find(*key), std::string::npos);
  const auto keys = ApiKeys::Parse(*line);
  ASSERT_THAT(keys, IsOk());
  ASSERT_NE(keys->Find(*key), nullptr);
  EXPECT_EQ(keys->Find(*key)->role, KeyRole::kAdmin);
  EXPECT_EQ(*ApiKeyLine("acme", KeyRole::kInference, "secret"),
            absl::StrCat("acme ", kSecret, " inference"));
  EXPECT_THAT(ApiKeyLine("", KeyRole::kAdmin, *key), StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace recycling
