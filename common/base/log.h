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

// Writes the line "2026-01-02T03:04:05.678Z I <message> key=value key=\"quoted value\"" in one
// write(2). The time is UTC. The level is D, I, W or E. Text from outside cannot forge a line or a
// field:
//  1. Everything but printable ASCII is escaped.
//  2. A value is quoted if it is empty or holds a space, '=', a quote, a backslash or an escaped
//     byte. Quotes and backslashes in it are escaped.
//  3. Values are cut to 1 KiB.
// Keys and messages are fixed texts of the caller. A key is not "time", "level" or "message".
// As JSON the line is one object of strings in ASCII: {"time": ..., "level": "info", "message":
// ..., key: value, ...}. Bytes that are not UTF-8 become U+FFFD. Threads: any.
void Log(LogLevel level, std::string_view message, LogFields fields = {});

// Lines below `level` are dropped. Default: kInfo.
void SetLogLevel(LogLevel level);
// Whether lines of this level are written. For callers that need time to compute the fields.
bool LogsLevel(LogLevel level);

// Default: kText.
void SetLogFormat(LogFormat format);

// The line that Log writes, newline included.
std::string FormatLogLine(absl::Time time, LogLevel level, std::string_view message,
                          LogFields fields);
std::string FormatJsonLogLine(absl::Time time, LogLevel level, std::string_view message,
                              LogFields fields);

// `text` with everything but printable ASCII escaped. The result stays on one line and cannot
// control a terminal.
std::string Escaped(std::string_view text);

}  // namespace recycling

#endif  // RECYCLING_COMMON_BASE_LOG_H_
