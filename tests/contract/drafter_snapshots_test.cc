// The drafter saves and loads matrices, by calls and on disk. Over real gRPC on a loopback port.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/contract/drafter_service_fixture.h"
#include "tests/doubles/matchers.h"

namespace recycling::drafter {
namespace {

namespace fs = std::filesystem;

using common::v1::MATRIX_SCOPE_REQUEST;
using common::v1::MATRIX_SCOPE_SHARED;
using common::v1::MATRIX_SCOPE_TENANT;
using doubles::IsOk;
using doubles::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using DrafterSnapshotsTest = DrafterServiceTest;

TEST_F(DrafterSnapshotsTest, ASavedMatrixLoadsIntoAnotherDrafterAndTenant) {
  ASSERT_THAT(Observe(Session(), Rows({1}, {2, 3})), IsOk());
  const auto saved = Save(MATRIX_SCOPE_TENANT, "a");
  ASSERT_THAT(saved, IsOk());
  ASSERT_EQ(saved->size(), 1u);
  Start({.drafter_id = "d2"});
  v1::LoadMatrixResponse response;
  // Sends the bytes in pieces of any size, empty ones included.
  const std::string& bytes = saved->front();
  ASSERT_THAT(Load({Target(MATRIX_SCOPE_TENANT, "b"), Chunk(bytes.substr(0, 1)), Chunk(""),
                    Chunk(bytes.substr(1))},
                   &response),
              IsOk());
  EXPECT_EQ(response.matrix().tenant(), "b");
  EXPECT_EQ(response.matrix().rows_filled(), 1u);
  EXPECT_EQ(Info().model().model_id(), "m");
  EXPECT_THAT(Propose(Session(MATRIX_SCOPE_TENANT, "b"), Ask(1))->tokens(), ElementsAre(2, 3));
  EXPECT_THAT(*Save(MATRIX_SCOPE_TENANT, "b"), ElementsAre(bytes));
}

TEST_F(DrafterSnapshotsTest, ALargeMatrixIsSentInChunksOfAMebibyte) {
  v1::OpenSession open = Session();
  open.mutable_model()->set_vocab_size(150'000);
  const std::size_t rows = 100'000;
  std::vector<std::uint32_t> tokens, candidates;
  for (std::uint32_t i = 0; i < rows; ++i) {
    tokens.push_back(i);
    candidates.insert(candidates.end(), {i, i + 1});
  }
  ASSERT_THAT(Observe(open, Rows(tokens, candidates)), IsOk());
  const auto saved = Save(MATRIX_SCOPE_TENANT, "a");
  ASSERT_THAT(saved, IsOk());
  ASSERT_EQ(saved->size(), 2u);
  EXPECT_EQ(saved->at(0).size(), 1u << 20);
  std::vector<v1::LoadMatrixRequest> parts = {Target(MATRIX_SCOPE_TENANT, "b")};
  for (const std::string& chunk : *saved) parts.push_back(Chunk(chunk));
  v1::LoadMatrixResponse response;
  ASSERT_THAT(Load(parts, &response), IsOk());
  EXPECT_EQ(response.matrix().rows_filled(), rows);
}

TEST_F(DrafterSnapshotsTest, SaveNamesTheFieldThatIsWrong) {
  EXPECT_THAT(Save(MATRIX_SCOPE_TENANT, "a"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(Save(MATRIX_SCOPE_SHARED, ""), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(Save(MATRIX_SCOPE_REQUEST, "a"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Save(MATRIX_SCOPE_SHARED, "a"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Save(MATRIX_SCOPE_TENANT, ""), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(DrafterSnapshotsTest, AFailedLoadDoesNotChangeTheMatrix) {
  ASSERT_THAT(Observe(Session(), Rows({1}, {2, 3})), IsOk());
  const std::string good = Save(MATRIX_SCOPE_TENANT, "a")->front();
  ASSERT_THAT(Observe(Session(), Rows({1}, {4, 5})), IsOk());
  const v1::LoadMatrixRequest target = Target(MATRIX_SCOPE_TENANT, "a");
  std::string bad = good;
  bad[30] ^= 1;
  EXPECT_THAT(Load({target, Chunk(bad)}), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(Load({target, Chunk(good.substr(0, good.size() - 1))}),
              StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(Load({target}), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(Load({}), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Load({Chunk(good)}), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Load({target, target}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("second target")));
  EXPECT_THAT(Load({target, v1::LoadMatrixRequest()}), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(Load({Target(MATRIX_SCOPE_REQUEST, "a")}),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Load({Target(MATRIX_SCOPE_TENANT, "")}),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Load({target, Chunk(std::string((1 << 20) + 1, 'x'))}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("at most 1048576")));
  const v1::LoadMatrixRequest largest = Chunk(std::string(1 << 20, 'x'));
  EXPECT_THAT(Load({target, largest, largest}),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       HasSubstr(absl::StrCat("got more than ",
                                              ScopeMemory::MostBytes(kVocab, kK) + (64 << 10)))));
  EXPECT_THAT(Propose(Session(), Ask(1))->tokens(), ElementsAre(4, 5));
  ASSERT_THAT(Load({target, Chunk(good)}), IsOk());
  EXPECT_THAT(Propose(Session(), Ask(1))->tokens(), ElementsAre(2, 3));
}

TEST_F(DrafterSnapshotsTest, ASnapshotOfAnotherModelIsRefused) {
  ASSERT_THAT(Observe(Session(), Rows({1}, {2, 3})), IsOk());
  const std::string bytes = Save(MATRIX_SCOPE_TENANT, "a")->front();
  Start({.drafter_id = "d2"});
  v1::HandshakeResponse response;
  ASSERT_THAT(Handshake(&response, "n"), IsOk());
  EXPECT_THAT(Load({Target(MATRIX_SCOPE_TENANT, "a"), Chunk(bytes)}),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("model_id: got \"m\"")));
  EXPECT_THAT(Info().matrices(), IsEmpty());
}

TEST_F(DrafterSnapshotsTest, AfterALoadOpenSessionsKeepTheirOldMatrix) {
  ASSERT_THAT(Observe(Session(), Rows({1}, {2, 3})), IsOk());
  const std::string bytes = Save(MATRIX_SCOPE_TENANT, "a")->front();
  Stream stream(stub_.get(), Session());
  const v1::Observation seen = Rows({1}, {4, 5});
  const v1::Proposal ask = Ask(1);
  stream.Send(0, &seen, &ask);
  EXPECT_THAT(stream.Read().tree().tokens(), ElementsAre(4, 5));
  ASSERT_THAT(Load({Target(MATRIX_SCOPE_TENANT, "a"), Chunk(bytes)}), IsOk());
  stream.Send(1, nullptr, &ask);
  EXPECT_THAT(stream.Read().tree().tokens(), ElementsAre(4, 5));
  EXPECT_THAT(Propose(Session(), Ask(1))->tokens(), ElementsAre(2, 3));
  EXPECT_THAT(stream.Finish(), IsOk());
}

TEST_F(DrafterSnapshotsTest, MatricesSavedAtShutdownAreThereAfterARestart) {
  const DrafterOptions options = {.drafter_id = "d1", .snapshot_dir = Directory()};
  Start(options);
  ASSERT_THAT(Observe(Session(), Rows({1}, {2, 3})), IsOk());
  server_->Shutdown(absl::ZeroDuration());
  ASSERT_THAT(drafter_->SaveSnapshots(), IsOk());
  Start(options);
  EXPECT_EQ(Info().model().model_id(), "m");
  EXPECT_THAT(Propose(Session(), Ask(1))->tokens(), ElementsAre(2, 3));
  // A drafter with another id does not load these snapshots.
  Start({.drafter_id = "d2", .snapshot_dir = Directory()});
  EXPECT_THAT(Propose(Session(), Ask(1))->tokens(), IsEmpty());
}

TEST_F(DrafterSnapshotsTest, ALoadedMatrixIsOnDiskWhenTheLoadIsAnswered) {
  ASSERT_THAT(Observe(Session(), Rows({1}, {2, 3})), IsOk());
  const std::string bytes = Save(MATRIX_SCOPE_TENANT, "a")->front();
  const DrafterOptions options = {.drafter_id = "d1", .snapshot_dir = Directory()};
  Start(options);
  ASSERT_THAT(Load({Target(MATRIX_SCOPE_TENANT, "a"), Chunk(bytes)}), IsOk());
  Start(options);  // without SaveSnapshots, as after kill -9
  EXPECT_THAT(Propose(Session(), Ask(1))->tokens(), ElementsAre(2, 3));
}

TEST_F(DrafterSnapshotsTest, ALoadThatCannotBeWrittenToDiskIsAnError) {
  ASSERT_THAT(Observe(Session(), Rows({1}, {2, 3})), IsOk());
  const std::string bytes = Save(MATRIX_SCOPE_TENANT, "a")->front();
  Start({.drafter_id = "d1", .snapshot_dir = Directory()});
  fs::remove_all(Directory());
  EXPECT_THAT(Load({Target(MATRIX_SCOPE_TENANT, "a"), Chunk(bytes)}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("replaced but not on disk")));
  EXPECT_THAT(Propose(Session(), Ask(1))->tokens(), ElementsAre(2, 3));
}

TEST_F(DrafterSnapshotsTest, SnapshotsAreWrittenAtTheirInterval) {
  Start({.drafter_id = "d1",
         .snapshot_dir = Directory(),
         .snapshot_interval = absl::Milliseconds(1)});
  ASSERT_THAT(Observe(Session(), Rows({1}, {2, 3})), IsOk());
  while (!fs::exists(Directory() + "/d1.tenant.YQ.rcm")) std::this_thread::yield();
}

}  // namespace
}  // namespace recycling::drafter
