// Serves the calls SaveMatrix and LoadMatrix.
#ifndef RECYCLING_DRAFTER_SERVICE_MATRIX_TRANSFER_H_
#define RECYCLING_DRAFTER_SERVICE_MATRIX_TRANSFER_H_

#include <cstddef>

#include "drafter/service/drafter_service.h"

namespace recycling::drafter {

inline constexpr std::size_t kMaxChunkBytes = 1 << 20;

// Makes a snapshot of the matrix now and sends it in chunks of at most kMaxChunkBytes. The reactor
// deletes itself when the call is done.
grpc::ServerWriteReactor<v1::SaveMatrixResponse>* NewSaveReactor(
    DrafterState* state, const v1::SaveMatrixRequest& request);

// Collects the chunks, checks the whole snapshot and replaces the matrix. If the drafter saves
// matrices, the reactor answers only after the new matrix is on disk. If the client is silent for
// too long, DrafterState::streams cancels the call, and nothing is loaded. The reactor deletes
// itself when the call is done.
grpc::ServerReadReactor<v1::LoadMatrixRequest>* NewLoadReactor(DrafterState* state,
                                                               grpc::CallbackServerContext* context,
                                                               v1::LoadMatrixResponse* response);

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_SERVICE_MATRIX_TRANSFER_H_
