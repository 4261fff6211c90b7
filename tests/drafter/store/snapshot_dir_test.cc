#include "drafter/store/snapshot_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "drafter/store/durable_file.h"
#include "drafter/store/snapshot.h"
#include "tests/doubles/matchers.h"

namespace recycling::drafter {
namespace {

namespace fs = std::filesystem;

using doubles::IsOk;
using doubles::IsOkAndHolds;
using doubles::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

const ModelIdentity kModel = {
    .model_id = "m", .vocab_size = 10, .tokenizer_digest = std::string(32, 'd')};
const std::uint64_t kMatrixBytes = ScopeMemory::FirstBytes(10, 2);

MatrixKey Tenant(const std::string& name) { return {MatrixScope::kTenant, name}; }

class SnapshotDirTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "/snapshot_dir_test.XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    ASSERT_THAT(store_.Bind({kModel, 2}), IsOk());
  }
  void TearDown() override { fs::remove_all(directory_); }

  std::string PathOf(const std::string& name) const { return directory_ + "/" + name; }
  std::set<std::string> Files() const {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(directory_)) {
      names.insert(entry.path().filename().string());
    }
    return names;
  }
  // Writes one row into the matrix of `key`.
  void Write(MatrixStore& store, const MatrixKey& key, TokenId token) {
    store.Use(key).value()->matrix.WriteRow(token, std::array<TokenId, 2>{token, 9});
  }
  // Loads the snapshots into `store`, as a starting drafter does.
  SnapshotDir::LoadResult Load(MatrixStore* store) {
    return SnapshotDir(directory_, "d1", store).LoadAll().value();
  }
  // Sets the modification time of the file.
  void Date(const std::string& name, int minutes) {
    fs::last_write_time(PathOf(name), fs::file_time_type{} + std::chrono::minutes(minutes));
  }

  std::string directory_;
  MatrixStore store_{{.allow_shared = true}};
};

TEST(SnapshotFileNameTest, EncodesAnyTenantAndIsAValidFileName) {
  const std::string id(48, 'x');
  for (const std::string& tenant :
       {std::string("default"), std::string("a/../b"), std::string("\0\xff", 2), std::string("A"),
        std::string("a"), std::string(128, '\xfe')}) {
    const std::string name = SnapshotFileName(id, Tenant(tenant));
    EXPECT_EQ(ParseSnapshotFileName(id, name), Tenant(tenant));
    EXPECT_LE(name.size() + std::string(".aside99").size(), 255u);
    EXPECT_EQ(name.find('/'), std::string::npos);
  }
  EXPECT_EQ(SnapshotFileName("d1", Tenant("default")), "d1.tenant.ZGVmYXVsdA.rcm");
  EXPECT_EQ(SnapshotFileName("d1", {MatrixScope::kShared, ""}), "d1.shared.rcm");
  EXPECT_EQ(ParseSnapshotFileName("d1", "d1.shared.rcm"), (MatrixKey{MatrixScope::kShared, ""}));
}

TEST(SnapshotFileNameTest, OtherFilesAreNotSnapshots) {
  for (const char* name :
       {"", "d1", "d1.shared", "d1.shared.rcm.tmp", "d1.shared.rcm.aside", "d2.shared.rcm",
        "d1.tenant..rcm.tmp", "d1.tenant.ZGVmYXVsdA==.rcm", "d1.tenant.%%.rcm", "d1.tenant.rcm",
        "xd1.shared.rcm", "d1.tenant.ZGVmYXVsdA.rcm.aside"}) {
    EXPECT_EQ(ParseSnapshotFileName("d1", name), std::nullopt) << name;
  }
}

TEST(SnapshotFileNameTest, ADrafterIdHasOnlyLettersDigitsDashesAndUnderscores) {
  EXPECT_THAT(ValidateDrafterId("drafter-1_A"), IsOk());
  for (const std::string& id :
       {std::string(), std::string(49, 'x'), std::string("a.b"), std::string("a/b"),
        std::string("a\0b", 3), std::string("\xc3\xa4")}) {
    EXPECT_THAT(ValidateDrafterId(id), StatusIs(absl::StatusCode::kInvalidArgument));
  }
}

