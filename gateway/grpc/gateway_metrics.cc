#include "gateway/grpc/gateway_metrics.h"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace recycling::gateway {
namespace {

// The per-position counters have this many positions. Tokens at deeper positions count only in the
// total.
constexpr int kPositions = 64;

// Cuts off the first `prefix` characters of `value` and makes the rest lower case:
// "FALLBACK_REASON_TIMEOUT" with a prefix of 16 becomes "timeout".
std::string NameOf(const std::string& value, std::size_t prefix) {
  return absl::AsciiStrToLower(value.substr(prefix));
}

void AddDurations(std::string_view name, std::string_view help,
                  const v1::DurationHistogram& durations, DurationBounds bounds, MetricSet* metrics,
                  MetricLabels labels = {}) {
  std::vector<DurationHistogram::Bucket> buckets;
  for (const v1::DurationBucket& bucket : durations.buckets()) {
    buckets.push_back({bucket.from_micros(), bucket.to_micros(), bucket.count()});
  }
  metrics->Durations(name, help, buckets, durations.sum_micros(), bounds, std::move(labels));
}

void AddSeconds(std::string_view name, std::string_view help, std::uint64_t micros,
                MetricSet* metrics) {
  metrics->Counter(name, help, static_cast<double>(micros) / 1e6);
}

void AddRequests(const v1::GetStatsResponse& stats, MetricSet* metrics) {
  metrics->Gauge("recycling_num_requests_running", "Requests that decode now.",
                 stats.requests_running());
  metrics->Gauge("recycling_num_requests_waiting", "Requests that wait in the queue.",
                 stats.requests_waiting());
  metrics->Gauge("recycling_requests_capacity",
                 "The number of requests that may run at the same time now.",
                 stats.requests_capacity());
  metrics->Gauge("recycling_unread_outputs", "Outputs that have ended and are not read yet.",
                 stats.unread_outputs());
  metrics->Gauge("recycling_unread_bytes", "Bytes of output that clients have not read yet.",
                 static_cast<double>(stats.unread_bytes()));
  std::map<v1::RefusalReason, std::uint64_t> refusals;
  for (const v1::Refusal& refusal : stats.refusals()) refusals[refusal.reason()] = refusal.count();
  for (int i = v1::RefusalReason_MIN + 1; i <= v1::RefusalReason_MAX; ++i) {
    if (!v1::RefusalReason_IsValid(i)) continue;
    const auto reason = static_cast<v1::RefusalReason>(i);
    metrics->Counter("recycling_request_refused_total",
                     "Requests that were refused or given up, by reason.", refusals[reason],
                     {{"reason", NameOf(v1::RefusalReason_Name(reason), 15)}});
  }
  for (const v1::FinishCount& finish : stats.finishes()) {
    metrics->Counter("recycling_request_success_total",
                     "Requests that succeeded, by the reason why their output ended.",
                     finish.count(),
                     {{"finished_reason", NameOf(v1::FinishReason_Name(finish.reason()), 14)}});
  }
  // Export a counter for every code, starting at 0. So the first failure changes an existing series
  // and does not begin a new one.
  std::map<int, std::uint64_t> failures;
  for (int code = 1; code <= 16; ++code) failures[code] = 0;
  for (const v1::FailureCount& failure : stats.failures()) {
    failures[static_cast<int>(failure.code())] = failure.count();
  }
  for (const auto& [code, count] : failures) {
    metrics->Counter("recycling_request_failure_total",
                     "Requests that failed after they had begun, by gRPC status code.", count,
                     {{"code", absl::StatusCodeToString(static_cast<absl::StatusCode>(code))}});
  }
  metrics->Counter("recycling_prompt_tokens_total", "Tokens of the prompts of ended requests.",
                   stats.prompt_tokens());
  metrics->Counter("recycling_generation_tokens_total", "Tokens shown to clients.",
                   stats.completion_tokens());

  const v1::RequestDurations& took = stats.requests();
  AddDurations("recycling_request_queue_time_seconds",
               "Time from a request's arrival to its start.", took.queue(), kRequestBounds,
               metrics);
  AddDurations("recycling_request_prefill_time_seconds",
               "Time from opening a sequence at the verifier to the end of its prefill.",
               took.prefill(), kRequestBounds, metrics);
  AddDurations("recycling_time_to_first_token_seconds",
               "Time from a request's arrival to its first token.", took.time_to_first_token(),
               kRequestBounds, metrics);
  AddDurations("recycling_request_decode_time_seconds",
               "Time from a request's first step to the end of its last step.", took.decode(),
               kRequestBounds, metrics);
  AddDurations("recycling_e2e_request_latency_seconds",
               "Time from a request's arrival to its final message.", took.total(), kRequestBounds,
               metrics);
}

void AddDrafting(const v1::SpeculationStats& stats, MetricSet* metrics) {
  metrics->Counter("recycling_decode_steps_total", "Verify steps, including steps without a draft.",
                   std::uint64_t{stats.steps()});
  metrics->Counter("recycling_spec_decode_num_drafts_total", "Steps with a draft.",
                   std::uint64_t{stats.drafted_steps()});
  metrics->Counter("recycling_spec_decode_num_draft_tokens_total", "Drafted tokens.",
                   stats.draft_tokens());
  metrics->Counter("recycling_spec_decode_num_accepted_tokens_total",
                   "Drafted tokens that became output.", stats.accepted_tokens());
  const int positions = std::clamp(stats.accepted_per_depth_size(), 1, kPositions);
  for (int depth = 0; depth < positions; ++depth) {
    const bool known = depth < stats.accepted_per_depth_size();
    metrics->Counter(
        "recycling_spec_decode_num_accepted_tokens_per_pos_total",
        "Steps whose accepted path reached this position of the draft. Positions count from 0.",
        known ? stats.accepted_per_depth(depth) : 0, {{"position", absl::StrCat(depth)}});
  }
  metrics->Counter("recycling_draft_paused_steps_total",
                   "Steps that asked for no draft because drafting was paused. The gateway pauses "
                   "drafting while it saves no time.",
                   stats.paused_steps());
  std::map<int, v1::SourceStats> sources;
  for (const v1::SourceStats& source : stats.sources()) sources[source.source()] = source;
  for (int i = common::v1::DraftSource_MIN; i <= common::v1::DraftSource_MAX; ++i) {
    const std::string name =
        NameOf(common::v1::DraftSource_Name(static_cast<common::v1::DraftSource>(i)), 13);
    const v1::SourceStats& source = sources[i];
    metrics->Counter("recycling_draft_source_tokens_total",
                     "Drafted tokens by the source that proposed them. A token that several "
                     "sources proposed counts for each of them.",
                     source.proposed(), {{"source", name}});
    metrics->Counter("recycling_draft_source_accepted_tokens_total",
                     "Drafted tokens that were accepted, by source.", source.accepted(),
                     {{"source", name}});
  }
  std::map<v1::FallbackReason, std::uint64_t> fallbacks;
  for (const v1::Fallback& fallback : stats.fallbacks()) {
    fallbacks[fallback.reason()] += fallback.count();
  }
  for (int i = v1::FallbackReason_MIN + 1; i <= v1::FallbackReason_MAX; ++i) {
    if (!v1::FallbackReason_IsValid(i)) continue;
    const auto reason = static_cast<v1::FallbackReason>(i);
    metrics->Counter("recycling_draft_fallback_total",
                     "Steps that wanted a draft and had none, by reason.", fallbacks[reason],
                     {{"reason", NameOf(v1::FallbackReason_Name(reason), 16)}});
  }
}

void AddSteps(const v1::GetStatsResponse& stats, MetricSet* metrics) {
  const v1::StepDurations& steps = stats.steps();
  AddDurations("recycling_inter_token_latency_seconds",
               "Time between the tokens of one step and the tokens of the next step.",
               steps.inter_token(), kStepBounds, metrics);
  AddDurations("recycling_step_draft_seconds", "Time that a step waited for its draft.",
               steps.draft(), kStepBounds, metrics);
  AddDurations("recycling_step_verify_seconds", "Time that a step waited for the verifier.",
               steps.verify(), kStepBounds, metrics);
  AddDurations("recycling_step_wire_seconds",
               "Time of a step for communication with drafter and verifier.", steps.wire(),
               kStepBounds, metrics);
  AddDurations("recycling_step_rest_seconds",
               "Time of a step without the waits for drafter and verifier.", steps.rest(),
               kStepBounds, metrics);
  constexpr char kOverhead[] = "recycling_step_overhead_seconds";
  constexpr char kOverheadHelp[] = "Duration of a step minus the time inside the verifier.";
  AddDurations(kOverhead, kOverheadHelp, steps.drafted_overhead(), kStepBounds, metrics,
               {{"kind", "drafted"}});
  AddDurations(kOverhead, kOverheadHelp, steps.plain_overhead(), kStepBounds, metrics,
               {{"kind", "plain"}});
  const v1::Timings& timings = stats.timings();
  AddSeconds("recycling_verify_inside_seconds_total",
             "Time inside verifiers while decoding, as they measured it.",
             timings.verify_inside_micros(), metrics);
  AddSeconds("recycling_verify_forward_seconds_total",
             "The part of the time inside verifiers that forward passes took.",
             timings.verify_forward_micros(), metrics);
  AddSeconds("recycling_draft_inside_seconds_total",
             "Time inside drafters, as they measured it, for drafts that came in time.",
             timings.draft_inside_micros(), metrics);
}

void AddMoves(const v1::SpeculationStats& stats, MetricSet* metrics) {
  metrics->Counter("recycling_sequence_moves_total",
                   "How often another verifier took over a running sequence.", stats.moves());
  metrics->Counter("recycling_sequence_retries_total",
                   "Attempts to open a sequence after the first attempt, moves included.",
                   stats.retries());
  AddSeconds("recycling_sequence_moving_seconds_total",
             "Time spent on moves and retries, waiting for a verifier included.",
             stats.moving_micros(), metrics);
}

MetricLabels RoleLabel(v1::PeerRole role) {
  return {{"role", NameOf(v1::PeerRole_Name(role), 10)}};
}

void AddPeers(const v1::GetStatsResponse& stats, MetricSet* metrics) {
  for (const auto role : {v1::PEER_ROLE_VERIFIER, v1::PEER_ROLE_DRAFTER}) {
    int known = 0;
    int ready = 0;
    int ejected = 0;
    for (const v1::Peer& peer : stats.peers()) {
      if (peer.role() != role) continue;
      ++known;
      if (peer.ready()) ++ready;
      if (peer.ejected()) ++ejected;
    }
    const MetricLabels labels = RoleLabel(role);
    metrics->Gauge("recycling_peers", "Verifiers and drafters known.", known, labels);
    metrics->Gauge("recycling_peers_ready", "Verifiers and drafters that are ready for work.",
                   ready, labels);
    metrics->Gauge("recycling_peers_ejected",
                   "Verifiers and drafters that get little or no work for a while, because their "
                   "work failed.",
                   ejected, labels);
  }
}

}  // namespace

void AddGatewayMetrics(const v1::GetStatsResponse& stats, MetricSet* metrics) {
  AddRequests(stats, metrics);
  AddDrafting(stats.speculation(), metrics);
  AddSteps(stats, metrics);
  AddMoves(stats.speculation(), metrics);
  AddPeers(stats, metrics);
}

void AddEjections(std::uint64_t verifiers, std::uint64_t drafters, MetricSet* metrics) {
  constexpr char kName[] = "recycling_peer_ejections_total";
  constexpr char kHelp[] = "How often a peer was ejected because its work failed.";
  metrics->Counter(kName, kHelp, verifiers, RoleLabel(v1::PEER_ROLE_VERIFIER));
  metrics->Counter(kName, kHelp, drafters, RoleLabel(v1::PEER_ROLE_DRAFTER));
}

}  // namespace recycling::gateway
