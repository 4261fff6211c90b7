#include "gateway/fleet/served_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/doubles/fake_verifier_client.h"
#include "tests/doubles/matchers.h"
#include "tests/doubles/toy_model.h"

namespace recycling::gateway {
namespace {

using doubles::IsOk;
using doubles::StatusIs;
using ::testing::HasSubstr;

const VerifierInfo kInfo = doubles::FakeVerifierClient().info();

absl::StatusOr<TokenizerData> ToyTokenizer() { return doubles::ToyModel().MakeTokenizerData(); }

TEST(ModelReferenceTest, TheFirstVerifierDecidesTheModel) {
  ModelReference reference;
  EXPECT_EQ(reference.Get(), nullptr);
  ASSERT_THAT(reference.Admit(kInfo, ToyTokenizer), IsOk());
  ASSERT_NE(reference.Get(), nullptr);
  EXPECT_EQ(reference.Get()->info.model, kInfo.model);
  EXPECT_EQ(reference.Get()->tokenizer->vocab_size(), 320u);
}

TEST(ModelReferenceTest, ComparesLaterVerifiersAndDoesNotFetchTheirTokenizer) {
  ModelReference reference;
  ASSERT_THAT(reference.Admit(kInfo, ToyTokenizer), IsOk());
  const auto never = []() -> absl::StatusOr<TokenizerData> {
    ADD_FAILURE() << "fetched";
    return absl::InternalError("");
  };
  VerifierInfo same = kInfo;
  same.build = "another build";
  same.max_sequences = 1;
  EXPECT_THAT(reference.Admit(same, never), IsOk());
  const auto refuses = [&](const std::string& field, auto change) {
    VerifierInfo other = kInfo;
    change(other);
    EXPECT_THAT(reference.Admit(other, never),
                StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr(field)));
  };
  refuses("model_id", [](VerifierInfo& info) { info.model.model_id = "other"; });
  refuses("vocab_size", [](VerifierInfo& info) { info.model.vocab_size = 321; });
  refuses("numerics_id", [](VerifierInfo& info) { info.numerics_id = "other"; });
  refuses("context_length", [](VerifierInfo& info) { info.context_length = 1; });
  refuses("k: got 9, expected 8", [](VerifierInfo& info) { info.k = 9; });
}

TEST(ModelReferenceTest, AVerifierWhoseTokenizerArrivesLateDoesNotReplaceTheModel) {
  ModelReference reference;
  VerifierInfo late = kInfo;
  late.numerics_id = "other";
  // The gateway admits another verifier before it receives the tokenizer of this one.
  const absl::Status status = reference.Admit(late, [&]() -> absl::StatusOr<TokenizerData> {
    EXPECT_THAT(reference.Admit(kInfo, ToyTokenizer), IsOk());
    return ToyTokenizer();
  });
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("numerics_id")));
  EXPECT_EQ(reference.Get()->info.numerics_id, kInfo.numerics_id);
}

TEST(ModelReferenceTest, ATokenizerThatCannotBeFetchedLeavesNoModel) {
  ModelReference reference;
  EXPECT_THAT(reference.Admit(kInfo, [] { return absl::UnavailableError("gone"); }),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(reference.Admit(kInfo, [] { return TokenizerData(); }),
              StatusIs(absl::StatusCode::kInvalidArgument));
  VerifierInfo larger = kInfo;
  larger.model.vocab_size = 321;
  EXPECT_THAT(reference.Admit(larger, ToyTokenizer),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("320 tokens")));
  EXPECT_EQ(reference.Get(), nullptr);
  EXPECT_THAT(reference.Admit(kInfo, ToyTokenizer), IsOk());
}

}  // namespace
}  // namespace recycling::gateway
