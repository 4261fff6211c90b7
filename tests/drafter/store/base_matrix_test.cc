#include "drafter/store/base_matrix.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "drafter/store/snapshot.h"
#include "tests/doubles/matchers.h"
#include "tests/drafter/store/forged_snapshot.h"

namespace recycling::drafter {
namespace {

using doubles::IsOk;
using doubles::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const ModelIdentity kModel = {
    .model_id = "tiny", .vocab_size = 6, .tokenizer_digest = std::string(32, 'd')};
constexpr std::uint64_t kRoom = 1 << 20;

// The snapshot of a memory that has learnt, with weights and pair rows too.
std::string File() {
  ScopeMemory memory(6, 2);
  memory.matrix.WriteRow(3, std::array<TokenId, 2>{4, 0});
  memory.matrix.WriteRow(1, std::array<TokenId, 1>{2});
  memory.mixing.Begin({.weights = {0.5F, -2}, .classes = {{.trials = 3, .hits = 1}}});
  memory.pairs.WriteSlot(9, 0x01020304, std::array<TokenId, 1>{5});
  return EncodeSnapshot(kModel, memory);
}

std::string FlipBit(std::string bytes, std::size_t byte, int bit) {
  bytes[byte] = static_cast<char>(bytes[byte] ^ (1 << bit));
  return bytes;
}

TEST(BaseMatrixTest, HoldsTheRowsOfASnapshot) {
  const auto base = ParseBaseMatrix("file", File(), kRoom);
  ASSERT_THAT(base, IsOk());
  EXPECT_EQ((*base)->binding, (MatrixBinding{kModel, 2}));
  const AdjacencyMatrix& matrix = (*base)->matrix;
  EXPECT_EQ(matrix.rows_filled(), 2u);
  EXPECT_EQ(matrix.memory_bytes(), AdjacencyMatrix::MemoryBytes(6, 2));
  std::array<TokenId, 2> row;
  ASSERT_EQ(matrix.ReadRow(3, row), 2u);
  EXPECT_THAT(row, ElementsAre(4, 0));
  EXPECT_TRUE(matrix.IsCold(0));
}

TEST(BaseMatrixTest, AnyTruncationAndAnyFlippedBitIsDataLossThatNamesTheFile) {
  const std::string good = File();
  const auto is_loss =
      StatusIs(absl::StatusCode::kDataLoss, HasSubstr("base matrix /a/file: snapshot: "));
  for (std::size_t length = 0; length < good.size(); ++length) {
    EXPECT_THAT(ParseBaseMatrix("/a/file", good.substr(0, length), kRoom), is_loss) << length;
  }
  for (std::size_t byte = 0; byte < good.size(); ++byte) {
    for (int bit = 0; bit < 8; ++bit) {
      EXPECT_THAT(ParseBaseMatrix("/a/file", FlipBit(good, byte, bit), kRoom), is_loss)
          << byte << " " << bit;
    }
  }
  EXPECT_THAT(ParseBaseMatrix("/a/file", good + "x", kRoom), is_loss);
}

TEST(BaseMatrixTest, WrongFieldsWithACorrectChecksumAreDataLoss) {
  const std::string good = File();
  const auto is_loss = StatusIs(absl::StatusCode::kDataLoss, HasSubstr("base matrix file: "));
  ASSERT_THAT(ParseBaseMatrix("file", Forged(good, 80, 2), kRoom), IsOk());
  EXPECT_THAT(ParseBaseMatrix("file", Forged(good, 80, 6), kRoom), is_loss) << "no such token";
  EXPECT_THAT(ParseBaseMatrix("file", Forged(good, 96, 4), kRoom), is_loss) << "a token twice";
  EXPECT_THAT(ParseBaseMatrix("file", Forged(good, 20, 3), kRoom), is_loss) << "a row too many";
  EXPECT_THAT(ParseBaseMatrix("file", Forged(good, 12, 65), kRoom), is_loss) << "k";
  EXPECT_THAT(ParseBaseMatrix("file", Forged(good, 8, 1), kRoom),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       "base matrix file: snapshot: got format version 1, expected 2"));
}

TEST(BaseMatrixTest, RowsThatNeedMoreThanTheRoomAreRefused) {
  EXPECT_THAT(ParseBaseMatrix("file", Forged(File(), 16, 1 << 24), kRoom),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       HasSubstr("got 16777216 rows of 2, which take 268435456 bytes")));
  const std::uint64_t needed = AdjacencyMatrix::MemoryBytes(6, 2);
  EXPECT_THAT(ParseBaseMatrix("file", File(), needed), IsOk());
  EXPECT_THAT(ParseBaseMatrix("file", File(), needed - 1),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       AllOf(HasSubstr("base matrix file: got 6 rows of 2, which take 96 bytes"),
                             HasSubstr("expected at most 95"))));
}

TEST(BaseMatrixTest, ReadsAFileAndNamesItInErrors) {
  const std::string folder = ::testing::TempDir() + "/base_matrix_test";
  std::filesystem::create_directories(folder);
  const std::string path = folder + "/base";
  std::ofstream(path, std::ios::binary) << File();
  EXPECT_THAT(LoadBaseMatrix(path, kRoom), IsOk());
  EXPECT_THAT(LoadBaseMatrix(path, 10),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr(path)));
  EXPECT_THAT(LoadBaseMatrix(path + "x", kRoom),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(path + "x")));
  EXPECT_THAT(LoadBaseMatrix(folder, kRoom), StatusIs(absl::StatusCode::kInvalidArgument));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace recycling::drafter
