#include "common/tokenizer/bigram_merger.h"

#include <algorithm>
#include <functional>
#include <limits>

namespace recycling {
namespace {

constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

std::uint64_t Join(std::uint32_t high, std::uint32_t low) {
  return (std::uint64_t{high} << 32) | low;
}

// One run of the merge loop. The pieces are a doubly linked list over their first positions. The
// candidates are a heap of (rank, position of the left piece). If the pair of a candidate has
// changed since it was pushed, its rank differs, and it is dropped when it is popped.
class MergeLoop {
 public:
  MergeLoop(const MergeTable& table, std::vector<Piece>& pieces) : table_(table), pieces_(pieces) {
    const auto size = static_cast<std::uint32_t>(pieces.size());
    next_.resize(size);
    previous_.resize(size);
    for (std::uint32_t i = 0; i < size; ++i) {
      next_[i] = i + 1 < size ? i + 1 : kNone;
      previous_[i] = i > 0 ? i - 1 : kNone;
      if (const Merge* merge = MergeAt(i)) heap_.push_back(Join(merge->rank, i));
    }
    std::make_heap(heap_.begin(), heap_.end(), std::greater<>());
  }

  void Run() {
    while (!heap_.empty()) {
      std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
      const auto rank = static_cast<std::uint32_t>(heap_.back() >> 32);
      const auto left = static_cast<std::uint32_t>(heap_.back());
      heap_.pop_back();
      if (left_out(left)) continue;
      const Merge* merge = MergeAt(left);
      if (merge == nullptr || merge->rank != rank) continue;
      pieces_[left] = merge->result;
      Unlink(next_[left]);
      Push(previous_[left]);
      Push(left);
    }
    std::size_t size = 0;
    for (std::uint32_t i = 0; i != kNone; i = next_[i]) pieces_[size++] = pieces_[i];
    pieces_.resize(size);
  }

 private:
  // A piece that is no longer in the list points to itself.
  bool left_out(std::uint32_t i) const { return next_[i] == i; }

  const Merge* MergeAt(std::uint32_t i) const {
    return next_[i] == kNone ? nullptr : table_.Find(pieces_[i], pieces_[next_[i]]);
  }

  void Push(std::uint32_t i) {
    if (i == kNone) return;
    const Merge* merge = MergeAt(i);
    if (merge == nullptr) return;
    heap_.push_back(Join(merge->rank, i));
    std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
  }

  void Unlink(std::uint32_t i) {
    next_[previous_[i]] = next_[i];
    if (next_[i] != kNone) previous_[next_[i]] = previous_[i];
    next_[i] = i;
  }

  const MergeTable& table_;
  std::vector<Piece>& pieces_;
  std::vector<std::uint32_t> next_;
  std::vector<std::uint32_t> previous_;
  std::vector<std::uint64_t> heap_;
};

}  // namespace

void MergeTable::Add(Piece left, Piece right, Merge merge) {
  const auto [entry, added] = merges_.try_emplace(Join(left, right), merge);
  if (!added && merge.rank < entry->second.rank) entry->second = merge;
}

const Merge* MergeTable::Find(Piece left, Piece right) const {
  const auto entry = merges_.find(Join(left, right));
  return entry == merges_.end() ? nullptr : &entry->second;
}

void MergeTable::Apply(std::vector<Piece>& pieces) const {
  if (pieces.size() > 1) MergeLoop(*this, pieces).Run();
}

}  // namespace recycling
