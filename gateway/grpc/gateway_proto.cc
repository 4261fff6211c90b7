#include "gateway/grpc/gateway_proto.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/chat/chat_template.h"
#include "common/chat/json.h"
#include "common/rpc/proto_convert.h"

namespace recycling::gateway {
namespace {

// Has the same order as FallbackReason.
constexpr v1::FallbackReason kReasons[kFallbackReasons] = {
    v1::FALLBACK_REASON_UNAVAILABLE, v1::FALLBACK_REASON_TIMEOUT, v1::FALLBACK_REASON_STALE,
    v1::FALLBACK_REASON_MALFORMED,   v1::FALLBACK_REASON_ERROR,   v1::FALLBACK_REASON_MISMATCH};

absl::StatusOr<MatrixScope> ScopeFromProto(common::v1::MatrixScope scope) {
  switch (scope) {
    case common::v1::MATRIX_SCOPE_UNSPECIFIED:
    case common::v1::MATRIX_SCOPE_TENANT:
      return MatrixScope::kTenant;
    case common::v1::MATRIX_SCOPE_REQUEST:
      return MatrixScope::kRequest;
    case common::v1::MATRIX_SCOPE_SHARED:
      return MatrixScope::kShared;
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("matrix_scope: got unknown value ", static_cast<int>(scope)));
  }
}

absl::StatusOr<std::optional<Speculation>> SpeculationFromProto(v1::SpeculationMode mode) {
  switch (mode) {
    case v1::SPECULATION_MODE_UNSPECIFIED:
      return std::nullopt;
    case v1::SPECULATION_MODE_ON:
      return Speculation::kAuto;
    case v1::SPECULATION_MODE_OFF:
      return Speculation::kOff;
    case v1::SPECULATION_MODE_FIXED:
      return Speculation::kFixed;
    case v1::SPECULATION_MODE_FULL:
      return Speculation::kFull;
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("speculation.mode: got unknown value ", static_cast<int>(mode)));
  }
}

v1::FinishReason ReasonToProto(FinishReason reason) {
  switch (reason) {
    case FinishReason::kEos:
      return v1::FINISH_REASON_EOS;
    case FinishReason::kStopString:
      return v1::FINISH_REASON_STOP_STRING;
    case FinishReason::kStopToken:
      return v1::FINISH_REASON_STOP_TOKEN;
    case FinishReason::kLength:
      return v1::FINISH_REASON_LENGTH;
  }
  return v1::FINISH_REASON_UNSPECIFIED;
}

std::uint32_t Clip(std::uint64_t count) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint32_t>::max();
  return static_cast<std::uint32_t>(std::min(count, kMost));
}

std::uint64_t Micros(absl::Duration duration) {
  return static_cast<std::uint64_t>(std::max(absl::ToInt64Microseconds(duration), std::int64_t{0}));
}

void HistogramToProto(const DurationHistogram& histogram, v1::DurationHistogram* proto) {
  for (const DurationHistogram::Bucket& bucket : histogram.Buckets()) {
    v1::DurationBucket* added = proto->add_buckets();
    added->set_from_micros(bucket.from);
    added->set_to_micros(bucket.to);
    added->set_count(bucket.count);
  }
  proto->set_sum_micros(histogram.sum_micros());
}

v1::RefusalReason RefusalReasonToProto(RefusalReason reason) {
  switch (reason) {
    case RefusalReason::kQueueFull:
      return v1::REFUSAL_REASON_QUEUE_FULL;
    case RefusalReason::kQueueTimeout:
      return v1::REFUSAL_REASON_QUEUE_TIMEOUT;
    case RefusalReason::kRate:
      return v1::REFUSAL_REASON_RATE;
    case RefusalReason::kDraining:
      return v1::REFUSAL_REASON_DRAINING;
    case RefusalReason::kDeadline:
      return v1::REFUSAL_REASON_DEADLINE;
    case RefusalReason::kCancelled:
      return v1::REFUSAL_REASON_CANCELLED;
    case RefusalReason::kCount:
      break;
  }
  return v1::REFUSAL_REASON_UNSPECIFIED;
}

