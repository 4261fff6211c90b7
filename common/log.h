// One line per event on stderr: time, level, program, then key=value pairs. For people and for
// machines.
#ifndef RECYCLING_COMMON_LOG_H_
#define RECYCLING_COMMON_LOG_H_

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace recycling {

enum class LogLevel { kInfo, kWarning, kError };

// Writes "2026-01-02T03:04:05.678Z I <message> key=value key=\"quoted value\"" in one write. Values
// with spaces, quotes or control characters are quoted and escaped, so that what came from outside
// cannot forge a line. Any thread.
void Log(LogLevel level, std::string_view message,
         std::initializer_list<std::pair<std::string_view, std::string>> fields = {});

// Lines below `level` are dropped. Default: all are written.
void SetLogLevel(LogLevel level);

}  // namespace recycling

#endif  // RECYCLING_COMMON_LOG_H_
