#ifndef RECYCLING_DRAFTER_STORE_SCOPE_MEMORY_H_
#define RECYCLING_DRAFTER_STORE_SCOPE_MEMORY_H_

#include <cstdint>

#include "drafter/matrix/adjacency_matrix.h"
#include "drafter/tree/acceptance.h"

namespace recycling::drafter {

// Everything that the drafter learns for one request, one tenant, or all tenants together. The
// requests that share the matrix share the counts too. Threads: any.
struct ScopeMemory {
  // The parameters are those of AdjacencyMatrix.
  ScopeMemory(std::uint32_t vocab_size, std::uint32_t k) : matrix(vocab_size, k) {}

  AdjacencyMatrix matrix;
  // How often candidates were accepted. Snapshots do not contain it. It takes a few KB, which do
  // not count toward the memory limit.
  SharedAcceptance acceptance;
};

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_STORE_SCOPE_MEMORY_H_
