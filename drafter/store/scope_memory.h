#ifndef RECYCLING_DRAFTER_STORE_SCOPE_MEMORY_H_
#define RECYCLING_DRAFTER_STORE_SCOPE_MEMORY_H_

#include <cstdint>

#include "drafter/matrix/adjacency_matrix.h"
#include "drafter/matrix/pair_matrix.h"
#include "drafter/tree/mixing_memory.h"

namespace recycling::drafter {

// Everything that the drafter learns for one request, one tenant, or all tenants together. Threads:
// any, except that only one thread at a time may let `pairs` grow (MatrixStore::Grow).
struct ScopeMemory {
  // The parameters are those of AdjacencyMatrix.
  ScopeMemory(std::uint32_t vocab_size, std::uint32_t k) : matrix(vocab_size, k), pairs(k) {}

  // The bytes of both matrices when they are new.
  static std::uint64_t FirstBytes(std::uint32_t vocab_size, std::uint32_t k) {
    return AdjacencyMatrix::MemoryBytes(vocab_size, k) +
           PairMatrix::MemoryBytes(PairMatrix::kFirstBits, k);
  }
  // The most bytes that they can reach.
  static std::uint64_t MostBytes(std::uint32_t vocab_size, std::uint32_t k) {
    return AdjacencyMatrix::MemoryBytes(vocab_size, k) +
           PairMatrix::MemoryBytes(PairMatrix::kLastBits, k);
  }
  // Their bytes now.
  std::uint64_t memory_bytes() const { return matrix.memory_bytes() + pairs.memory_bytes(); }

  AdjacencyMatrix matrix;
  PairMatrix pairs;
  // How far the sources can be trusted. It takes about 2 KB, which do not count toward the memory
  // limit.
  MixingMemory mixing;
};

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_STORE_SCOPE_MEMORY_H_
