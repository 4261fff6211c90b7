// A drafter with a base matrix, and one whose sources are partly off. Over real gRPC on a loopback
// port.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "common/base/metrics.h"
#include "common/decoding/draft_tree.h"
#include "drafter/store/snapshot.h"
#include "tests/contract/drafter_service_fixture.h"
#include "tests/doubles/matchers.h"

namespace recycling::drafter {
namespace {

using common::v1::MATRIX_SCOPE_REQUEST;
using common::v1::MATRIX_SCOPE_TENANT;
using doubles::IsOk;
using doubles::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Asks for as many nodes as there are, because a node costs nothing.
v1::Proposal AskFree(std::uint32_t root) {
  v1::Proposal proposal = Ask(root);
  proposal.add_step_costs()->set_micros(100);
  return proposal;
}

class DrafterBaseMatrixTest : public DrafterServiceTest {
 protected:
  // Writes a file with the row 1: 4 5 for the model `model_id`, and returns its path.
  std::string File(const std::string& model_id = "m", std::uint32_t k = kK) {
    ScopeMemory memory(kVocab, k);
    memory.matrix.WriteRow(1, std::array<TokenId, 2>{4, 5});
    const std::string path = Directory() + "/" + model_id + std::to_string(k);
    std::ofstream(path, std::ios::binary) << EncodeSnapshot(
        {.model_id = model_id, .vocab_size = kVocab, .tokenizer_digest = std::string(32, 'd')},
        memory);
    return path;
  }

  std::string Metrics() {
    MetricSet metrics;
    drafter_->AddMetrics(&metrics);
    for (const MetricSet::Family& family : metrics.families()) {
      if (family.name == "recycling_drafter_base_matrix_bytes") {
        return std::to_string(static_cast<int>(family.samples.at(0).value));
      }
    }
    return "absent";
  }
};

TEST_F(DrafterBaseMatrixTest, ItsRowsAreBelowEveryTenantsOwnRows) {
  Start({.base_matrix = File()});
  EXPECT_EQ(Metrics(), "0") << "not in use before the model is known";
  for (const char* tenant : {"a", "b"}) {
    EXPECT_THAT(Propose(Session(MATRIX_SCOPE_TENANT, tenant), AskFree(1))->tokens(),
                ElementsAre(4, 5));
  }
  Stream request(stub_.get(), Session(MATRIX_SCOPE_REQUEST));
  const v1::Proposal ask = AskFree(1);
  request.Send(0, nullptr, &ask);
  const common::v1::DraftTree tree = request.Read().tree();
  EXPECT_THAT(tree.tokens(), ElementsAre(4, 5));
  EXPECT_THAT(tree.sources(), ::testing::Each(std::uint32_t{SetOf(DraftSource::kMatrix)}));
  EXPECT_THAT(request.Finish(), IsOk());

  ASSERT_THAT(Observe(Session(MATRIX_SCOPE_TENANT, "a"), Rows({1}, {2, 3})), IsOk());
  EXPECT_THAT(Propose(Session(MATRIX_SCOPE_TENANT, "a"), AskFree(1))->tokens(), ElementsAre(2, 3));
  EXPECT_THAT(Propose(Session(MATRIX_SCOPE_TENANT, "b"), AskFree(1))->tokens(), ElementsAre(4, 5));
  EXPECT_THAT(Propose(Session(MATRIX_SCOPE_TENANT, "b"), AskFree(7))->tokens(), IsEmpty());
  // The template tree is the paper's, from the tenant's own rows.
  EXPECT_THAT(Propose(Session(MATRIX_SCOPE_TENANT, "b"), Ask(1))->tokens(), IsEmpty());
  EXPECT_EQ(Metrics(), std::to_string(AdjacencyMatrix::MemoryBytes(kVocab, kK)));
  const v1::GetMatrixInfoResponse info = Info();
  for (const v1::MatrixInfo& matrix : info.matrices()) {
    EXPECT_EQ(matrix.rows_filled(), matrix.tenant() == "a" ? 1u : 0u) << "no row was copied";
  }
}

TEST_F(DrafterBaseMatrixTest, AHandshakeOfAnotherModelIsRefusedByName) {
  Start({.base_matrix = File("other")});
  v1::HandshakeResponse response;
  EXPECT_THAT(Handshake(&response),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("base matrix " + Directory()),
                             HasSubstr("model_id: got \"other\", expected \"m\""))));
  EXPECT_THAT(Handshake(&response, "other", 3),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("k: got 2, expected 3")));
  EXPECT_THAT(Handshake(&response, "other"), IsOk());
}

