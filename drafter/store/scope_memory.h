#ifndef RECYCLING_DRAFTER_STORE_SCOPE_MEMORY_H_
#define RECYCLING_DRAFTER_STORE_SCOPE_MEMORY_H_

#include <cstdint>

#include "drafter/matrix/adjacency_matrix.h"
#include "drafter/tree/acceptance.h"

namespace recycling::drafter {

// Everything that is learnt in one matrix scope: a request's, a tenant's, or that of all tenants.
// Whoever sees the rows of the matrix sees the counts too, and nobody else does. Threads: any.
struct ScopeMemory {
  // As AdjacencyMatrix.
  ScopeMemory(std::uint32_t vocab_size, std::uint32_t k) : matrix(vocab_size, k) {}

  AdjacencyMatrix matrix;
  // How often candidates came true. It is not in a snapshot, and a few KB that no bound counts.
  SharedAcceptance acceptance;
};

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_STORE_SCOPE_MEMORY_H_
