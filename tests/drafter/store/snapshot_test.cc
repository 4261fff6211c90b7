#include "drafter/store/snapshot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "drafter/sources/draft_sources.h"
#include "drafter/tree/mixing_estimator.h"
#include "tests/doubles/matchers.h"
#include "tests/drafter/store/forged_snapshot.h"

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

// Two rows, two weights, one class and one pair row.
std::string Small() {
  ScopeMemory memory(6, 2);
  memory.matrix.WriteRow(3, std::array<TokenId, 2>{5, 0});
  memory.matrix.WriteRow(3, std::array<TokenId, 2>{4, 0});
  memory.matrix.WriteRow(1, std::array<TokenId, 1>{2});
  memory.mixing.Begin({.weights = {0.5F, -2}, .classes = {{.trials = 3, .hits = 1}}});
  memory.pairs.WriteSlot(9, 0x01020304, std::array<TokenId, 1>{5});
  return EncodeSnapshot(kModel, memory);
}

void ExpectCorrupt(const std::string& bytes, const std::string& message) {
  EXPECT_THAT(Snapshot::Parse(bytes), StatusIs(absl::StatusCode::kDataLoss, HasSubstr(message)));
}

// These bytes are the example of README.md.
TEST(SnapshotTest, HasTheDocumentedBytes) {
  const std::string bytes = Small();
  EXPECT_EQ(absl::BytesToHexString(bytes.substr(0, bytes.size() - 32)),
            "5243594d41545258"  // RCYMATRX
            "02000000"          // version
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
            "00000000"  // token 3: 4 0
            "02000000"  // weights
            "01000000"  // classes
            "0000003f"
            "000000c0"  // 0.5, -2
            "00004040"
            "0000803f"  // 1 hit in 3 trials
            "0a000000"  // pair bits
            "01000000"  // pair rows
            "09000000"
            "04030201"
            "01000000"
            "05000000");  // slot 9, tag, 5
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
  EXPECT_EQ(memory->pairs.rows_filled(), 1u);
  MixingNumbers mixing;
  memory->mixing.Read(&mixing);
  EXPECT_THAT(mixing.weights, ElementsAre(0.5F, -2));
  EXPECT_EQ(EncodeSnapshot(kModel, *memory), bytes);
}

// A drafter without base rows had 12 classes fewer.
TEST(SnapshotTest, NumbersFromBeforeBaseRowsKeepTheirPlaces) {
  MixingNumbers old = PriorNumbers();
  const auto base_classes = old.classes.begin() + 24;
  old.classes.erase(base_classes, base_classes + 12);
  for (std::size_t i = 0; i < old.classes.size(); ++i) {
    old.classes[i] = {.trials = static_cast<float>(i + 1), .hits = 1};
  }
  ScopeMemory memory(6, 2);
  memory.mixing.Begin(old);
  const std::string bytes = EncodeSnapshot(kModel, memory);
  ScopeMemory restored(6, 2);
  Snapshot::Parse(bytes).value().Restore(&restored);
  MixingNumbers numbers;
  restored.mixing.Read(&numbers);
  EXPECT_EQ(numbers.weights, old.weights);
  ASSERT_EQ(numbers.classes.size(), PriorNumbers().classes.size());
  EXPECT_EQ(numbers.classes[23].trials, 24);
  for (std::size_t i = 24; i < 36; ++i) EXPECT_EQ(numbers.classes[i], ClassCount{});
  EXPECT_EQ(numbers.classes[36].trials, 25);

  // The estimator uses them instead of the prior numbers.
  const CandidateSources sources = MakeSources(&restored.matrix, &restored.pairs);
  const MixingEstimator estimator(sources, &restored.mixing);
  MixingNumbers used;
  restored.mixing.Read(&used);
  EXPECT_EQ(used, numbers);
}

TEST(SnapshotTest, PairRowsComeBackEvenIfThereIsRoomForFewerOfThem) {
  ScopeMemory memory(6, 2);
  for (int i = 0; i < 3; ++i) memory.pairs.Grow();
  const int bits = memory.pairs.bits();
  constexpr TokenId kPairs = 4500;  // fill more than a quarter of the slots
  for (TokenId token = 0; token < kPairs; ++token) {
    memory.pairs.WriteRow(token, 1, std::array<TokenId, 1>{token % 6});
  }
  memory.matrix.WriteRow(1, std::array<TokenId, 1>{2});
  const std::string bytes = EncodeSnapshot(kModel, memory);
  const Snapshot snapshot = Snapshot::Parse(bytes).value();
  for (const bool enough : {true, false}) {
    MatrixStore store({.max_bytes = enough ? 1 << 20 : 2 * ScopeMemory::FirstBytes(6, 2)});
    const MatrixKey other = {MatrixScope::kTenant, "other"};
    ASSERT_THAT(store.Bind({kModel, 2}), IsOk());
    ASSERT_THAT(store.Use(other), IsOk());
    ASSERT_THAT(LoadSnapshot(snapshot, kTenant, &store), IsOk());
    const auto loaded = store.Find(kTenant).value();
    EXPECT_EQ(loaded->pairs.bits(), enough ? bits : PairMatrix::kFirstBits);
    EXPECT_THAT(store.Find(other), IsOk()) << "pair rows push no other matrix out";
    std::array<TokenId, 2> row;
    TokenId found = 0;
    for (TokenId token = 0; token < kPairs; ++token) {
      if (loaded->pairs.ReadRow(token, 1, row) == 0) continue;
      EXPECT_EQ(row[0], token % 6);
      ++found;
    }
    EXPECT_GT(found, enough ? 3000u : 800u);
  }
}

