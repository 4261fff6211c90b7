#include "common/decoding/model_identity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/doubles/matchers.h"

namespace recycling {
namespace {

using doubles::IsOk;
using doubles::StatusIs;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kPrecondition = absl::StatusCode::kFailedPrecondition;

ModelIdentity Valid() {
  return {.model_id = "toy", .vocab_size = 320, .tokenizer_digest = std::string(32, 'd')};
}

TEST(ValidateModelIdentityTest, AcceptsTheEdgesOfEveryRange) {
  ModelIdentity identity = Valid();
  EXPECT_THAT(ValidateModelIdentity(identity), IsOk());
  identity.model_id = std::string(256, 'm');
  identity.vocab_size = 1u << 24;
  EXPECT_THAT(ValidateModelIdentity(identity), IsOk());
  identity.model_id = "m";
  identity.vocab_size = 1;
  EXPECT_THAT(ValidateModelIdentity(identity), IsOk());
}

TEST(ValidateModelIdentityTest, RefusesFieldsOutOfRangeAndStatesTheActualAndTheExpectedValue) {
  ModelIdentity identity = Valid();
  identity.model_id = "";
  EXPECT_THAT(ValidateModelIdentity(identity),
              StatusIs(kInvalid, "model_id: got 0 bytes, expected 1 to 256"));
  identity.model_id = std::string(257, 'm');
  EXPECT_THAT(ValidateModelIdentity(identity),
              StatusIs(kInvalid, "model_id: got 257 bytes, expected 1 to 256"));
  identity = Valid();
  identity.vocab_size = 0;
  EXPECT_THAT(ValidateModelIdentity(identity),
              StatusIs(kInvalid, "vocab_size: got 0, expected 1 to 16777216"));
  identity.vocab_size = (1u << 24) + 1;
  EXPECT_THAT(ValidateModelIdentity(identity),
              StatusIs(kInvalid, "vocab_size: got 16777217, expected 1 to 16777216"));
  identity = Valid();
  identity.tokenizer_digest.pop_back();
  EXPECT_THAT(ValidateModelIdentity(identity),
              StatusIs(kInvalid, "tokenizer_digest: got 31 bytes, expected 32"));
}

TEST(CheckSameModelTest, NamesTheFirstFieldThatDiffers) {
  const ModelIdentity expected = Valid();
  EXPECT_THAT(CheckSameModel(Valid(), expected), IsOk());
  ModelIdentity got = Valid();
  got.tokenizer_digest[31] = '\x01';
  EXPECT_THAT(
      CheckSameModel(got, expected),
      StatusIs(kPrecondition, testing::AllOf(testing::StartsWith("tokenizer_digest: got 64"),
                                             testing::HasSubstr("01, expected 64"))));
  got.vocab_size = 9;
  EXPECT_THAT(CheckSameModel(got, expected),
              StatusIs(kPrecondition, "vocab_size: got 9, expected 320"));
  got.model_id = "a\nb";
  EXPECT_THAT(CheckSameModel(got, expected),
              StatusIs(kPrecondition, "model_id: got \"a\\nb\", expected \"toy\""));
}

}  // namespace
}  // namespace recycling