TEST_F(DrafterBaseMatrixTest, AnOptionalOneOfAnotherModelIsLeftOut) {
  for (const std::string& path : {File("other"), File("m", 3), Directory() + "/absent"}) {
    Start({.base_matrix = path, .base_matrix_is_optional = true});
    EXPECT_THAT(Propose(Session(), AskFree(1))->tokens(), IsEmpty()) << path;
    EXPECT_EQ(Metrics(), "0");
  }
  std::ofstream(Directory() + "/damaged") << "not a snapshot";
  Start({.base_matrix = Directory() + "/damaged", .base_matrix_is_optional = true});
  EXPECT_THAT(Propose(Session(), AskFree(1))->tokens(), IsEmpty());
  Start({.base_matrix = File(), .base_matrix_is_optional = true});
  EXPECT_THAT(Propose(Session(), AskFree(1))->tokens(), ElementsAre(4, 5));
}

TEST_F(DrafterBaseMatrixTest, ADamagedAbsentOrForeignFileStopsTheStart) {
  std::ofstream(Directory() + "/damaged") << "not a snapshot, but long enough to have a checksum";
  EXPECT_THAT(CreateDrafter({.base_matrix = Directory() + "/damaged"}),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("/damaged")));
  EXPECT_THAT(CreateDrafter({.base_matrix = Directory() + "/absent"}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("/absent")));
  // The snapshots decide the model, and a wrong base matrix leaves them where they are.
  const std::string snapshots = Directory() + "/snapshots";
  std::filesystem::create_directory(snapshots);
  std::filesystem::copy(File("m"), snapshots + "/d.tenant.YQ.rcm");
  EXPECT_THAT(
      CreateDrafter({.drafter_id = "d", .base_matrix = File("other"), .snapshot_dir = snapshots}),
      StatusIs(absl::StatusCode::kFailedPrecondition,
               HasSubstr("model_id: got \"other\", expected \"m\"")));
  EXPECT_TRUE(std::filesystem::exists(snapshots + "/d.tenant.YQ.rcm"));
}

TEST_F(DrafterBaseMatrixTest, ASourceThatIsOffIsNotInAnyTree) {
  Start({.base_matrix = File(), .draft_sources = {"history"}});
  ASSERT_THAT(Observe(Session(), Rows({1}, {2, 3})), IsOk());
  EXPECT_EQ(Info().matrices(0).rows_filled(), 0u);
  EXPECT_THAT(Propose(Session(), AskFree(1))->tokens(), IsEmpty());
  EXPECT_THAT(Propose(Session(), Ask(1))->tokens(), IsEmpty());
  v1::OpenSession open = Session();
  for (const std::uint32_t id : {1U, 9U, 1U}) open.add_committed_ids(id);
  const common::v1::DraftTree tree = *Propose(open, AskFree(1));
  ASSERT_THAT(tree.tokens(), ::testing::Contains(9u));
  EXPECT_THAT(tree.sources(), ::testing::Each(std::uint32_t{SetOf(DraftSource::kSequence)}));

  EXPECT_THAT(CreateDrafter({.draft_sources = {}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--draft_sources: got none")));
  EXPECT_THAT(CreateDrafter({.draft_sources = {"all"}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("got \"all\", expected")));
}

// A matrix that was loaded or saved before may have rows.
TEST_F(DrafterBaseMatrixTest, TheTemplateTreeNeedsTheMatrixToBeOn) {
  ASSERT_THAT(Observe(Session(), Rows({1}, {2, 3})), IsOk());
  ASSERT_THAT(Propose(Session(), Ask(1))->tokens(), ElementsAre(2, 3));
  const auto saved = Save(MATRIX_SCOPE_TENANT, "a");
  ASSERT_THAT(saved, IsOk());
  Start({.draft_sources = {"recent", "pairs"}});
  ASSERT_THAT(Load({Target(MATRIX_SCOPE_TENANT, "a"), Chunk(saved->front())}), IsOk());
  EXPECT_EQ(Info().matrices(0).rows_filled(), 1u);
  EXPECT_THAT(Propose(Session(), Ask(1))->tokens(), IsEmpty());
}

}  // namespace
}  // namespace recycling::drafter
