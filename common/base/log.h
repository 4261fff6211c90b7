// One line per event on stderr: time, level, message, then fields, as text for people or as JSON
// for machines.
#ifndef RECYCLING_COMMON_BASE_LOG_H_
#define RECYCLING_COMMON_BASE_LOG_H_

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "absl/time/time.h"

namespace recycling {

enum class LogLevel { kDebug, kInfo, kWarning, kError };
enum class LogFormat { kText, kJson };

using LogFields = std::initializer_list<std::pair<std::string_view, std::string>>;

// Writes "2026-01-02T03:04:05.678Z I <message> key=value key=\"quoted value\"" in one write, UTC;
// the level is D, I, W or E. Everything but printable ASCII is escaped, values also have quotes and
// backslashes escaped and are quoted where they hold one of these or a space or '=' or are empty,
// so that text from outside cannot forge a line or a field. Values are cut to 1 KiB. Keys and
// messages are fixed texts of the caller; a key is not "time", "level" or "message". Any thread.
// As JSON the line is one object of strings, {"time": ..., "level": "info", "message": ..., key:
// value, ...}, in ASCII; bytes that are not UTF-8 become U+FFFD.
void Log(LogLevel level, std::string_view message, LogFields fields = {});

// Lines below `level` are dropped. Default: kInfo.
void SetLogLevel(LogLevel level);
// Whether lines of this level are written. For callers whose fields take time to make.
bool LogsLevel(LogLevel level);

// Default: kText.
void SetLogFormat(LogFormat format);

// The line that Log writes, newline included.
std::string FormatLogLine(absl::Time time, LogLevel level, std::string_view message,
                          LogFields fields);
std::string FormatJsonLogLine(absl::Time time, LogLevel level, std::string_view message,
                              LogFields fields);

// `text` with everything but printable ASCII escaped, so that it stays on one line and cannot
// control a terminal.
std::string Escaped(std::string_view text);

}  // namespace recycling

#endif  // RECYCLING_COMMON_BASE_LOG_H_
