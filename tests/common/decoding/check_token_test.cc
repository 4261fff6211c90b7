#include "common/decoding/check_token.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "tests/doubles/matchers.h"

namespace recycling {
namespace {

using doubles::IsOk;
using doubles::StatusIs;

TEST(CheckTokensTest, AcceptsIdsOfTheVocabularyAndNamesTheFirstOtherId) {
  EXPECT_THAT(CheckTokens("ids", {}, 0), IsOk());
  EXPECT_THAT(CheckTokens("ids", std::vector<TokenId>{0, 9}, 10), IsOk());
  EXPECT_THAT(
      CheckTokens("ids", std::vector<TokenId>{9, 10, 4294967295}, 10),
      StatusIs(absl::StatusCode::kInvalidArgument, "ids: got token id 10, expected less than 10"));
}

}  // namespace
}  // namespace recycling