void SpeculationToProto(const SpeculationStats& stats, v1::SpeculationStats* proto) {
  proto->set_steps(Clip(stats.steps));
  proto->set_drafted_steps(Clip(stats.drafted_steps));
  proto->set_draft_tokens(stats.draft_tokens);
  proto->set_accepted_tokens(stats.accepted_tokens);
  proto->set_mean_accepted_tokens(stats.MeanAcceptedTokens());
  proto->set_acceptance_rate(stats.AcceptanceRate());
  proto->set_paused_steps(stats.paused_steps);
  proto->set_moves(stats.moves);
  proto->set_retries(stats.retries);
  proto->set_moving_micros(Micros(stats.moving));
  if (stats.row_cost.has_value()) proto->set_row_cost(*stats.row_cost);
  proto->mutable_accepted_per_depth()->Add(stats.accepted_per_depth.begin(),
                                           stats.accepted_per_depth.end());
  for (std::size_t r = 0; r < stats.fallbacks.size(); ++r) {
    if (stats.fallbacks[r] == 0) continue;
    v1::Fallback* fallback = proto->add_fallbacks();
    fallback->set_reason(kReasons[r]);
    fallback->set_count(stats.fallbacks[r]);
  }
  for (std::size_t s = 0; s < stats.sources.size(); ++s) {
    const SourceCounts& counts = stats.sources[s];
    if (counts.proposed == 0) continue;
    v1::SourceStats* source = proto->add_sources();
    source->set_source(static_cast<common::v1::DraftSource>(s));
    source->set_proposed(counts.proposed);
    source->set_accepted(counts.accepted);
    source->set_proposed_alone(counts.proposed_alone);
    source->set_accepted_alone(counts.accepted_alone);
    source->set_expected(counts.expected);
  }
}

void TimingsToProto(const Timings& timings, v1::Timings* proto) {
  proto->set_total_micros(Micros(timings.total));
  proto->set_time_to_first_token_micros(Micros(timings.time_to_first_token));
  proto->set_prefill_micros(Micros(timings.prefill));
  proto->set_decode_micros(Micros(timings.decode));
  proto->set_draft_micros(Micros(timings.draft));
  proto->set_verify_micros(Micros(timings.verify));
  proto->set_verify_forward_micros(Micros(timings.verify_forward));
  proto->set_rest_micros(Micros(timings.rest()));
  proto->set_draft_inside_micros(Micros(timings.draft_inside));
  proto->set_verify_inside_micros(Micros(timings.verify_inside));
  proto->set_wire_micros(Micros(timings.wire));
  proto->set_queue_micros(Micros(timings.queue));
}

void StepDurationsToProto(const StepDurations& steps, v1::StepDurations* proto) {
  HistogramToProto(steps.drafted_overhead, proto->mutable_drafted_overhead());
  HistogramToProto(steps.plain_overhead, proto->mutable_plain_overhead());
  HistogramToProto(steps.draft, proto->mutable_draft());
  HistogramToProto(steps.verify, proto->mutable_verify());
  HistogramToProto(steps.wire, proto->mutable_wire());
  HistogramToProto(steps.rest, proto->mutable_rest());
  HistogramToProto(steps.inter_token, proto->mutable_inter_token());
}

void RequestDurationsToProto(const RequestDurations& requests, v1::RequestDurations* proto) {
  HistogramToProto(requests.queue, proto->mutable_queue());
  HistogramToProto(requests.time_to_first_token, proto->mutable_time_to_first_token());
  HistogramToProto(requests.prefill, proto->mutable_prefill());
  HistogramToProto(requests.decode, proto->mutable_decode());
  HistogramToProto(requests.total, proto->mutable_total());
}

void EndsToProto(const Totals& totals, v1::GetStatsResponse* proto) {
  for (std::size_t i = 0; i < totals.finishes.size(); ++i) {
    v1::FinishCount* added = proto->add_finishes();
    added->set_reason(ReasonToProto(static_cast<FinishReason>(i)));
    added->set_count(totals.finishes[i]);
  }
  for (std::size_t code = 0; code < totals.failures.size(); ++code) {
    if (totals.failures[code] == 0) continue;
    v1::FailureCount* added = proto->add_failures();
    added->set_code(static_cast<std::uint32_t>(code));
    added->set_count(totals.failures[code]);
  }
}

void AddRefusalsToProto(v1::RefusalReason reason, std::uint64_t count,
                        v1::GetStatsResponse* proto) {
  if (count == 0) return;
  v1::Refusal* refusal = proto->add_refusals();
  refusal->set_reason(reason);
  refusal->set_count(count);
}

