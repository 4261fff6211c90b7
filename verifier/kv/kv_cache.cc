#include "verifier/kv/kv_cache.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"

namespace recycling::verifier {
namespace {

std::size_t PagesFor(std::uint64_t positions) {
  return static_cast<std::size_t>((positions + kKvBlockRows - 1) / kKvBlockRows);
}

std::uint64_t AllPages(std::uint32_t context_length, int max_sequences) {
  return std::uint64_t{PagesFor(context_length)} * static_cast<std::uint64_t>(max_sequences);
}

}  // namespace

KvSequence::KvSequence(KvCache& cache, std::string tenant, std::uint32_t max_positions,
                       std::vector<PrefixTree::Node*> found)
    : cache_(cache),
      tenant_(std::move(tenant)),
      max_positions_(max_positions),
      kept_(std::move(found)) {
  length_ = kept_length();
  pages_.reserve(PagesFor(max_positions));  // so that Append allocates nothing
  for (const PrefixTree::Node* node : kept_) pages_.push_back(PrefixTree::RowsOf(*node));
}

KvSequence::~KvSequence() {
  MutexLock lock(cache_.mu_);
  for (std::size_t i = kept_.size(); i < pages_.size(); ++i) cache_.GiveBack(pages_[i]);
  cache_.Release(kept_);
  cache_.promised_pages_ -= PagesFor(max_positions_) - pages_.size();
  --cache_.open_;
}

const KvLayout& KvSequence::layout() const { return cache_.layout_; }

absl::Status KvSequence::Truncate(std::uint32_t length) {
  if (length >= length_) return absl::OkStatus();
  if (length < kept_length()) {
    return absl::FailedPreconditionError(
        absl::StrCat("truncate: got ", length, " positions, expected at least the ", kept_length(),
                     " in pages that other sequences may use"));
  }
  length_ = length;
  MutexLock lock(cache_.mu_);
  while (pages_.size() > PagesFor(length)) {
    cache_.GiveBack(pages_.back());
    pages_.pop_back();
    ++cache_.promised_pages_;
  }
  return absl::OkStatus();
}

absl::Status KvSequence::Append(const KvRows& from, std::span<const int> rows) {
  if (rows.size() > max_positions_ - length_) {
    return absl::ResourceExhaustedError(absl::StrCat("context: got ", length_, " tokens and ",
                                                     rows.size(), " more, expected at most ",
                                                     max_positions_));
  }
  if (const std::size_t pages = PagesFor(length_ + rows.size()); pages > pages_.size()) {
    MutexLock lock(cache_.mu_);
    while (pages_.size() < pages) {
      pages_.push_back(cache_.TakePage());
      --cache_.promised_pages_;
    }
  }
  while (!rows.empty()) {
    const std::size_t at = length_ % kKvBlockRows;
    const std::size_t count = std::min(rows.size(), kKvBlockRows - at);
    pages_[length_ / kKvBlockRows]->CopyRows(from, rows.first(count), at);
    length_ += static_cast<std::uint32_t>(count);
    rows = rows.subspan(count);
  }
  return absl::OkStatus();
}

void KvSequence::Keep(std::span<const TokenId> tokens) {
  const std::size_t pages = std::min<std::size_t>(tokens.size(), length_) / kKvBlockRows;
  if (pages <= kept_.size()) return;
  MutexLock lock(cache_.mu_);
  PrefixTree& tree = cache_.tree_;
  while (kept_.size() < pages) {
    const std::size_t at = kept_.size();
    const PrefixTree::PageTokens page(tokens.subspan(at * kKvBlockRows).first<kKvBlockRows>());
    const PrefixTree::Node* const after = kept_.empty() ? nullptr : kept_.back();
    PrefixTree::Node* node = tree.Find(tenant_, after, page);
    if (node != nullptr) {
      tree.Hold(node);
      cache_.GiveBack(std::exchange(pages_[at], PrefixTree::RowsOf(*node)));
    } else {
      node = tree.Add(tenant_, after, page, pages_[at]);
      --cache_.own_pages_;  // the tree has the page now
    }
    kept_.push_back(node);
  }
}

std::uint32_t KvSequence::FindMore(std::span<const TokenId> tokens, std::uint32_t max_reused) {
  max_reused = std::min(max_reused, max_positions_);
  if (length_ / kKvBlockRows >= max_reused / kKvBlockRows) return 0;
  MutexLock lock(cache_.mu_);
  std::size_t at = kept_.size();
  cache_.Find(tenant_, tokens, max_reused, kept_);
  for (; at < kept_.size(); ++at) {
    KvRows* const rows = PrefixTree::RowsOf(*kept_[at]);
    if (at < pages_.size()) {
      cache_.GiveBack(std::exchange(pages_[at], rows));
    } else {
      pages_.push_back(rows);
      --cache_.promised_pages_;
    }
  }
  const std::uint32_t before = length_;
  length_ = std::max(length_, kept_length());
  cache_.found_tokens_ += length_ - before;
  return length_ - before;
}

absl::StatusOr<std::unique_ptr<KvCache>> KvCache::Create(const ModelConfig& config, KvType type,
                                                         std::uint32_t context_length,
                                                         int max_sequences,
                                                         std::uint64_t max_bytes) {
  if (context_length < 1 || max_sequences < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("key-value cache: got ", max_sequences, " sequences of ", context_length,
                     " tokens, expected at least 1 sequence of 1 token"));
  }
  const KvLayout layout = KvLayout::Of(config, type);
  const std::uint64_t pages =
      max_bytes == 0 ? AllPages(context_length, max_sequences) : max_bytes / PageBytes(layout);
  if (pages == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("key-value cache: got ", max_bytes, " bytes, expected at least a page of ",
                     kKvBlockRows, " positions, ", PageBytes(layout)));
  }
  return std::unique_ptr<KvCache>(
      new KvCache(layout, context_length, max_sequences, static_cast<std::size_t>(pages)));
}

