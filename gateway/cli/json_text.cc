#include "gateway/cli/json_text.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gateway/cli/draft_view.h"
#include "gateway/cli/statistics_text.h"

namespace recycling::cli {
namespace {

using Json = nlohmann::ordered_json;

// `json` on one line. Bytes that are not UTF-8 are replaced.
std::string Line(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Json ParseOrDiscard(const std::string& text) {
  return Json::parse(text, nullptr, /*allow_exceptions=*/false);
}

Json ToJson(const gateway::v1::Timings& timings) {
  return {{"total_micros", timings.total_micros()},
          {"time_to_first_token_micros", timings.time_to_first_token_micros()},
          {"prefill_micros", timings.prefill_micros()},
          {"decode_micros", timings.decode_micros()},
          {"draft_micros", timings.draft_micros()},
          {"verify_micros", timings.verify_micros()},
          {"verify_forward_micros", timings.verify_forward_micros()},
          {"rest_micros", timings.rest_micros()},
          {"draft_inside_micros", timings.draft_inside_micros()},
          {"verify_inside_micros", timings.verify_inside_micros()},
          {"wire_micros", timings.wire_micros()},
          {"queue_micros", timings.queue_micros()}};
}

Json ToJson(const gateway::v1::DurationHistogram& histogram) {
  return {{"count", CountOf(histogram)},
          {"sum_micros", histogram.sum_micros()},
          {"p50_micros", QuantileMicros(histogram, 0.5)},
          {"p90_micros", QuantileMicros(histogram, 0.9)},
          {"p99_micros", QuantileMicros(histogram, 0.99)}};
}

Json ToJson(const gateway::v1::StepDurations& steps) {
  return {{"drafted_overhead", ToJson(steps.drafted_overhead())},
          {"plain_overhead", ToJson(steps.plain_overhead())},
          {"draft", ToJson(steps.draft())},
          {"verify", ToJson(steps.verify())},
          {"wire", ToJson(steps.wire())},
          {"rest", ToJson(steps.rest())},
          {"inter_token", ToJson(steps.inter_token())}};
}

Json QuantilesOf(const std::vector<double>& micros) {
  return {{"count", micros.size()},
          {"p50_micros", Quantile(micros, 0.5)},
          {"p99_micros", Quantile(micros, 0.99)}};
}

Json ToJson(const ConcurrentRound& round) {
  return {{"requests", round.requests},
          {"tokens", round.tokens},
          {"wall_micros", round.wall_micros},
          {"tokens_per_second", round.TokensPerSecond()},
          {"first_token", QuantilesOf(round.first_token_micros)},
          {"inter_token", QuantilesOf(round.inter_token_micros)},
          {"between_messages", QuantilesOf(round.between_messages_micros)}};
}

Json ToJson(const Median& median) {
  Json json = {{"values", median.values}, {"median", median.median}};
  if (median.interval.has_value()) {
    json["low"] = median.interval->first;
    json["high"] = median.interval->second;
  }
  return json;
}

Json ToJson(const gateway::v1::SpeculationStats& stats) {
  Json fallbacks = Json::object();
  for (const auto& fallback : stats.fallbacks()) {
    fallbacks[FallbackReasonName(fallback.reason())] = fallback.count();
  }
  Json depths = Json::array();
  for (const std::uint64_t count : stats.accepted_per_depth()) depths.push_back(count);
  Json sources = Json::object();
  for (const auto& source : stats.sources()) {
    sources[DraftSourceName(KnownSource(source.source()))] = {
        {"proposed", source.proposed()},
        {"accepted", source.accepted()},
        {"proposed_alone", source.proposed_alone()},
        {"accepted_alone", source.accepted_alone()},
        {"expected", source.expected()}};
  }
  return {{"steps", stats.steps()},
          {"drafted_steps", stats.drafted_steps()},
          {"draft_tokens", stats.draft_tokens()},
          {"accepted_tokens", stats.accepted_tokens()},
          {"mean_accepted_tokens", stats.mean_accepted_tokens()},
          {"acceptance_rate", stats.acceptance_rate()},
          {"accepted_per_depth", depths},
          {"sources", sources},
          {"fallbacks", fallbacks},
          {"paused_steps", stats.paused_steps()},
          {"drafter", stats.drafter()},
          {"verifier", stats.verifier()}};
}

Json ToJson(const common::v1::TokenLogprob& logprob) {
  Json top = Json::array();
  for (const auto& entry : logprob.top()) {
    top.push_back({{"token_id", entry.token_id()}, {"logprob", entry.logprob()}});
  }
  return {{"token_id", logprob.token_id()}, {"logprob", logprob.logprob()}, {"top", top}};
}

Json ToJson(const gateway::v1::Final& final) {
  Json json = {{"finish_reason", FinishReasonName(final.finish_reason())}};
  if (!final.matched_stop().empty()) json["matched_stop"] = final.matched_stop();
  if (final.has_matched_token()) json["matched_token"] = final.matched_token();
  json["seed"] = final.seed();
  json["usage"] = {{"prompt_tokens", final.usage().prompt_tokens()},
                   {"completion_tokens", final.usage().completion_tokens()},
                   {"cached_prompt_tokens", final.usage().cached_prompt_tokens()}};
  json["timings"] = ToJson(final.timings());
  json["speculation"] = ToJson(final.speculation());
  json["steps"] = ToJson(final.steps());
  return json;
}

Json ToJson(const Totals& totals) {
  gateway::v1::SpeculationStats speculation = totals.speculation;
  speculation.set_mean_accepted_tokens(totals.MeanAcceptedTokens());
  speculation.set_acceptance_rate(totals.AcceptanceRate());
  Json json = {{"runs", totals.runs},
               {"tokens", totals.tokens},
               {"decode_tokens_per_second", totals.DecodeTokensPerSecond()},
               {"overall_tokens_per_second", totals.OverallTokensPerSecond()},
               {"timings", ToJson(totals.timings)},
               {"speculation", ToJson(speculation)},
               {"steps", ToJson(totals.steps)},
               {"shares",
                {{"draft", totals.DraftPercent() / 100},
                 {"verify", totals.VerifyPercent() / 100},
                 {"wire", totals.WirePercent() / 100},
                 {"rest", totals.RestPercent() / 100}}}};
  // Sums over several requests belong to no single peer.
  json["speculation"].erase("drafter");
  json["speculation"].erase("verifier");
  return json;
}

std::string ScopeName(common::v1::MatrixScope scope) {
  switch (scope) {
    case common::v1::MATRIX_SCOPE_REQUEST:
      return "request";
    case common::v1::MATRIX_SCOPE_SHARED:
      return "shared";
    default:
      return "tenant";
  }
}

Json ToJson(const drafter::v1::MatrixInfo& matrix) {
  return {{"scope", ScopeName(matrix.scope())},
          {"tenant", matrix.tenant()},
          {"rows_filled", matrix.rows_filled()},
          {"row_updates", matrix.row_updates()},
          {"bytes", matrix.bytes()}};
}

// An object with "event": `event`, followed by `fields`.
std::string Event(const std::string& event, const Json& fields) {
  Json json = {{"event", event}};
  json.update(fields);
  return Line(json);
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ParseStringOrArray(const std::string& what,
                                                            const std::string& text) {
  if (!text.starts_with("[")) return std::vector<std::string>{text};
  const Json json = ParseOrDiscard(text);
  std::vector<std::string> texts;
  bool valid = json.is_array();
  for (const Json& entry : json) {
    valid = valid && entry.is_string();
    if (valid) texts.push_back(entry.get<std::string>());
  }
  if (!valid) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, ": got \"", text,
                     "\", expected a text, or a JSON array of strings if it begins "
                     "with ["));
  }
  return texts;
}

absl::StatusOr<PromptLine> ParsePromptLine(const std::string& line) {
  const Json json = ParseOrDiscard(line);
  if (!json.is_object()) {
    return absl::InvalidArgumentError("expected one JSON object per line");
  }
  PromptLine result;
  if (const auto category = json.find("category"); category != json.end()) {
    if (!category->is_string()) return absl::InvalidArgumentError("expected a string \"category\"");
    result.category = category->get<std::string>();
  }
  if (const auto prompt = json.find("prompt"); prompt != json.end() && prompt->is_string()) {
    result.prompt = prompt->get<std::string>();
    return result;
  }
  const auto turns = json.find("turns");
  if (turns != json.end() && turns->is_array() && !turns->empty() && turns->front().is_string()) {
    result.prompt = turns->front().get<std::string>();
    result.from_turns = true;
    return result;
  }
  return absl::InvalidArgumentError(
      "expected a string \"prompt\" or an array \"turns\" that begins with a string");
}

std::string StartedJson(const gateway::v1::Started& started) {
  return Event("started", {{"request_id", started.request_id()},
                           {"prompt_tokens", started.prompt_tokens()},
                           {"seed", started.seed()}});
}

std::string DeltaJson(const gateway::v1::Delta& delta) {
  Json ids = Json::array();
  for (const std::uint32_t id : delta.token_ids()) ids.push_back(id);
  Json fields = {{"text", delta.text()}, {"token_ids", ids}};
  for (const auto& logprob : delta.logprobs()) fields["logprobs"].push_back(ToJson(logprob));
  return Event("delta", fields);
}

std::string FinalJson(const gateway::v1::Final& final) { return Event("final", ToJson(final)); }

std::string BenchRunJson(std::size_t prompt, int repeat, const std::string& mode,
                         const gateway::v1::Final& final,
                         const std::optional<std::string>& difference) {
  Json fields = {{"prompt", prompt}, {"repeat", repeat}, {"mode", mode}};
  if (difference.has_value()) fields["difference"] = *difference;
  fields.update(ToJson(final));
  return Event("run", fields);
}

std::string BenchSummaryJson(const BenchSummary& summary) {
  Json categories = Json::object();
  for (const auto& [name, totals] : summary.by_category) {
    const auto& [plain, recycled] = totals;
    categories[name] = {{"runs", recycled.runs},
                        {"tokens", recycled.tokens},
                        {"ratio", Ratio(plain, recycled)},
                        {"mean_accepted_tokens", recycled.MeanAcceptedTokens()}};
  }
  return Event("summary", {{"equal", summary.different == 0},
                           {"different", summary.different},
                           {"ratio", Ratio(summary.plain, summary.recycled)},
                           {"pair_ratio", ToJson(PairRatio(summary))},
                           {"plain_tokens_per_second", ToJson(PlainMedian(summary))},
                           {"recycled_tokens_per_second", ToJson(RecycledMedian(summary))},
                           {"mean_accepted_tokens", summary.recycled.MeanAcceptedTokens()},
                           {"plain", ToJson(summary.plain)},
                           {"recycled", ToJson(summary.recycled)},
                           {"categories", categories}});
}

std::string ConcurrentRoundJson(int concurrency, int round, const std::string& mode,
                                const ConcurrentRound& measured) {
  Json fields = {{"concurrency", concurrency}, {"round", round}, {"mode", mode}};
  fields.update(ToJson(measured));
  return Event("concurrent_round", fields);
}

std::string ConcurrentSummaryJson(const ConcurrentSummary& summary) {
  return Event("concurrent_summary", {{"concurrency", summary.concurrency},
                                      {"equal", summary.different == 0},
                                      {"different", summary.different},
                                      {"round_ratio", ToJson(MedianOf(summary.ratios))},
                                      {"plain", ToJson(summary.plain)},
                                      {"recycled", ToJson(summary.recycled)}});
}

std::string StatsJson(const gateway::v1::GetStatsResponse& stats) {
  Json peers = Json::array();
  for (const auto& peer : stats.peers()) {
    peers.push_back(
        {{"role", peer.role() == gateway::v1::PEER_ROLE_VERIFIER ? "verifier" : "drafter"},
         {"address", peer.address()},
         {"ready", peer.ready()},
         {"detail", peer.detail()},
         {"requests_running", peer.requests_running()},
         {"kernel", peer.kernel()}});
  }
  Json refusals = Json::object();
  for (const auto& refusal : stats.refusals()) {
    refusals[RefusalReasonName(refusal.reason())] = refusal.count();
  }
  return Line({{"uptime_micros", stats.uptime_micros()},
               {"requests_running", stats.requests_running()},
               {"requests_waiting", stats.requests_waiting()},
               {"requests_capacity", stats.requests_capacity()},
               {"requests_succeeded", stats.requests_succeeded()},
               {"requests_failed", stats.requests_failed()},
               {"prompt_tokens", stats.prompt_tokens()},
               {"completion_tokens", stats.completion_tokens()},
               {"timings", ToJson(stats.timings())},
               {"speculation", ToJson(stats.speculation())},
               {"steps", ToJson(stats.steps())},
               {"requests",
                {{"queue", ToJson(stats.requests().queue())},
                 {"time_to_first_token", ToJson(stats.requests().time_to_first_token())},
                 {"prefill", ToJson(stats.requests().prefill())},
                 {"decode", ToJson(stats.requests().decode())},
                 {"total", ToJson(stats.requests().total())}}},
               {"refusals", refusals},
               {"unread_outputs", stats.unread_outputs()},
               {"unread_bytes", stats.unread_bytes()},
               {"peers", peers}});
}

std::string HealthJson(const HealthReport& report) {
  Json json = {{"address", report.address},
               {"service", report.service},
               {"serving", report.good()},
               {"alive", report.alive.ok() && *report.alive}};
  if (report.ready.has_value()) json["ready"] = report.ready->ok() && **report.ready;
  const absl::Status& error =
      report.ready.has_value() ? report.ready->status() : report.alive.status();
  if (!error.ok()) json["error"] = std::string(error.message());
  return Line(json);
}

std::string MatrixInfoJson(const drafter::v1::GetMatrixInfoResponse& info) {
  Json matrices = Json::array();
  for (const auto& matrix : info.matrices()) matrices.push_back(ToJson(matrix));
  return Line({{"drafter_id", info.drafter_id()},
               {"model_id", info.model().model_id()},
               {"vocab_size", info.model().vocab_size()},
               {"k", info.k()},
               {"bytes", info.bytes()},
               {"max_bytes", info.max_bytes()},
               {"open_sessions", info.open_sessions()},
               {"matrices", matrices}});
}

std::string MatrixJson(const drafter::v1::MatrixInfo& matrix) { return Line(ToJson(matrix)); }

std::string RenderedJson(const absl::StatusOr<std::string>& text) {
  if (text.ok()) return Line({{"text", *text}});
  return Line({{"error", std::string(text.status().message())}});
}

std::string MessagesJson(const gateway::v1::Conversation& conversation) {
  Json messages = Json::array();
  for (const gateway::v1::ChatMessage& message : conversation.messages()) {
    messages.push_back({{"role", message.role()}, {"content", message.content()}});
  }
  const Json file = {{"messages", std::move(messages)}};
  return file.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace recycling::cli