void AddLoadToProto(const QueueCounts& queue, const OutputCounts& outputs,
                    v1::GetStatsResponse* proto) {
  proto->set_requests_waiting(static_cast<std::uint32_t>(queue.waiting));
  proto->set_requests_capacity(static_cast<std::uint32_t>(queue.capacity));
  proto->set_unread_outputs(static_cast<std::uint32_t>(outputs.unread));
  proto->set_unread_bytes(outputs.bytes);
  for (std::size_t reason = 0; reason < queue.refused.size(); ++reason) {
    AddRefusalsToProto(RefusalReasonToProto(static_cast<RefusalReason>(reason)),
                       queue.refused[reason], proto);
  }
  AddRefusalsToProto(v1::REFUSAL_REASON_SLOW_READER, outputs.dropped, proto);
}

// The fields that GenerateRequest and ChatRequest have in common.
template <typename Request>
absl::StatusOr<GenerateOptions> CommonOptionsFromProto(const Request& proto) {
  GenerateOptions options;
  options.request_id = proto.request_id();
  options.sampling = SamplingOptionsFromProto(proto.sampling());
  options.stop.assign(proto.stop().begin(), proto.stop().end());
  const v1::SpeculationOptions& speculation = proto.speculation();
  ASSIGN_OR_RETURN(options.speculation, SpeculationFromProto(speculation.mode()));
  if (speculation.has_node_budget()) options.node_budget = speculation.node_budget();
  ASSIGN_OR_RETURN(options.scope, ScopeFromProto(speculation.matrix_scope()));
  options.learn_from_prompt = speculation.learn_from_prompt();
  if (speculation.has_learn_last()) options.learn_last = speculation.learn_last();
  options.trace = speculation.trace();
  return options;
}

// The value of a JSON text; None for an empty one.
absl::StatusOr<chat::Value> JsonField(absl::string_view name, const std::string& json) {
  if (json.empty()) return chat::Value();
  absl::StatusOr<chat::Value> value = chat::ParseJson(json, true);
  if (value.ok()) return value;
  return absl::InvalidArgumentError(absl::StrCat(name, ": ", value.status().message()));
}

absl::StatusOr<chat::Value> MessageFromProto(const v1::ChatMessage& proto, int index) {
  const auto message = std::make_shared<chat::Dict>();
  const auto text = [](const std::string& bytes) {
    return chat::Value::Text(chat::MarkedText(bytes, true));
  };
  message->Set(chat::Value::Text("role"), text(proto.role()));
  message->Set(chat::Value::Text("content"), text(proto.content()));
  const std::string name = absl::StrCat("messages[", index, "].fields");
  ASSIGN_OR_RETURN(const chat::Value fields, JsonField(name, proto.fields()));
  if (fields.is_none()) return chat::Value::Of(message, true);
  if (fields.dict() == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": expected a JSON object"));
  }
  for (const chat::Dict::Entry& entry : fields.dict()->entries()) {
    message->Set(entry.key, entry.value);
  }
  return chat::Value::Of(message, true);
}

}  // namespace

absl::StatusOr<GenerateOptions> GenerateOptionsFromProto(const v1::GenerateRequest& proto) {
  ASSIGN_OR_RETURN(GenerateOptions options, CommonOptionsFromProto(proto));
  if (proto.has_prompt()) options.prompt = proto.prompt();
  if (proto.has_prompt_ids()) {
    const auto& ids = proto.prompt_ids().ids();
    options.prompt = std::vector<TokenId>(ids.begin(), ids.end());
  }
  options.parse_control = proto.parse_control();
  return options;
}

absl::StatusOr<GenerateOptions> ChatOptionsFromProto(const v1::ChatRequest& proto) {
  ASSIGN_OR_RETURN(GenerateOptions options, CommonOptionsFromProto(proto));
  ASSIGN_OR_RETURN(options.prompt, ChatPromptFromProto(proto.conversation()));
  return options;
}

