// One line per event on stderr: time, level, message, then key=value pairs. For people and for
// machines.
#ifndef RECYCLING_COMMON_LOG_H_
#define RECYCLING_COMMON_LOG_H_

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "absl/time/time.h"

namespace recycling {

enum class LogLevel { kInfo, kWarning, kError };

using LogFields = std::initializer_list<std::pair<std::string_view, std::string>>;

// Writes "2026-01-02T03:04:05.678Z I <message> key=value key=\"quoted value\"" in one write, UTC;
// the level is I, W or E. Everything but printable ASCII is escaped, values also have quotes and
// backslashes escaped and are quoted where they hold one of these or a space or '=' or are empty,
// so that what came from outside cannot forge a line or a field. Values are cut to 1 KiB. Keys and
// messages are the caller's own words. Any thread.
void Log(LogLevel level, std::string_view message, LogFields fields = {});

// Lines below `level` are dropped. Default: all are written.
void SetLogLevel(LogLevel level);

// The line that Log writes, newline included.
std::string FormatLogLine(absl::Time time, LogLevel level, std::string_view message,
                          LogFields fields);

// `text` with everything but printable ASCII escaped, so that it is one line and a terminal does
// not obey it.
std::string Escaped(std::string_view text);

}  // namespace recycling

#endif  // RECYCLING_COMMON_LOG_H_