TEST_F(SnapshotDirTest, ARestartedDrafterLoadsTheSavedMatrices) {
  Write(store_, Tenant("a"), 1);
  Write(store_, {MatrixScope::kShared, ""}, 2);
  ASSERT_THAT(store_.Use({MatrixScope::kRequest, "a"}), IsOk());
  ASSERT_THAT(SnapshotDir(directory_, "d1", &store_).SaveAll(), IsOk());
  EXPECT_THAT(Files(), UnorderedElementsAre("d1.shared.rcm", "d1.tenant.YQ.rcm"));

  MatrixStore restarted({.allow_shared = true});
  EXPECT_EQ(Load(&restarted).loaded, 2);
  EXPECT_EQ(restarted.binding(), (MatrixBinding{kModel, 2}));
  for (const MatrixKey& key : {Tenant("a"), MatrixKey{MatrixScope::kShared, ""}}) {
    EXPECT_EQ(EncodeSnapshot(kModel, *restarted.Find(key).value()),
              EncodeSnapshot(kModel, *store_.Find(key).value()));
  }
}

TEST_F(SnapshotDirTest, WritesOnlyMatricesThatHaveChangedSinceTheLastSave) {
  SnapshotDir dir(directory_, "d1", &store_);
  ASSERT_THAT(store_.Use(Tenant("cold")), IsOk());
  Write(store_, Tenant("a"), 1);
  Write(store_, Tenant("b"), 1);
  ASSERT_THAT(dir.SaveAll(), IsOk());
  EXPECT_THAT(Files(), UnorderedElementsAre("d1.tenant.YQ.rcm", "d1.tenant.Yg.rcm"));
  fs::remove(PathOf("d1.tenant.YQ.rcm"));
  fs::remove(PathOf("d1.tenant.Yg.rcm"));
  Write(store_, Tenant("b"), 2);
  ASSERT_THAT(dir.SaveAll(), IsOk());
  EXPECT_THAT(Files(), UnorderedElementsAre("d1.tenant.Yg.rcm"));
  // A matrix that replaces another one is written, even if it has the same number of updates.
  const auto fresh = store_.Allocate().value();
  fresh->matrix.WriteRow(5, std::array<TokenId, 1>{6});
  ASSERT_THAT(store_.Replace(Tenant("a"), fresh), IsOk());
  ASSERT_THAT(dir.SaveAll(), IsOk());
  EXPECT_THAT(Files(), UnorderedElementsAre("d1.tenant.YQ.rcm", "d1.tenant.Yg.rcm"));
}

TEST_F(SnapshotDirTest, ACorruptSnapshotIsRenamedAndTheDrafterStartsWithoutIt) {
  for (const char* content : {"first", "second"}) {
    std::ofstream(PathOf("d1.tenant.YQ.rcm")) << content;
    MatrixStore started({});
    const SnapshotDir::LoadResult result = Load(&started);
    EXPECT_EQ(result.loaded, 0);
    EXPECT_EQ(result.set_aside, 1);
    EXPECT_THAT(started.Find(Tenant("a")), StatusIs(absl::StatusCode::kNotFound));
  }
  EXPECT_THAT(Files(), UnorderedElementsAre("d1.tenant.YQ.rcm.aside", "d1.tenant.YQ.rcm.aside2"));
  EXPECT_THAT(ReadFile(PathOf("d1.tenant.YQ.rcm.aside"), 100), IsOkAndHolds("first"));
  EXPECT_THAT(ReadFile(PathOf("d1.tenant.YQ.rcm.aside2"), 100), IsOkAndHolds("second"));
}

