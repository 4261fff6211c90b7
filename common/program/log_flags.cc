#include "common/program/log_flags.h"

#include <string>
#include <utility>

#include "absl/flags/flag.h"
#include "absl/flags/marshalling.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/base/log.h"

namespace recycling {
namespace {

struct LevelFlag {
  LogLevel value = LogLevel::kInfo;
};
struct FormatFlag {
  LogFormat value = LogFormat::kText;
};

constexpr std::pair<absl::string_view, LogLevel> kLevels[] = {{"debug", LogLevel::kDebug},
                                                              {"info", LogLevel::kInfo},
                                                              {"warning", LogLevel::kWarning},
                                                              {"error", LogLevel::kError}};
constexpr std::pair<absl::string_view, LogFormat> kFormats[] = {{"text", LogFormat::kText},
                                                                {"json", LogFormat::kJson}};

template <typename Names, typename Value>
bool ParseName(const Names& names, absl::string_view text, Value* value, std::string* error) {
  for (const auto& [name, named] : names) {
    if (text == name) {
      *value = named;
      return true;
    }
    absl::StrAppend(error, error->empty() ? "expected " : ", ", name);
  }
  return false;
}

template <typename Names, typename Value>
std::string NameOf(const Names& names, Value value) {
  for (const auto& [name, named] : names) {
    if (named == value) return std::string(name);
  }
  return "";
}

bool AbslParseFlag(absl::string_view text, LevelFlag* flag, std::string* error) {
  return ParseName(kLevels, text, &flag->value, error);
}
std::string AbslUnparseFlag(const LevelFlag& flag) { return NameOf(kLevels, flag.value); }
bool AbslParseFlag(absl::string_view text, FormatFlag* flag, std::string* error) {
  return ParseName(kFormats, text, &flag->value, error);
}
std::string AbslUnparseFlag(const FormatFlag& flag) { return NameOf(kFormats, flag.value); }

}  // namespace
}  // namespace recycling

ABSL_FLAG(
    recycling::LevelFlag, log_level, {},
    "Least that is logged: debug, info, warning or error. debug has a line for every sequence "
    "of a verifier and every session of a drafter.");
ABSL_FLAG(recycling::FormatFlag, log_format, {},
          "text: time, level, message and key=value pairs; json: one object of strings a line.");

namespace recycling {

void SetLogFromFlags() {
  SetLogLevel(absl::GetFlag(FLAGS_log_level).value);
  SetLogFormat(absl::GetFlag(FLAGS_log_format).value);
}

}  // namespace recycling
