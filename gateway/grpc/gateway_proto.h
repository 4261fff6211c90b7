// Converts between the messages of recycling.gateway.v1 and the gateway's own types.
#ifndef RECYCLING_GATEWAY_GRPC_GATEWAY_PROTO_H_
#define RECYCLING_GATEWAY_GRPC_GATEWAY_PROTO_H_

#include "absl/status/statusor.h"
#include "gateway/fleet/peer_pool.h"
#include "gateway/front/generate_plan.h"
#include "gateway/front/output_sink.h"
#include "gateway/front/request_runner.h"
#include "gateway/loop/emission.h"
#include "recycling/gateway/v1/gateway.pb.h"

namespace recycling::gateway {

// Returns InvalidArgument, with the name of the field, if an enum has an unknown value. PlanDecode
// checks all other fields.
absl::StatusOr<GenerateOptions> GenerateOptionsFromProto(const v1::GenerateRequest& proto);
absl::StatusOr<GenerateOptions> ChatOptionsFromProto(const v1::ChatRequest& proto);

// Returns InvalidArgument, with the name of the field, if a text is not JSON of the expected form.
absl::StatusOr<ChatPrompt> ChatPromptFromProto(const v1::Conversation& proto);

void DeltaToProto(const OutputDelta& delta, v1::Delta* proto);
// Sets all fields except the peers.
void StatsToProto(const RunnerStats& stats, v1::GetStatsResponse* proto);
void PeerToProto(const PeerStatus& peer, v1::PeerRole role, v1::Peer* proto);

void FinalToProto(const OutputSummary& summary, v1::Final* proto);

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_GRPC_GATEWAY_PROTO_H_