absl::StatusOr<ChatPrompt> ChatPromptFromProto(const v1::Conversation& proto) {
  ChatPrompt prompt;
  std::vector<chat::Value> messages;
  for (int i = 0; i < proto.messages_size(); ++i) {
    ASSIGN_OR_RETURN(chat::Value message, MessageFromProto(proto.messages(i), i));
    messages.push_back(std::move(message));
  }
  ASSIGN_OR_RETURN(prompt.messages,
                   chat::MessagesOf(chat::Value::Of(chat::List::Make(std::move(messages)), true)));
  ASSIGN_OR_RETURN(prompt.tools, JsonField("tools", proto.tools()));
  if (!prompt.tools.is_none() && prompt.tools.list() == nullptr) {
    return absl::InvalidArgumentError("tools: expected a JSON list");
  }
  ASSIGN_OR_RETURN(prompt.arguments, JsonField("template_arguments", proto.template_arguments()));
  if (!prompt.arguments.is_none() && prompt.arguments.dict() == nullptr) {
    return absl::InvalidArgumentError("template_arguments: expected a JSON object");
  }
  prompt.continue_final_message = proto.continue_final_message();
  prompt.add_generation_prompt = proto.has_add_generation_prompt()
                                     ? proto.add_generation_prompt()
                                     : !proto.continue_final_message();
  return prompt;
}

void DeltaToProto(const OutputDelta& delta, v1::Delta* proto) {
  proto->set_text(delta.text);
  proto->mutable_token_ids()->Add(delta.tokens.begin(), delta.tokens.end());
  for (const TokenLogprob& logprob : delta.logprobs) {
    TokenLogprobToProto(logprob, proto->add_logprobs());
  }
  if (!delta.trace.has_value()) return;
  const StepTrace& trace = *delta.trace;
  DraftTreeToProto(trace.tree, proto->mutable_trace()->mutable_tree());
  for (const int node : trace.accepted_nodes) {
    proto->mutable_trace()->add_accepted_nodes(static_cast<std::uint32_t>(node));
  }
  proto->mutable_trace()->set_next(trace.next);
  for (const std::string& piece : trace.pieces) proto->mutable_trace()->add_pieces(piece);
}

void PeerToProto(const PeerStatus& peer, v1::PeerRole role, v1::Peer* proto) {
  proto->set_role(role);
  proto->set_address(peer.address);
  proto->set_ready(peer.ready);
  proto->set_detail(peer.detail);
  proto->set_requests_running(static_cast<std::uint32_t>(std::max(peer.running, 0)));
  proto->set_ejected(peer.ejected);
  proto->set_failures(peer.failures);
  proto->set_ejections(peer.ejections);
  proto->set_kernel(peer.kernel);
}

void StatsToProto(const RunnerStats& stats, v1::GetStatsResponse* proto) {
  const Totals& totals = stats.totals;
  proto->set_uptime_micros(Micros(stats.uptime));
  proto->set_requests_running(static_cast<std::uint32_t>(totals.running));
  proto->set_requests_succeeded(totals.succeeded);
  proto->set_requests_failed(totals.failed);
  proto->set_prompt_tokens(totals.prompt_tokens);
  proto->set_completion_tokens(totals.completion_tokens);
  SpeculationToProto(totals.speculation, proto->mutable_speculation());
  TimingsToProto(totals.timings, proto->mutable_timings());
  StepDurationsToProto(totals.steps, proto->mutable_steps());
  AddLoadToProto(stats.queue, stats.outputs, proto);
  AddRefusalsToProto(v1::REFUSAL_REASON_UNAUTHENTICATED, totals.unauthenticated, proto);
  AddRefusalsToProto(v1::REFUSAL_REASON_PERMISSION, totals.not_permitted, proto);
  EndsToProto(totals, proto);
  RequestDurationsToProto(totals.requests, proto->mutable_requests());
}

void FinalToProto(const OutputSummary& summary, v1::Final* proto) {
  const DecodeOutcome& outcome = summary.outcome;
  proto->set_finish_reason(ReasonToProto(outcome.finish.reason));
  proto->set_matched_stop(outcome.finish.matched_stop);
  if (outcome.finish.matched_token.has_value()) {
    proto->set_matched_token(*outcome.finish.matched_token);
  }
  proto->mutable_usage()->set_prompt_tokens(summary.prompt_tokens);
  proto->mutable_usage()->set_completion_tokens(outcome.completion_tokens);
  proto->mutable_usage()->set_cached_prompt_tokens(outcome.cached_prompt_tokens);
  TimingsToProto(outcome.timings, proto->mutable_timings());
  StepDurationsToProto(outcome.steps, proto->mutable_steps());
  SpeculationToProto(outcome.speculation, proto->mutable_speculation());
  proto->mutable_speculation()->set_drafter(outcome.drafter);
  proto->mutable_speculation()->set_verifier(outcome.verifier);
  proto->set_seed(summary.seed);
}

}  // namespace recycling::gateway
