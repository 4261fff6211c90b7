#include "drafter/matrix/adjacency_matrix.h"

namespace recycling::drafter {

static_assert(kMaxK <= RowTable::kMaxWidth);

AdjacencyMatrix::AdjacencyMatrix(std::uint32_t vocab_size, std::uint32_t k)
    : table_(vocab_size, k) {}

std::uint64_t AdjacencyMatrix::MemoryBytes(std::uint32_t vocab_size, std::uint32_t k) {
  return RowTable::MemoryBytes(vocab_size, k);
}

std::uint32_t AdjacencyMatrix::ReadRow(TokenId token, std::span<TokenId> row) const {
  return token < table_.rows() ? table_.Read(token, row) : 0;
}

bool AdjacencyMatrix::IsCold(TokenId token) const {
  return token >= table_.rows() || table_.IsEmpty(token);
}

bool AdjacencyMatrix::IsValidRow(TokenId token, std::span<const TokenId> ids,
                                 std::uint32_t vocab_size, std::uint32_t k) {
  return token < vocab_size && AreDistinctIds(ids, vocab_size, k);
}

void AdjacencyMatrix::WriteRow(TokenId token, std::span<const TokenId> ids) {
  if (table_.Write(token, ids)) rows_filled_.fetch_add(1, std::memory_order_relaxed);
  row_updates_.fetch_add(1, std::memory_order_relaxed);
}

bool AreDistinctIds(std::span<const TokenId> ids, std::uint32_t vocab_size, std::uint32_t k) {
  if (ids.empty() || ids.size() > k) return false;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] >= vocab_size) return false;
    for (std::size_t j = 0; j < i; ++j) {
      if (ids[i] == ids[j]) return false;
    }
  }
  return true;
}

}  // namespace recycling::drafter
