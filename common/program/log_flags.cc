#include "common/program/log_flags.h"

#include <utility>

#include "absl/flags/flag.h"
#include "absl/strings/string_view.h"
#include "common/base/log.h"
#include "common/program/choice_flag.h"

namespace recycling {
namespace {

constexpr std::pair<absl::string_view, LogLevel> kLevels[] = {{"debug", LogLevel::kDebug},
                                                              {"info", LogLevel::kInfo},
                                                              {"warning", LogLevel::kWarning},
                                                              {"error", LogLevel::kError}};
constexpr std::pair<absl::string_view, LogFormat> kFormats[] = {{"text", LogFormat::kText},
                                                                {"json", LogFormat::kJson}};

}  // namespace
}  // namespace recycling

ABSL_FLAG(
    recycling::ChoiceFlag<recycling::kLevels>, log_level, recycling::LogLevel::kInfo,
    "The lowest level that is logged: debug, info, warning or error. At debug a verifier logs "
    "every sequence and a drafter every session.");
ABSL_FLAG(
    recycling::ChoiceFlag<recycling::kFormats>, log_format, recycling::LogFormat::kText,
    "Format of log lines on stderr. text: time, level, message and key=value pairs. json: one "
    "JSON object of strings per line.");

namespace recycling {

FlagGroup LogFlags() { return RareGroupOf("Logs", FLAGS_log_level, FLAGS_log_format); }

void SetLogFromFlags() {
  SetLogLevel(absl::GetFlag(FLAGS_log_level).value());
  SetLogFormat(absl::GetFlag(FLAGS_log_format).value());
}

}  // namespace recycling
