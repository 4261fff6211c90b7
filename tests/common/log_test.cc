#include "common/log.h"

#include <gtest/gtest.h>

namespace recycling {
namespace {

const absl::Time kTime = absl::FromUnixMillis(1767323045678);

TEST(FormatLogLineTest, WritesTimeLevelMessageAndFields) {
  EXPECT_EQ(FormatLogLine(kTime, LogLevel::kInfo, "listening", {{"address", "127.0.0.1:1"}}),
            "2026-01-02T03:04:05.678Z I listening address=127.0.0.1:1\n");
  EXPECT_EQ(FormatLogLine(kTime, LogLevel::kWarning, "slow", {}),
            "2026-01-02T03:04:05.678Z W slow\n");
  EXPECT_EQ(FormatLogLine(kTime, LogLevel::kError, "x", {{"a", "1"}, {"b", "2"}}),
            "2026-01-02T03:04:05.678Z E x a=1 b=2\n");
}

std::string Value(const std::string& value) {
  const std::string line = FormatLogLine(kTime, LogLevel::kInfo, "m", {{"k", value}});
  const std::string head = "2026-01-02T03:04:05.678Z I m k=";
  EXPECT_TRUE(line.starts_with(head) && line.ends_with("\n")) << line;
  return line.substr(head.size(), line.size() - head.size() - 1);
}

TEST(FormatLogLineTest, QuotesWhatCouldBeReadAsSomethingElse) {
  EXPECT_EQ(Value("plain-1/2:3,4"), "plain-1/2:3,4");
  EXPECT_EQ(Value(""), "\"\"");
  EXPECT_EQ(Value("two words"), "\"two words\"");
  EXPECT_EQ(Value("a=b"), "\"a=b\"");
  EXPECT_EQ(Value("say \"a\\b\""), "\"say \\\"a\\\\b\\\"\"");
}

TEST(FormatLogLineTest, CannotBeForgedByControlCharactersOrForeignBytes) {
  EXPECT_EQ(Value("x\n2026 E forged"), "\"x\\n2026 E forged\"");
  EXPECT_EQ(Value("\x1b[31m\r\t\x7f"), "\"\\x1b[31m\\x0d\\x09\\x7f\"");
  EXPECT_EQ(Value(std::string("\0", 1)), "\"\\x00\"");
  EXPECT_EQ(Value("\xc2\x9b"), "\"\\xc2\\x9b\"");
  EXPECT_EQ(FormatLogLine(kTime, LogLevel::kInfo, "m\nn", {}),
            "2026-01-02T03:04:05.678Z I m\\nn\n");
}

TEST(FormatLogLineTest, CutsLongValues) {
  EXPECT_EQ(Value(std::string(1024, 'a')), std::string(1024, 'a'));
  EXPECT_EQ(Value(std::string(1025, 'a')), "\"" + std::string(1024, 'a') + "...\"");
}

TEST(LogTest, DropsLinesBelowTheLevel) {
  SetLogLevel(LogLevel::kWarning);
  testing::internal::CaptureStderr();
  Log(LogLevel::kInfo, "dropped");
  Log(LogLevel::kWarning, "kept");
  SetLogLevel(LogLevel::kInfo);
  const std::string written = testing::internal::GetCapturedStderr();
  EXPECT_EQ(written.find("dropped"), std::string::npos);
  EXPECT_NE(written.find(" W kept\n"), std::string::npos);
}

}  // namespace
}  // namespace recycling
