#include "common/auth/api_key_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/doubles/fake_clock.h"
#include "tests/doubles/matchers.h"

namespace recycling {
namespace {

using doubles::FakeClock;
using doubles::IsOk;
using doubles::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

class ApiKeyFileTest : public ::testing::Test {
 protected:
  ApiKeyFileTest() : path_(absl::StrCat(::testing::TempDir(), "/keys.", getpid())) {}
  ~ApiKeyFileTest() override { std::remove(path_.c_str()); }

  // Replaces the file atomically, as an operator should.
  void Write(const std::string& text) {
    const std::string temporary = path_ + ".new";
    std::ofstream(temporary) << text;
    ASSERT_EQ(std::rename(temporary.c_str(), path_.c_str()), 0);
  }
  static std::string Line(const std::string& tenant, const std::string& key) {
    return *ApiKeyLine(tenant, KeyRole::kInference, key) + "\n";
  }

  const std::string path_;
  FakeClock clock_;
};

TEST_F(ApiKeyFileTest, ReadsANewFileWithinASecond) {
  Write(Line("a", "one"));
  auto file = ApiKeyFile::Open(path_, clock_);
  ASSERT_THAT(file, IsOk());
  const auto before = (*file)->Get();
  EXPECT_NE(before->Find("one"), nullptr);
  Write(Line("b", "two"));
  EXPECT_EQ((*file)->Get(), before);  // it has not looked at the file yet
  clock_.Advance(absl::Seconds(1));
  const auto after = (*file)->Get();
  EXPECT_EQ(after->Find("one"), nullptr);
  ASSERT_NE(after->Find("two"), nullptr);
  EXPECT_EQ(after->Find("two")->tenant, "b");
  EXPECT_NE(before->Find("one"), nullptr);  // the old set of keys is still usable
  clock_.Advance(absl::Seconds(1));
  EXPECT_EQ((*file)->Get(), after);  // an unchanged file is not read again
}

TEST_F(ApiKeyFileTest, KeepsTheKeysWhenTheFileBecomesWrong) {
  Write(Line("a", "one"));
  auto file = ApiKeyFile::Open(path_, clock_);
  ASSERT_THAT(file, IsOk());
  for (const std::string& bad :
       {std::string("nonsense"), std::string(), std::string(3 << 20, '#')}) {
    Write(bad);
    clock_.Advance(absl::Seconds(1));
    EXPECT_NE((*file)->Get()->Find("one"), nullptr);
  }
  std::remove(path_.c_str());
  clock_.Advance(absl::Seconds(1));
  EXPECT_NE((*file)->Get()->Find("one"), nullptr);
  Write(Line("a", "two"));
  clock_.Advance(absl::Seconds(1));
  EXPECT_EQ((*file)->Get()->Find("one"), nullptr);
  EXPECT_NE((*file)->Get()->Find("two"), nullptr);
}

TEST_F(ApiKeyFileTest, OpenNamesAWrongFileInItsError) {
  EXPECT_THAT(ApiKeyFile::Open(path_, clock_),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(path_)));
  Write("nonsense");
  EXPECT_THAT(
      ApiKeyFile::Open(path_, clock_),
      StatusIs(absl::StatusCode::kInvalidArgument, AllOf(HasSubstr(path_), HasSubstr("line 1"))));
  EXPECT_THAT(ApiKeyFile::Open(::testing::TempDir(), clock_),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("not a file")));
}

}  // namespace
}  // namespace recycling
