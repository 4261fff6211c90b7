// The streams between a gateway and its peers, over any transport.
#ifndef RECYCLING_COMMON_RPC_PEER_STREAMS_H_
#define RECYCLING_COMMON_RPC_PEER_STREAMS_H_

#include "common/rpc/message_stream.h"
#include "recycling/drafter/v1/drafter.pb.h"
#include "recycling/verifier/v1/verifier.pb.h"

namespace recycling {

// VerifierService.Decode: one sequence at a verifier.
using DecodeStream = MessageStream<verifier::v1::DecodeRequest, verifier::v1::DecodeResponse>;
using OpenDecodeStream =
    OpenMessageStream<verifier::v1::DecodeRequest, verifier::v1::DecodeResponse>;

// DrafterService.Draft: one session at a drafter.
using DraftStream = MessageStream<drafter::v1::DraftRequest, drafter::v1::DraftResponse>;
using OpenDraftStream = OpenMessageStream<drafter::v1::DraftRequest, drafter::v1::DraftResponse>;

}  // namespace recycling

#endif  // RECYCLING_COMMON_RPC_PEER_STREAMS_H_
