#include "drafter/store/matrix_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/doubles/matchers.h"

namespace recycling::drafter {
namespace {

using doubles::IsOk;
using doubles::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const ModelIdentity kModel = {
    .model_id = "m", .vocab_size = 10, .tokenizer_digest = std::string(32, 'd')};
const std::uint64_t kMatrixBytes = ScopeMemory::FirstBytes(10, 2);  // with the pair rows

MatrixKey Tenant(const std::string& name) { return {MatrixScope::kTenant, name}; }
const MatrixKey kShared = {MatrixScope::kShared, ""};
const MatrixKey kRequest = {MatrixScope::kRequest, "a"};

class MatrixStoreTest : public ::testing::Test {
 protected:
  // Returns a store with room for `matrices` matrices, bound to kModel and k = 2.
  static std::unique_ptr<MatrixStore> Store(std::uint64_t matrices, bool allow_shared = false) {
    auto store = std::make_unique<MatrixStore>(
        MatrixStoreOptions{.max_bytes = matrices * kMatrixBytes, .allow_shared = allow_shared});
    EXPECT_THAT(store->Bind({kModel, 2}), IsOk());
    return store;
  }

  static std::vector<std::string> Names(const MatrixStore& store) {
    std::vector<std::string> names;
    for (const MatrixStore::Entry& entry : store.List()) {
      names.push_back(entry.key.scope == MatrixScope::kRequest  ? "request"
                      : entry.key.scope == MatrixScope::kShared ? "shared"
                                                                : entry.key.tenant);
    }
    return names;
  }
};

std::unique_ptr<const BaseMatrix> Base(const std::string& model_id, std::uint32_t k = 2) {
  ModelIdentity model = kModel;
  model.model_id = model_id;
  return std::unique_ptr<const BaseMatrix>(
      new BaseMatrix{.path = "/base", .binding = {model, k}, .matrix = {10, k}});
}

TEST_F(MatrixStoreTest, ABaseMatrixThatFitsIsSharedAndDoesNotCount) {
  for (const bool bound : {true, false}) {
    MatrixStore store({});
    if (bound) {
      ASSERT_THAT(store.Bind({kModel, 2}), IsOk());
    }
    auto base = Base("m");
    const AdjacencyMatrix* const matrix = &base->matrix;
    ASSERT_THAT(store.SetBase(std::move(base), MatrixStore::BaseMustFit::kYes), IsOk());
    EXPECT_EQ(store.base(), bound ? matrix : nullptr);
    ASSERT_THAT(store.Bind({kModel, 2}), IsOk());
    EXPECT_EQ(store.base(), matrix);
    EXPECT_EQ(store.bytes(), 0u);
  }
}

TEST_F(MatrixStoreTest, ABaseMatrixThatMustFitRefusesAnotherModelByName) {
  const auto refused = StatusIs(absl::StatusCode::kFailedPrecondition,
                                "base matrix /base: model_id: got \"other\", expected \"m\"");
  MatrixStore store({});
  ASSERT_THAT(store.SetBase(Base("other"), MatrixStore::BaseMustFit::kYes), IsOk());
  EXPECT_THAT(store.Bind({kModel, 2}), refused);
  EXPECT_FALSE(store.binding().has_value());
  EXPECT_EQ(store.base(), nullptr);
  ModelIdentity other = kModel;
  other.model_id = "other";
  EXPECT_THAT(store.Bind({other, 3}), StatusIs(absl::StatusCode::kFailedPrecondition,
                                               "base matrix /base: k: got 2, expected 3"));
  EXPECT_THAT(store.Bind({other, 2}), IsOk());
  EXPECT_NE(store.base(), nullptr);

  EXPECT_THAT(Store(1)->SetBase(Base("other"), MatrixStore::BaseMustFit::kYes), refused);
}

TEST_F(MatrixStoreTest, ABaseMatrixThatNeedNotFitIsLeftOut) {
  MatrixStore store({});
  ASSERT_THAT(store.SetBase(Base("m", 3), MatrixStore::BaseMustFit::kNo), IsOk());
  EXPECT_THAT(store.Bind({kModel, 2}), IsOk());
  EXPECT_EQ(store.base(), nullptr);

  const auto bound = Store(1);
  EXPECT_THAT(bound->SetBase(Base("other"), MatrixStore::BaseMustFit::kNo), IsOk());
  EXPECT_EQ(bound->base(), nullptr);
}

TEST_F(MatrixStoreTest, TheFirstBindSetsTheModelAndK) {
  MatrixStore store({});
  EXPECT_FALSE(store.binding().has_value());
  EXPECT_THAT(store.Use(Tenant("a")),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("handshake")));
  EXPECT_THAT(store.Bind({kModel, 2}), IsOk());
  EXPECT_THAT(store.Bind({kModel, 2}), IsOk());
  EXPECT_EQ(store.binding(), (MatrixBinding{kModel, 2}));
  EXPECT_THAT(store.Bind({kModel, 3}),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("got 3, expected 2")));
  ModelIdentity other = kModel;
  other.model_id = "n";
  EXPECT_THAT(store.Bind({other, 2}), StatusIs(absl::StatusCode::kFailedPrecondition));
  other = kModel;
  other.vocab_size = 11;
  EXPECT_THAT(store.Bind({other, 2}), StatusIs(absl::StatusCode::kFailedPrecondition));
  other = kModel;
  other.tokenizer_digest[31] = 'e';
  EXPECT_THAT(store.Bind({other, 2}), StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(MatrixStoreTest, ARefusedBindBindsNothing) {
  MatrixStore store({.max_bytes = kMatrixBytes - 1});
  for (const std::uint32_t k : {0u, 11u, 65u, 0xffffffffu}) {
    EXPECT_THAT(store.Bind({kModel, k}), StatusIs(absl::StatusCode::kInvalidArgument));
  }
  EXPECT_THAT(store.Bind({{}, 2}), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(store.Bind({kModel, 2}),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("takes 20640 bytes")));
  ModelIdentity huge = kModel;
  huge.vocab_size = 1u << 24;
  EXPECT_THAT(store.Bind({huge, 64}), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_FALSE(store.binding().has_value());
}

TEST_F(MatrixStoreTest, ScopesAndTenantsHaveSeparateMatrices) {
  const auto store = Store(10, /*allow_shared=*/true);
  const auto a = store->Use(Tenant("a")).value();
  const auto b = store->Use(Tenant("b")).value();
  const auto shared = store->Use(kShared).value();
  const auto request = store->Use(kRequest).value();
  const auto request2 = store->Use(kRequest).value();
  a->matrix.WriteRow(1, std::array<TokenId, 1>{2});
  for (const auto& other : {b, shared, request, request2})
    EXPECT_EQ(other->matrix.rows_filled(), 0u);
  EXPECT_EQ(store->Use(Tenant("a")).value(), a);
  EXPECT_EQ(store->Use({MatrixScope::kShared, "a"}).value(), shared);
  EXPECT_NE(request, request2);
  EXPECT_EQ(store->bytes(), 5 * kMatrixBytes);
}

TEST_F(MatrixStoreTest, RefusesBadKeys) {
  const auto store = Store(10);
  EXPECT_THAT(store->Use(kShared), StatusIs(absl::StatusCode::kFailedPrecondition));
  for (const MatrixScope scope : {MatrixScope::kTenant, MatrixScope::kRequest}) {
    EXPECT_THAT(store->Use({scope, ""}), StatusIs(absl::StatusCode::kInvalidArgument));
    EXPECT_THAT(store->Use({scope, std::string(129, 'x')}),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("got 129 bytes")));
    EXPECT_THAT(store->Use({scope, std::string(128, '\0')}), IsOk());
  }
  EXPECT_THAT(store->Find(kRequest), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(store->Find(kShared), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(store->Find(Tenant("never used")), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(MatrixStoreTest, DropsTheLeastRecentlyUsedMatrixToMakeRoom) {
  const auto store = Store(3);
  for (const char* name : {"a", "b", "c"}) ASSERT_THAT(store->Use(Tenant(name)), IsOk());
  store->Use(Tenant("a")).value()->matrix.WriteRow(1, std::array<TokenId, 1>{2});
  EXPECT_THAT(Names(*store), ElementsAre("a", "c", "b"));
  ASSERT_THAT(store->Use(Tenant("d")), IsOk());
  EXPECT_THAT(Names(*store), ElementsAre("d", "a", "c"));
  EXPECT_EQ(store->bytes(), 3 * kMatrixBytes);
  EXPECT_EQ(store->Use(Tenant("a")).value()->matrix.rows_filled(), 1u);
}

TEST_F(MatrixStoreTest, NeverDropsAMatrixInUse) {
  const auto store = Store(2);
  auto a = store->Use(Tenant("a")).value();
  ASSERT_THAT(store->Use(Tenant("b")), IsOk());
  ASSERT_THAT(store->Use(Tenant("c")), IsOk());
  EXPECT_THAT(Names(*store), ElementsAre("c", "a"));
  auto c = store->Use(Tenant("c")).value();
  EXPECT_THAT(store->Use(Tenant("d")), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(store->Use(kRequest), StatusIs(absl::StatusCode::kResourceExhausted));
  a.reset();
  EXPECT_THAT(store->Use(Tenant("d")), IsOk());
  EXPECT_THAT(Names(*store), ElementsAre("d", "c"));
}

TEST_F(MatrixStoreTest, TheMatrixOfARequestIsFreedWithItsLastReference) {
  const auto store = Store(1);
  auto request = store->Use(kRequest).value();
  EXPECT_THAT(Names(*store), ElementsAre("request"));
  EXPECT_THAT(store->Use(kRequest), StatusIs(absl::StatusCode::kResourceExhausted));
  request.reset();
  EXPECT_THAT(Names(*store), IsEmpty());
  EXPECT_EQ(store->bytes(), 0u);
  EXPECT_THAT(store->Use(kRequest), IsOk());
}

TEST_F(MatrixStoreTest, AReplacedMatrixIsFreedWithItsLastReference) {
  const auto store = Store(2);
  auto old = store->Use(Tenant("a")).value();
  const auto fresh = store->Allocate().value();
  ASSERT_THAT(store->Replace(Tenant("a"), fresh), IsOk());
  EXPECT_EQ(store->Use(Tenant("a")).value(), fresh);
  EXPECT_EQ(store->bytes(), 2 * kMatrixBytes);
  old.reset();
  EXPECT_EQ(store->bytes(), kMatrixBytes);
}

TEST_F(MatrixStoreTest, PairRowsGrowAsFarAsTheLimitAllows) {
  const auto store = Store(4);
  const std::uint64_t segment = PairMatrix::MemoryBytes(PairMatrix::kFirstBits, 2);
  const auto a = store->Use(Tenant("a")).value();
  ASSERT_THAT(store->Use(Tenant("b")), IsOk());
  store->Grow(a.get());
  EXPECT_EQ(a->pairs.bits(), PairMatrix::kFirstBits) << "it does not want to grow";
  for (TokenId token = 0; !a->pairs.WantsToGrow(); ++token) {
    a->pairs.WriteRow(token, 1, std::array<TokenId, 1>{2});
  }
  store->Grow(a.get());
  EXPECT_EQ(a->pairs.bits(), PairMatrix::kFirstBits + 1);
  EXPECT_EQ(store->bytes(), 2 * kMatrixBytes + segment);
  EXPECT_THAT(Names(*store), ElementsAre("b", "a"));
  // The next growth needs two segments. They would fit only without the matrix of b.
  store->GrowTo(PairMatrix::kFirstBits + 2, a.get());
  EXPECT_EQ(a->pairs.bits(), PairMatrix::kFirstBits + 1);
  EXPECT_THAT(Names(*store), ElementsAre("b", "a"));
  EXPECT_EQ(store->bytes(), 2 * kMatrixBytes + segment);
}

TEST_F(MatrixStoreTest, DropsNothingIfThatDoesNotMakeEnoughRoom) {
  const auto store = Store(2);
  const auto used = store->Use(Tenant("used")).value();
  ASSERT_THAT(store->Use(Tenant("idle")), IsOk());
  store->GrowTo(PairMatrix::kLastBits, used.get());
  EXPECT_EQ(used->pairs.bits(), PairMatrix::kFirstBits);
  const auto also_used = store->Use(Tenant("idle")).value();
  EXPECT_THAT(store->Use(Tenant("new")), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(Names(*store), ElementsAre("idle", "used"));
}

TEST_F(MatrixStoreTest, AGrownMatrixGivesAllItsBytesBack) {
  const auto store = Store(10);
  auto request = store->Use(kRequest).value();
  store->GrowTo(PairMatrix::kFirstBits + 2, request.get());
  EXPECT_EQ(store->bytes(), request->memory_bytes());
  EXPECT_GT(store->bytes(), kMatrixBytes);
  request.reset();
  EXPECT_EQ(store->bytes(), 0u);
}

TEST_F(MatrixStoreTest, AMatrixMayOutliveTheStore) {
  std::shared_ptr<ScopeMemory> memory;
  memory = Store(1)->Use(Tenant("a")).value();
  memory->matrix.WriteRow(1, std::array<TokenId, 1>{2});
  EXPECT_EQ(memory->matrix.rows_filled(), 1u);
}

TEST_F(MatrixStoreTest, ManyThreadsStayWithinTheBound) {
  const auto store = Store(4);
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&store, t] {
        for (int i = 0; i < 500; ++i) {
          const auto used = store->Use(i % 3 == 0 ? kRequest : Tenant(absl::StrCat((i + t) % 7)));
          if (used.ok()) (*used)->matrix.WriteRow(1, std::array<TokenId, 1>{2});
          EXPECT_LE(store->bytes(), 4 * kMatrixBytes);
          EXPECT_LE(store->List().size(), 4u + 4u);
        }
      });
    }
  }
  EXPECT_LE(store->bytes(), 4 * kMatrixBytes);
}

}  // namespace
}  // namespace recycling::drafter
