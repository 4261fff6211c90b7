#include "common/base/log.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>

#include "absl/time/clock.h"
#include "nlohmann/json.hpp"

namespace recycling {
namespace {

constexpr std::size_t kMaxValueBytes = 1024;
std::atomic<LogLevel> min_level = LogLevel::kInfo;
std::atomic<LogFormat> log_format = LogFormat::kText;

std::string Timestamp(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", time, absl::UTCTimeZone());
}

bool IsPrintable(char c) { return c >= ' ' && c <= '~'; }

void AppendEscaped(std::string_view text, bool quoted, std::string* line) {
  constexpr char kHex[] = "0123456789abcdef";
  for (const char c : text) {
    if (c == '\n') {
      *line += "\\n";
    } else if (!IsPrintable(c)) {
      const auto byte = static_cast<unsigned char>(c);
      *line += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
    } else {
      if (quoted && (c == '"' || c == '\\')) *line += '\\';
      *line += c;
    }
  }
}

void AppendValue(std::string_view value, std::string* line) {
  const bool cut = value.size() > kMaxValueBytes;
  value = value.substr(0, kMaxValueBytes);
  const bool bare = !value.empty() && !cut && std::all_of(value.begin(), value.end(), [](char c) {
    return IsPrintable(c) && c != ' ' && c != '"' && c != '\\' && c != '=';
  });
  if (bare) {
    *line += value;
    return;
  }
  *line += '"';
  AppendEscaped(value, /*quoted=*/true, line);
  *line += cut ? "...\"" : "\"";
}

}  // namespace

std::string FormatLogLine(absl::Time time, LogLevel level, std::string_view message,
                          LogFields fields) {
  std::string line = Timestamp(time);
  line += ' ';
  line += "DIWE"[static_cast<int>(level)];
  line += ' ';
  AppendEscaped(message, /*quoted=*/false, &line);
  for (const auto& [key, value] : fields) {
    line += ' ';
    line += key;
    line += '=';
    AppendValue(value, &line);
  }
  line += '\n';
  return line;
}

std::string FormatJsonLogLine(absl::Time time, LogLevel level, std::string_view message,
                              LogFields fields) {
  constexpr const char* kLevels[] = {"debug", "info", "warning", "error"};
  nlohmann::ordered_json line = {
      {"time", Timestamp(time)}, {"level", kLevels[static_cast<int>(level)]}, {"message", message}};
  for (const auto& [key, value] : fields) {
    std::string shown = value.substr(0, kMaxValueBytes);
    if (shown.size() < value.size()) shown += "...";
    line[std::string(key)] = std::move(shown);
  }
  return line.dump(/*indent=*/-1, ' ', /*ensure_ascii=*/true,
                   nlohmann::ordered_json::error_handler_t::replace) +
         "\n";
}

std::string Escaped(std::string_view text) {
  std::string escaped;
  AppendEscaped(text, /*quoted=*/false, &escaped);
  return escaped;
}

void Log(LogLevel level, std::string_view message, LogFields fields) {
  if (!LogsLevel(level)) return;
  const bool json = log_format.load(std::memory_order_relaxed) == LogFormat::kJson;
  const std::string line =
      (json ? FormatJsonLogLine : FormatLogLine)(absl::Now(), level, message, fields);
  while (write(STDERR_FILENO, line.data(), line.size()) < 0 && errno == EINTR) {
  }
}

void SetLogLevel(LogLevel level) { min_level.store(level, std::memory_order_relaxed); }

bool LogsLevel(LogLevel level) { return level >= min_level.load(std::memory_order_relaxed); }

void SetLogFormat(LogFormat format) { log_format.store(format, std::memory_order_relaxed); }

}  // namespace recycling
