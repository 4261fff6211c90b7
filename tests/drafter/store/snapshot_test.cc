#include "drafter/store/snapshot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/sha.h>

#include <array>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "tests/doubles/matchers.h"

namespace recycling::drafter {
namespace {

using doubles::IsOk;
using doubles::StatusIs;
using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const ModelIdentity kModel = {
    .model_id = "tiny", .vocab_size = 6, .tokenizer_digest = std::string(32, 'd')};
const MatrixKey kTenant = {MatrixScope::kTenant, "a"};

std::string Small() {
  AdjacencyMatrix matrix(6, 2);
  matrix.WriteRow(3, std::array<TokenId, 2>{5, 0});
  matrix.WriteRow(3, std::array<TokenId, 2>{4, 0});
  matrix.WriteRow(1, std::array<TokenId, 1>{2});
  return EncodeSnapshot(kModel, matrix);
}

// Sets the little-endian 32-bit word at `offset` of the snapshot and computes the checksum again.
std::string Forged(std::string bytes, std::size_t offset, std::uint32_t word) {
  for (int i = 0; i < 4; ++i) {
    bytes[offset + static_cast<std::size_t>(i)] = static_cast<char>(word >> (8 * i));
  }
  bytes.resize(bytes.size() - 32);
  unsigned char digest[32];
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest);
  return bytes.append(reinterpret_cast<char*>(digest), sizeof(digest));
}

void ExpectCorrupt(const std::string& bytes, const std::string& message) {
  EXPECT_THAT(Snapshot::Parse(bytes), StatusIs(absl::StatusCode::kDataLoss, HasSubstr(message)));
}

// These bytes are the example of README.md.
TEST(SnapshotTest, HasTheDocumentedBytes) {
  const std::string bytes = Small();
  EXPECT_EQ(absl::BytesToHexString(bytes.substr(0, bytes.size() - 32)),
            "5243594d41545258"  // RCYMATRX
            "01000000"          // version
            "02000000"          // k
            "06000000"          // vocab_size
            "02000000"          // rows
            "0300000000000000"  // row updates
            "6464646464646464646464646464646464646464646464646464646464646464"
            "04000000"  // length of the model id
            "74696e79"  // "tiny"
            "01000000"
            "01000000"
            "02000000"  // token 1: 2
            "03000000"
            "02000000"
            "04000000"
            "00000000");  // token 3: 4 0
}

TEST(SnapshotTest, RestoresEveryRowAndTheCounters) {
  MatrixStore store({});
  const std::string bytes = Small();
  ASSERT_THAT(LoadSnapshot(Snapshot::Parse(bytes).value(), kTenant, &store), IsOk());
  EXPECT_EQ(store.binding(), (MatrixBinding{kModel, 2}));
  const auto memory = store.Find(kTenant).value();
  const AdjacencyMatrix& matrix = memory->matrix;
  EXPECT_EQ(matrix.rows_filled(), 2u);
  EXPECT_EQ(matrix.row_updates(), 3u);
  std::array<TokenId, 2> row;
  ASSERT_EQ(matrix.ReadRow(1, row), 1u);
  EXPECT_EQ(row[0], 2u);
  ASSERT_EQ(matrix.ReadRow(3, row), 2u);
  EXPECT_THAT(row, ElementsAre(4, 0));
  EXPECT_EQ(EncodeSnapshot(kModel, matrix), bytes);
}

TEST(SnapshotTest, AnEmptyMatrixHasASnapshot) {
  const std::string bytes = EncodeSnapshot(kModel, AdjacencyMatrix(6, 2));
  const auto snapshot = Snapshot::Parse(bytes);
  ASSERT_THAT(snapshot, IsOk());
  EXPECT_EQ(snapshot->rows(), 0u);
}

TEST(SnapshotTest, ParseFindsAnyCorruptByte) {
  const std::string good = Small();
  for (std::size_t i = 0; i < good.size(); ++i) {
    for (const int flip : {0x01, 0x80, 0xff}) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ flip);
      EXPECT_THAT(Snapshot::Parse(bad), StatusIs(absl::StatusCode::kDataLoss)) << "byte " << i;
    }
  }
}