TEST(SnapshotTest, FewPairRowsNeedNoLargeTable) {
  ScopeMemory memory(6, 2);
  while (memory.pairs.bits() < PairMatrix::kLastBits) memory.pairs.Grow();
  memory.pairs.WriteRow(3, 1, std::array<TokenId, 1>{4});
  MatrixStore store({});
  const std::string bytes = EncodeSnapshot(kModel, memory);
  ASSERT_THAT(LoadSnapshot(Snapshot::Parse(bytes).value(), kTenant, &store), IsOk());
  const auto loaded = store.Find(kTenant).value();
  EXPECT_EQ(loaded->pairs.bits(), PairMatrix::kFirstBits);
  std::array<TokenId, 2> row;
  ASSERT_EQ(loaded->pairs.ReadRow(3, 1, row), 1u);
  EXPECT_EQ(row[0], 4u);
}

TEST(SnapshotTest, AnEmptyMatrixHasASnapshot) {
  const std::string bytes = EncodeSnapshot(kModel, ScopeMemory(6, 2));
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
  ASSERT_THAT(Snapshot::Parse(Forged(good, 8, 2)), IsOk());
  EXPECT_THAT(Snapshot::Parse(Forged(good, 8, 1)),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("version 1, expected 2")));
  ExpectCorrupt(Forged(good, 12, 0), "k: got 0");
  ExpectCorrupt(Forged(good, 12, 1), "row 1 of 2");
  ExpectCorrupt(Forged(good, 12, 65), "k: got 65");
  ExpectCorrupt(Forged(good, 16, 0), "vocab_size: got 0");
  ExpectCorrupt(Forged(good, 16, 4), "row 1 of 2");
  ExpectCorrupt(Forged(good, 16, 0xffffffff), "vocab_size");
  ExpectCorrupt(Forged(good, 20, 1), "weights or counts out of range");
  ExpectCorrupt(Forged(good, 20, 3), "row 2 of 3");
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
  ExpectCorrupt(Forged(good, 100, 4097), "4097 weights and 1 classes, expected at most 4096");
  ExpectCorrupt(Forged(good, 104, 0xffffffff), "classes, expected at most 4096");
  ExpectCorrupt(Forged(good, 104, 4000), "weights are cut off");
  ExpectCorrupt(Forged(good, 108, 0x7fc00000), "weights or counts out of range");  // NaN
  ExpectCorrupt(Forged(good, 108, 0x43000000), "weights or counts out of range");  // 128
  ExpectCorrupt(Forged(good, 116, 0), "weights or counts out of range");           // 1 hit in 0
  ExpectCorrupt(Forged(good, 124, 9), "pair_bits: got 9, expected 10 to 16");
  ExpectCorrupt(Forged(good, 124, 17), "pair_bits: got 17");
  ExpectCorrupt(Forged(good, 128, 0), "16 bytes after the last row");
  ExpectCorrupt(Forged(good, 128, 2), "pair row 1 of 2 is cut off");
  ExpectCorrupt(Forged(good, 132, 1024), "pair row 0 of 1: got slot 1024");
  ExpectCorrupt(Forged(good, 140, 0), "pair row 0 of 1");
  ExpectCorrupt(Forged(good, 140, 3), "pair row 0 of 1");
  ExpectCorrupt(Forged(good, 144, 6), "pair row 0 of 1");
}

TEST(SnapshotTest, ASnapshotOfAnotherModelIsRefusedAndReplacesNothing) {
  MatrixStore store({});
  ASSERT_THAT(store.Bind({kModel, 2}), IsOk());
  const auto held = store.Use(kTenant).value();
  const std::string other_k = EncodeSnapshot(kModel, ScopeMemory(6, 3));
  EXPECT_THAT(LoadSnapshot(Snapshot::Parse(other_k).value(), kTenant, &store),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("k: got 3, expected 2")));
  ModelIdentity model = kModel;
  model.tokenizer_digest = std::string(32, 'e');
  const std::string other_model = EncodeSnapshot(model, ScopeMemory(6, 2));
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
  MatrixStore store({.max_bytes = ScopeMemory::FirstBytes(6, 2)});
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
