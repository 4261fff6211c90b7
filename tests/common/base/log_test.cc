#include "common/base/log.h"

#include <gtest/gtest.h>

#include "nlohmann/json.hpp"

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
  EXPECT_EQ(FormatLogLine(kTime, LogLevel::kDebug, "x", {}), "2026-01-02T03:04:05.678Z D x\n");
}

std::string Value(const std::string& value) {
  const std::string line = FormatLogLine(kTime, LogLevel::kInfo, "m", {{"k", value}});
  const std::string head = "2026-01-02T03:04:05.678Z I m k=";
  EXPECT_TRUE(line.starts_with(head) && line.ends_with("\n")) << line;
  return line.substr(head.size(), line.size() - head.size() - 1);
}

TEST(FormatLogLineTest, QuotesValuesThatCouldBeMisread) {
  EXPECT_EQ(Value("plain-1/2:3,4"), "plain-1/2:3,4");
  EXPECT_EQ(Value(""), "\"\"");
  EXPECT_EQ(Value("two words"), "\"two words\"");
  EXPECT_EQ(Value("a=b"), "\"a=b\"");
  EXPECT_EQ(Value("say \"a\\b\""), "\"say \\\"a\\\\b\\\"\"");
}

TEST(FormatLogLineTest, EscapesControlCharactersAndBytesThatAreNotAscii) {
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

std::string JsonValue(const std::string& value) {
  const std::string line = FormatJsonLogLine(kTime, LogLevel::kInfo, "m", {{"k", value}});
  EXPECT_TRUE(line.ends_with("\n")) << line;
  for (const char c : line.substr(0, line.size() - 1)) EXPECT_TRUE(c >= ' ' && c <= '~') << line;
  const auto parsed = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  EXPECT_TRUE(parsed.is_object() && parsed["k"].is_string()) << line;
  return parsed["k"].get<std::string>();
}

TEST(FormatJsonLogLineTest, WritesOneObjectOfStrings) {
  EXPECT_EQ(FormatJsonLogLine(kTime, LogLevel::kDebug, "listening", {{"b", "2"}, {"a", "x y"}}),
            "{\"time\":\"2026-01-02T03:04:05.678Z\",\"level\":\"debug\","
            "\"message\":\"listening\",\"b\":\"2\",\"a\":\"x y\"}\n");
  EXPECT_EQ(FormatJsonLogLine(kTime, LogLevel::kError, "m", {}),
            "{\"time\":\"2026-01-02T03:04:05.678Z\",\"level\":\"error\",\"message\":\"m\"}\n");
}

TEST(FormatJsonLogLineTest, ParsesBackToTheSameValues) {
  for (const std::string& value :
       {std::string("plain"), std::string(""), std::string("say \"a\\b\""),
        std::string("x\n\",\"level\":\"error"), std::string("\x1b[31m\r\t\x7f"),
        std::string("\0", 1), std::string("\xc2\x9b \xe2\x80\xa8 \xf0\x9f\x98\x80")}) {
    EXPECT_EQ(JsonValue(value), value);
  }
}

TEST(FormatJsonLogLineTest, ReplacesBytesThatAreNotUtf8AndCutsLongValues) {
  EXPECT_EQ(JsonValue("a\xff"
                      "b"),
            "a\xef\xbf\xbd"
            "b");
  EXPECT_EQ(JsonValue("\xc3"), "\xef\xbf\xbd");
  EXPECT_EQ(JsonValue(std::string(1024, 'a')), std::string(1024, 'a'));
  EXPECT_EQ(JsonValue(std::string(1025, 'a')), std::string(1024, 'a') + "...");
}

TEST(LogTest, WritesJsonIfTheFormatIsJson) {
  SetLogFormat(LogFormat::kJson);
  testing::internal::CaptureStderr();
  Log(LogLevel::kInfo, "m", {{"k", "v"}});
  SetLogFormat(LogFormat::kText);
  const auto line = nlohmann::json::parse(testing::internal::GetCapturedStderr(), nullptr, false);
  ASSERT_TRUE(line.is_object());
  EXPECT_EQ(line["k"], "v");
}

TEST(LogTest, DropsLinesBelowTheLevel) {
  SetLogLevel(LogLevel::kWarning);
  testing::internal::CaptureStderr();
  Log(LogLevel::kInfo, "dropped");
  EXPECT_FALSE(LogsLevel(LogLevel::kInfo));
  EXPECT_TRUE(LogsLevel(LogLevel::kWarning));
  Log(LogLevel::kWarning, "kept");
  SetLogLevel(LogLevel::kInfo);
  const std::string written = testing::internal::GetCapturedStderr();
  EXPECT_EQ(written.find("dropped"), std::string::npos);
  EXPECT_NE(written.find(" W kept\n"), std::string::npos);
}

}  // namespace
}  // namespace recycling