TEST(SnapshotTest, ParseFindsAnyTruncation) {
  const std::string good = Small();
  for (std::size_t length = 0; length < good.size(); ++length) {
    EXPECT_THAT(Snapshot::Parse(good.substr(0, length)), StatusIs(absl::StatusCode::kDataLoss))
        << "length " << length;
  }
  EXPECT_THAT(Snapshot::Parse(good + '\0'), StatusIs(absl::StatusCode::kDataLoss));
}

// A hostile file can have a correct checksum.
TEST(SnapshotTest, ParseFindsWrongFieldsInAFileWithACorrectChecksum) {
  const std::string good = Small();
  ASSERT_THAT(Snapshot::Parse(Forged(good, 8, 1)), IsOk());
  EXPECT_THAT(Snapshot::Parse(Forged(good, 8, 2)),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("version 2, expected 1")));
  ExpectCorrupt(Forged(good, 12, 0), "k: got 0");
  ExpectCorrupt(Forged(good, 12, 1), "row 1 of 2");
  ExpectCorrupt(Forged(good, 12, 65), "k: got 65");
  ExpectCorrupt(Forged(good, 16, 0), "vocab_size: got 0");
  ExpectCorrupt(Forged(good, 16, 4), "row 1 of 2");
  ExpectCorrupt(Forged(good, 16, 0xffffffff), "vocab_size");
  ExpectCorrupt(Forged(good, 20, 1), "16 bytes after the last row");
  ExpectCorrupt(Forged(good, 20, 3), "row 2 of 3 is cut off");
  ExpectCorrupt(Forged(good, 20, 0xffffffff), "expected at least 4294967295");
  ExpectCorrupt(Forged(good, 24, 1), "got 1 row updates, expected at least 2");
  ExpectCorrupt(Forged(good, 64, 0), "model_id");
  ExpectCorrupt(Forged(good, 64, 0xffffffff), "header is cut off");
  ExpectCorrupt(Forged(good, 72, 3), "row 1 of 2");           // tokens 3, 3
  ExpectCorrupt(Forged(good, 72, 6), "row 0 of 2");           // outside the vocabulary
  ExpectCorrupt(Forged(good, 76, 0), "row 0 of 2");           // an empty row
  ExpectCorrupt(Forged(good, 76, 3), "row 0 of 2");           // more than k
  ExpectCorrupt(Forged(good, 76, 0xffffffff), "row 0 of 2");  // far more than k
  ExpectCorrupt(Forged(good, 80, 6), "row 0 of 2");           // a candidate outside the vocabulary
  ExpectCorrupt(Forged(good, 96, 4), "row 1 of 2");           // a candidate twice
}

TEST(SnapshotTest, ASnapshotOfAnotherModelIsRefusedAndReplacesNothing) {
  MatrixStore store({});
  ASSERT_THAT(store.Bind({kModel, 2}), IsOk());
  const auto held = store.Use(kTenant).value();
  const std::string other_k = EncodeSnapshot(kModel, AdjacencyMatrix(6, 3));
  EXPECT_THAT(LoadSnapshot(Snapshot::Parse(other_k).value(), kTenant, &store),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("k: got 3, expected 2")));
  ModelIdentity model = kModel;
  model.tokenizer_digest = std::string(32, 'e');
  const std::string other_model = EncodeSnapshot(model, AdjacencyMatrix(6, 2));
  EXPECT_THAT(LoadSnapshot(Snapshot::Parse(other_model).value(), kTenant, &store),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("tokenizer_digest")));
  EXPECT_EQ(store.Find(kTenant).value(), held);
}

TEST(SnapshotTest, ABadKeyBindsNothing) {
  MatrixStore store({});
  const std::string bytes = Small();
  EXPECT_THAT(LoadSnapshot(Snapshot::Parse(bytes).value(), {MatrixScope::kShared, ""}, &store),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_FALSE(store.binding().has_value());
}

TEST(SnapshotTest, AMatrixThatDoesNotFitIsRefused) {
  MatrixStore store({.max_bytes = 6 * 16});
  const std::string bytes = Small();
  const Snapshot snapshot = Snapshot::Parse(bytes).value();
  ASSERT_THAT(LoadSnapshot(snapshot, kTenant, &store), IsOk());
  const auto held = store.Find(kTenant).value();
  EXPECT_THAT(LoadSnapshot(snapshot, kTenant, &store),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(store.Find(kTenant).value(), held);
}

}  // namespace
}  // namespace recycling::drafter
