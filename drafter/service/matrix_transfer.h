// The streams of SaveMatrix and LoadMatrix.
#ifndef RECYCLING_DRAFTER_SERVICE_MATRIX_TRANSFER_H_
#define RECYCLING_DRAFTER_SERVICE_MATRIX_TRANSFER_H_

#include <cstddef>

#include "drafter/service/drafter_service.h"

namespace recycling::drafter {

inline constexpr std::size_t kMaxChunkBytes = 1 << 20;

// Sends the matrix as it is now, as a snapshot in chunks. The reactor deletes itself at the end.
grpc::ServerWriteReactor<v1::SaveMatrixResponse>* NewSaveReactor(
    DrafterState* state, const v1::SaveMatrixRequest& request);

// Collects the chunks, checks the whole snapshot and replaces the matrix. If matrices are saved, it
// answers when the new one is on disk. A stream that is idle for too long (DrafterState::streams)
// is cancelled and loads nothing. The reactor deletes itself at the end.
grpc::ServerReadReactor<v1::LoadMatrixRequest>* NewLoadReactor(DrafterState* state,
                                                               grpc::CallbackServerContext* context,
                                                               v1::LoadMatrixResponse* response);

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_SERVICE_MATRIX_TRANSFER_H_