std::uint64_t KvCache::PageBytes(const KvLayout& layout) {
  return std::uint64_t{layout.token_bytes()} * kKvBlockRows;
}

std::uint64_t KvCache::AllBytes(const KvLayout& layout, std::uint32_t context_length,
                                int max_sequences) {
  return PageBytes(layout) * AllPages(context_length, max_sequences);
}

absl::StatusOr<std::unique_ptr<KvSequence>> KvCache::Open(KvRequest request) {
  const std::uint32_t positions = request.max_positions == 0
                                      ? context_length_
                                      : std::min(request.max_positions, context_length_);
  const std::size_t pages = PagesFor(positions);
  MutexLock lock(mu_);
  if (pages > max_pages_) {
    return absl::OutOfRangeError(absl::StrCat(
        "key-value cache: got a prompt and max_tokens that may need ", pages * page_bytes_,
        " bytes, expected at most ", max_pages_ * page_bytes_, ", the size of the whole cache"));
  }
  if (open_ >= max_sequences_) {
    return absl::ResourceExhaustedError(
        absl::StrCat("key-value cache: all ", max_sequences_, " slots are taken"));
  }
  Nodes found;
  Find(request.tenant, request.tokens, std::min(request.max_reused, positions), found);
  if (absl::Status status = Promise(pages - found.size()); !status.ok()) {
    Release(found);
    return status;
  }
  promised_pages_ += pages - found.size();
  ++open_;
  queried_tokens_ += request.tokens.size();
  found_tokens_ += found.size() * kKvBlockRows;
  return std::unique_ptr<KvSequence>(
      new KvSequence(*this, std::move(request.tenant), positions, std::move(found)));
}

std::size_t KvCache::Find(const std::string& tenant, std::span<const TokenId> tokens,
                          std::uint32_t positions, Nodes& nodes) {
  const std::size_t before = nodes.size();
  const std::size_t max_pages = std::min<std::size_t>(tokens.size(), positions) / kKvBlockRows;
  while (nodes.size() < max_pages) {
    PrefixTree::Node* const node =
        tree_.Find(tenant, nodes.empty() ? nullptr : nodes.back(),
                   tokens.subspan(nodes.size() * kKvBlockRows).first<PrefixTree::kPageTokens>());
    if (node == nullptr) break;
    tree_.Hold(node);
    nodes.push_back(node);
  }
  return nodes.size() - before;
}

void KvCache::Release(const Nodes& nodes) {
  for (auto node = nodes.rbegin(); node != nodes.rend(); ++node) tree_.Release(*node);
}

absl::Status KvCache::Promise(std::size_t pages) {
  const std::size_t taken = promised_pages_ + held_pages();
  if (pages > max_pages_ - taken) {
    return absl::ResourceExhaustedError(
        absl::StrCat("key-value cache: got a sequence that may need ", pages * page_bytes_,
                     " bytes more, expected at most ", (max_pages_ - taken) * page_bytes_, " of ",
                     max_pages_ * page_bytes_, ", because open sequences need the rest"));
  }
  while (pages + taken + tree_.idle_pages() > max_pages_) DropOldest();
  while (used_.size() + unused_.size() < promised_pages_ + pages) {
    auto page = std::make_unique<KvRows>();
    if (absl::Status status = page->Reserve(layout_, kKvBlockRows); !status.ok()) {
      if (!DropOldest()) return status;
      continue;
    }
    unused_.push_back(page.get());
    pages_.push_back(std::move(page));
  }
  return absl::OkStatus();
}

bool KvCache::DropOldest() {
  KvRows* const page = tree_.DropOldest();
  if (page == nullptr) return false;
  used_.push_back(page);
  ++evicted_pages_;
  return true;
}

KvRows* KvCache::TakePage() {
  std::vector<KvRows*>& from = used_.empty() ? unused_ : used_;
  KvRows* const page = from.back();
  from.pop_back();
  ++own_pages_;
  return page;
}

void KvCache::GiveBack(KvRows* page) {
  used_.push_back(page);
  --own_pages_;
}

KvUsage KvCache::usage() const {
  MutexLock lock(mu_);
  return {.bound_bytes = max_pages_ * page_bytes_,
          .promised_bytes = promised_pages_ * page_bytes_,
          .held_bytes = held_pages() * page_bytes_,
          .cached_bytes = tree_.idle_pages() * page_bytes_,
          .queried_tokens = queried_tokens_,
          .found_tokens = found_tokens_,
          .evicted_pages = evicted_pages_};
}

int KvCache::open_sequences() const {
  MutexLock lock(mu_);
  return open_;
}

}  // namespace recycling::verifier
