// The SaveMatrix and LoadMatrix streams.
#ifndef RECYCLING_DRAFTER_SERVICE_MATRIX_TRANSFER_H_
#define RECYCLING_DRAFTER_SERVICE_MATRIX_TRANSFER_H_

#include <cstddef>

#include "drafter/service/drafter_service.h"

namespace recycling::drafter {

inline constexpr std::size_t kMaxChunkBytes = 1 << 20;

// Writes the snapshot as it is now, in chunks. Deletes itself when the stream is done.
grpc::ServerWriteReactor<v1::SaveMatrixResponse>* NewSaveReactor(
    DrafterState* state, const v1::SaveMatrixRequest& request);

// Collects the chunks, checks the whole and replaces the matrix; where snapshots are kept, answers
// only when the new one is on disk. A stream that is idle for too long (DrafterState::streams) is
// cancelled and loads nothing. Deletes itself when the stream is done.
grpc::ServerReadReactor<v1::LoadMatrixRequest>* NewLoadReactor(DrafterState* state,
                                                               grpc::CallbackServerContext* context,
                                                               v1::LoadMatrixResponse* response);

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_SERVICE_MATRIX_TRANSFER_H_
