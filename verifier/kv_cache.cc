#include "verifier/kv_cache.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace recycling::verifier {

KvSequence::~KvSequence() { cache_.open_.fetch_sub(1); }

std::uint32_t KvSequence::context_length() const { return cache_.context_length_; }

const KvLayout& KvSequence::layout() const { return cache_.layout_; }

void KvSequence::Truncate(std::uint32_t length) {
  if (length >= length_) return;
  length_ = length;
  pages_.erase(pages_.begin() + (length + kPageRows - 1) / kPageRows, pages_.end());
}

absl::Status KvSequence::Append(const KvRows& from, std::span<const int> rows) {
  if (rows.size() > context_length() - length_) {
    return absl::ResourceExhaustedError(absl::StrCat("context: got ", length_, " tokens and ",
                                                     rows.size(), " more, expected at most ",
                                                     context_length()));
  }
  const std::size_t pages = (length_ + rows.size() + kPageRows - 1) / kPageRows;
  const std::size_t had = pages_.size();
  while (pages_.size() < pages) {
    KvRows page;
    if (absl::Status status = page.Reserve(layout(), kPageRows); !status.ok()) {
      pages_.erase(pages_.begin() + static_cast<std::ptrdiff_t>(had), pages_.end());
      return status;
    }
    pages_.push_back(std::move(page));
  }
  while (!rows.empty()) {
    const std::size_t at = length_ % kPageRows;
    const std::size_t count = std::min(rows.size(), kPageRows - at);
    pages_[length_ / kPageRows].CopyRows(from, rows.first(count), at);
    length_ += static_cast<std::uint32_t>(count);
    rows = rows.subspan(count);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<KvCache>> KvCache::Create(const ModelConfig& config, KvType type,
                                                         std::uint32_t context_length,
                                                         int max_sequences) {
  if (context_length < 1 || max_sequences < 1) {
    return absl::InvalidArgumentError(absl::StrCat("key-value cache: got ", max_sequences,
                                                   " sequences of ", context_length,
                                                   " tokens, expected at least 1 of 1"));
  }
  return std::unique_ptr<KvCache>(
      new KvCache(KvLayout::Of(config, type), context_length, max_sequences));
}

absl::StatusOr<std::unique_ptr<KvSequence>> KvCache::Open() {
  int open = open_.load();
  do {
    if (open >= max_sequences_) {
      return absl::ResourceExhaustedError(
          absl::StrCat("key-value cache: all ", max_sequences_, " sequences are taken"));
    }
  } while (!open_.compare_exchange_weak(open, open + 1));
  return std::unique_ptr<KvSequence>(new KvSequence(*this));
}

}  // namespace recycling::verifier