TEST_F(SnapshotDirTest, TheNewestSnapshotDecidesTheModel) {
  ModelIdentity newer = kModel;
  newer.model_id = "newer";
  ASSERT_THAT(
      WriteFileDurably(PathOf("d1.tenant.YQ.rcm"), EncodeSnapshot(kModel, ScopeMemory(10, 2))),
      IsOk());
  ASSERT_THAT(
      WriteFileDurably(PathOf("d1.tenant.Yg.rcm"), EncodeSnapshot(newer, ScopeMemory(10, 2))),
      IsOk());
  Date("d1.tenant.YQ.rcm", 1);
  Date("d1.tenant.Yg.rcm", 2);
  MatrixStore started({});
  const SnapshotDir::LoadResult result = Load(&started);
  EXPECT_EQ(result.loaded, 1);
  EXPECT_EQ(result.set_aside, 1);
  EXPECT_EQ(started.binding()->model, newer);
  EXPECT_THAT(Files(), UnorderedElementsAre("d1.tenant.YQ.rcm.aside", "d1.tenant.Yg.rcm"));
}

TEST_F(SnapshotDirTest, LoadsTheNewestSnapshotsThatFitAndKeepsTheOtherFiles) {
  for (const char* name : {"a", "b", "c"}) Write(store_, Tenant(name), 1);
  ASSERT_THAT(SnapshotDir(directory_, "d1", &store_).SaveAll(), IsOk());
  Date("d1.tenant.YQ.rcm", 3);
  Date("d1.tenant.Yg.rcm", 1);
  Date("d1.tenant.Yw.rcm", 2);
  MatrixStore started({.max_bytes = 2 * kMatrixBytes});
  const SnapshotDir::LoadResult result = Load(&started);
  EXPECT_EQ(result.loaded, 2);
  EXPECT_EQ(result.left, 1);
  std::vector<std::string> tenants;
  for (const auto& entry : started.List()) tenants.push_back(entry.key.tenant);
  EXPECT_THAT(tenants, ElementsAre("a", "c"));
  EXPECT_EQ(Files().size(), 3u);
}

TEST_F(SnapshotDirTest, WithoutSharingASharedSnapshotIsKeptButNotLoaded) {
  Write(store_, {MatrixScope::kShared, ""}, 1);
  ASSERT_THAT(SnapshotDir(directory_, "d1", &store_).SaveAll(), IsOk());
  MatrixStore started({});
  EXPECT_EQ(Load(&started).left, 1);
  EXPECT_FALSE(started.binding().has_value());
  EXPECT_THAT(Files(), UnorderedElementsAre("d1.shared.rcm"));
}

TEST_F(SnapshotDirTest, AMissingDirectoryIsAnError) {
  SnapshotDir dir(directory_ + "/absent", "d1", &store_);
  EXPECT_THAT(dir.LoadAll(), StatusIs(absl::StatusCode::kNotFound, HasSubstr("absent")));
  Write(store_, Tenant("a"), 1);
  EXPECT_THAT(dir.SaveAll(), StatusIs(absl::StatusCode::kNotFound, HasSubstr("absent")));
}

TEST_F(SnapshotDirTest, TheNextSaveWritesAMatrixWhoseSaveFailed) {
  SnapshotDir dir(directory_, "d1", &store_);
  Write(store_, Tenant("a"), 1);
  fs::create_directory(PathOf("d1.tenant.YQ.rcm.tmp"));
  EXPECT_FALSE(dir.SaveAll().ok());
  fs::remove(PathOf("d1.tenant.YQ.rcm.tmp"));
  EXPECT_THAT(dir.SaveAll(), IsOk());
  EXPECT_THAT(Files(), UnorderedElementsAre("d1.tenant.YQ.rcm"));
}

// Opening a FIFO without a writer would block the drafter.
TEST_F(SnapshotDirTest, FifosAndDevicesAreSkippedAndOtherSnapshotsLoaded) {
  Write(store_, Tenant("c"), 1);
  ASSERT_THAT(SnapshotDir(directory_, "d1", &store_).SaveAll(), IsOk());
  ASSERT_EQ(mkfifo(PathOf("d1.tenant.YQ.rcm").c_str(), 0600), 0);
  fs::create_symlink("/dev/zero", PathOf("d1.tenant.Yg.rcm"));
  MatrixStore started({});
  ::testing::internal::CaptureStderr();
  const SnapshotDir::LoadResult result = Load(&started);
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(result.loaded, 1);
  EXPECT_EQ(result.left, 2);
  EXPECT_EQ(result.set_aside, 0);
  EXPECT_THAT(Files(),
              UnorderedElementsAre("d1.tenant.YQ.rcm", "d1.tenant.Yg.rcm", "d1.tenant.Yw.rcm"));
  EXPECT_THAT(log, HasSubstr("d1.tenant.YQ.rcm: got a FIFO"));
  EXPECT_THAT(log, HasSubstr("d1.tenant.Yg.rcm: got a FIFO, a device"));
}

