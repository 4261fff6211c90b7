// Between the messages of recycling.gateway.v1 and the gateway's nouns.
#ifndef RECYCLING_GATEWAY_GRPC_GATEWAY_PROTO_H_
#define RECYCLING_GATEWAY_GRPC_GATEWAY_PROTO_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "gateway/fleet/peer_pool.h"
#include "gateway/front/gateway_totals.h"
#include "gateway/front/generate_plan.h"
#include "gateway/front/request_queue.h"
#include "gateway/grpc/open_streams.h"
#include "gateway/loop/decode_loop.h"
#include "gateway/loop/decode_stats.h"
#include "gateway/loop/emission.h"
#include "recycling/gateway/v1/gateway.pb.h"

namespace recycling::gateway {

// InvalidArgument naming the field if an enum has a value this program does not know; everything
// else is checked by PlanDecode.
absl::StatusOr<GenerateOptions> GenerateOptionsFromProto(const v1::GenerateRequest& proto);

void DeltaToProto(const OutputDelta& delta, v1::Delta* proto);
void SpeculationToProto(const SpeculationStats& stats, v1::SpeculationStats* proto);
void TimingsToProto(const Timings& timings, v1::Timings* proto);
void StepDurationsToProto(const StepDurations& steps, v1::StepDurations* proto);
void AddLoadToProto(const QueueCounts& queue, const StreamCounts& streams,
                    v1::GetStatsResponse* proto);
// Nothing if `count` is 0.
void AddRefusalsToProto(v1::RefusalReason reason, std::uint64_t count, v1::GetStatsResponse* proto);
void RequestDurationsToProto(const RequestDurations& requests, v1::RequestDurations* proto);
// Fills finishes and failures.
void EndsToProto(const Totals& totals, v1::GetStatsResponse* proto);
void PeerToProto(const PeerStatus& peer, v1::PeerRole role, v1::Peer* proto);

// The end of an output of `prompt_tokens` prompt tokens. Requires outcome.status.ok().
void FinalToProto(const DecodeOutcome& outcome, std::uint32_t prompt_tokens, std::uint64_t seed,
                  v1::Final* proto);

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_GRPC_GATEWAY_PROTO_H_
