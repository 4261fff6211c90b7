// All JSON that the program reads and writes. README.md names the fields. Numbers are JSON numbers,
// and durations are microseconds. Each function that writes JSON returns one line with its newline,
// unless its comment says otherwise. The text is always valid UTF-8.
#ifndef RECYCLING_GATEWAY_CLI_JSON_TEXT_H_
#define RECYCLING_GATEWAY_CLI_JSON_TEXT_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "gateway/cli/bench_report.h"
#include "gateway/cli/concurrent_report.h"
#include "recycling/drafter/v1/drafter.pb.h"
#include "recycling/gateway/v1/gateway.pb.h"

namespace recycling::cli {

// Returns the strings of a JSON array if `text` begins with '[', else `text` itself. Returns
// InvalidArgument that begins with `what` if this is not an array of strings.
absl::StatusOr<std::vector<std::string>> ParseStringOrArray(const std::string& what,
                                                            const std::string& text);

// The prompt in one line of a prompt file.
struct PromptLine {
  std::string prompt;
  bool from_turns = false;  // `prompt` is the first of "turns"
  std::string category;     // empty if the line has none
};
// Returns InvalidArgument if `line` is not an object with a string "prompt" or an array "turns"
// that begins with a string, or if it has a "category" that is no string.
absl::StatusOr<PromptLine> ParsePromptLine(const std::string& line);

// Lines of generate.
std::string StartedJson(const gateway::v1::Started& started);
std::string DeltaJson(const gateway::v1::Delta& delta);
std::string FinalJson(const gateway::v1::Final& final);

// Lines of bench.
std::string BenchRunJson(std::size_t prompt, int repeat, const std::string& mode,
                         const gateway::v1::Final& final,
                         const std::optional<std::string>& difference);
std::string BenchSummaryJson(const BenchSummary& summary);
// Lines of bench --concurrency.
std::string ConcurrentRoundJson(int concurrency, int round, const std::string& mode,
                                const ConcurrentRound& measured);
std::string ConcurrentSummaryJson(const ConcurrentSummary& summary);

// The answers of a server about its health.
struct HealthReport {
  std::string address;
  std::string service;  // the service that `ready` is about; empty if none
  absl::StatusOr<bool> alive = false;
  std::optional<absl::StatusOr<bool>> ready;  // absent: only `alive` was asked

  // Whether the server is ready, or alive if `ready` is absent.
  bool good() const {
    const absl::StatusOr<bool>& answer = ready.has_value() ? *ready : alive;
    return answer.ok() && *answer;
  }
};

// Lines of stats, health and matrix.
std::string StatsJson(const gateway::v1::GetStatsResponse& stats);
std::string HealthJson(const HealthReport& report);
std::string MatrixInfoJson(const drafter::v1::GetMatrixInfoResponse& info);
std::string MatrixJson(const drafter::v1::MatrixInfo& matrix);

// A line of template render: {"text": ...}, or {"error": ...}.
std::string RenderedJson(const absl::StatusOr<std::string>& text);

// The file that chat saves, on several lines: {"messages": [{"role": ..., "content": ...}, ...]}.
std::string MessagesJson(const gateway::v1::Conversation& conversation);

}  // namespace recycling::cli

#endif  // RECYCLING_GATEWAY_CLI_JSON_TEXT_H_