TEST_F(SnapshotDirTest, AFifoAsTheTemporaryFileFailsOneSave) {
  SnapshotDir dir(directory_, "d1", &store_);
  Write(store_, Tenant("a"), 1);
  ASSERT_EQ(mkfifo(PathOf("d1.tenant.YQ.rcm.tmp").c_str(), 0600), 0);
  EXPECT_THAT(dir.SaveAll(), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("got a FIFO")));
  EXPECT_THAT(dir.SaveAll(), IsOk());
  EXPECT_THAT(Files(), UnorderedElementsAre("d1.tenant.YQ.rcm"));
}

TEST_F(SnapshotDirTest, LoadDeletesTemporaryFilesOfInterruptedSavesOnly) {
  const auto put = [&](const std::string& name) { std::ofstream(PathOf(name)) << "half"; };
  put("d1.tenant.YQ.rcm.tmp");
  put("d1.shared.rcm.tmp");
  const std::set<std::string> others = {
      "d2.tenant.YQ.rcm.tmp",  // of another drafter
      "d1.tenant.YR.rcm.tmp",  // a drafter never writes the encoding YR
      "d1.rcm.tmp",           "notes.tmp", "d1.tenant.Yw.rcm.tmp2", "d1.tenant.YQ.rcm.aside.tmp"};
  for (const std::string& name : others) put(name);
  fs::create_directory(PathOf("d1.tenant.Yg.rcm.tmp"));
  MatrixStore started({});
  EXPECT_EQ(Load(&started).loaded, 0);
  std::set<std::string> expected = others;
  expected.insert("d1.tenant.Yg.rcm.tmp");
  EXPECT_EQ(Files(), expected);
}

TEST_F(SnapshotDirTest, AFullDiskKeepsTheOldFile) {
  const std::string path = PathOf("file");
  ASSERT_THAT(WriteFileDurably(path, "old"), IsOk());
  // A child process sets the limit on file sizes, because a process cannot raise it again.
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit = {.rlim_cur = 4096, .rlim_max = 4096};
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) _exit(2);
    const absl::Status status = WriteFileDurably(path, std::string(10000, 'x'));
    _exit(status.code() == absl::StatusCode::kResourceExhausted ? 0 : 1);
  }
  int result = -1;
  ASSERT_EQ(waitpid(child, &result, 0), child);
  EXPECT_EQ(result, 0);
  EXPECT_THAT(ReadFile(path, 100), IsOkAndHolds("old"));
  EXPECT_THAT(Files(), UnorderedElementsAre("file"));
  EXPECT_THAT(WriteFileDurably("/dev/full/x", "new"), ::testing::Not(IsOk()));
}

TEST_F(SnapshotDirTest, ErrorsNameADirectoryWithoutPermission) {
  if (geteuid() == 0) {
    // The user root can write to every directory except /proc.
    EXPECT_FALSE(WriteFileDurably("/proc/snapshot", "x").ok());
    return;
  }
  fs::permissions(directory_, fs::perms::owner_read | fs::perms::owner_exec);
  EXPECT_THAT(WriteFileDurably(PathOf("file"), "x"),
              StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr(directory_)));
  fs::permissions(directory_, fs::perms::owner_all);
}

TEST_F(SnapshotDirTest, ReadFileRefusesFilesAboveTheBound) {
  ASSERT_THAT(WriteFileDurably(PathOf("file"), std::string(100, 'x')), IsOk());
  EXPECT_THAT(ReadFile(PathOf("file"), 99), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(ReadFile(PathOf("file"), 100), IsOkAndHolds(std::string(100, 'x')));
  EXPECT_THAT(ReadFile("/dev/zero", 100),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("expected a regular file")));
  EXPECT_THAT(ReadFile(PathOf("absent"), 1), StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace recycling::drafter
