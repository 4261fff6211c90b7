#include "verifier/kv/kv_cache.h"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"

namespace recycling::verifier {
namespace {

std::size_t PagesFor(std::uint64_t positions) {
  return static_cast<std::size_t>((positions + kKvBlockRows - 1) / kKvBlockRows);
}

std::uint64_t WindowBytes(const KvLayout& layout) {
  return std::uint64_t{layout.window_layers()} * layout.layer_bytes() * kKvBlockRows;
}

// The most window parts that a sequence holds at once: those that the next position sees, the last
// page, and the slack.
std::size_t WindowPages(const KvLayout& layout) {
  if (layout.window_layers() == 0) return std::numeric_limits<std::size_t>::max();
  return PagesFor(layout.window) + 1 + kWindowSlack;
}

}  // namespace

KvSequence::KvSequence(KvCache& cache, std::string tenant, std::uint32_t max_positions,
                       std::vector<PrefixTree::Node*> found, std::size_t window_begin,
                       std::size_t window_parts)
    : cache_(cache),
      tenant_(std::move(tenant)),
      max_positions_(max_positions),
      kept_(std::move(found)),
      window_begin_(window_begin),
      window_parts_(window_parts) {
  length_ = kept_length();
  pages_.reserve(PagesFor(max_positions));  // so that Append allocates nothing
  for (const PrefixTree::Node* node : kept_) pages_.push_back(PrefixTree::RowsOf(*node));
}

KvSequence::~KvSequence() {
  MutexLock lock(cache_.mu_);
  for (std::size_t i = kept_.size(); i < pages_.size(); ++i) {
    cache_.GiveBack(pages_[i], HoldsWindowPart(i));
  }
  for (std::size_t i = kept_.size(); i-- > 0;) {
    if (HoldsWindowPart(i)) cache_.tree_.ReleaseWindowPart(kept_[i]);
    cache_.tree_.Release(kept_[i]);
  }
  cache_.promised_pages_ -= PagesFor(max_positions_) - pages_.size();
  cache_.window_parts_ -= window_parts_;
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
  MutexLock lock(cache_.mu_);
  const std::size_t pages = PagesFor(length);
  const std::size_t begin = cache_.WindowBegin(length);
  if (cache_.window_bytes_ != 0 && begin < std::min(window_begin_, pages)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "truncate: got ", length, " positions, but layers with a window keep only positions from ",
        window_begin_ * kKvBlockRows, " on"));
  }
  length_ = length;
  while (pages_.size() > pages) {
    cache_.GiveBack(pages_.back(), HoldsWindowPart(pages_.size() - 1));
    pages_.pop_back();
    ++cache_.promised_pages_;
  }
  window_begin_ = std::min(window_begin_, pages_.size());
  return absl::OkStatus();
}

absl::Status KvSequence::Append(const KvRows& from, std::span<const int> rows) {
  if (rows.size() > max_positions_ - length_) {
    return absl::ResourceExhaustedError(absl::StrCat("context: got ", length_, " tokens and ",
                                                     rows.size(), " more, expected at most ",
                                                     max_positions_));
  }
  while (!rows.empty()) {
    if (length_ / kKvBlockRows == pages_.size()) AddPage();
    const std::size_t at = length_ % kKvBlockRows;
    const std::size_t count = std::min(rows.size(), kKvBlockRows - at);
    pages_[length_ / kKvBlockRows]->CopyRows(from, rows.first(count), at);
    length_ += static_cast<std::uint32_t>(count);
    rows = rows.subspan(count);
  }
  return absl::OkStatus();
}

void KvSequence::AddPage() {
  MutexLock lock(cache_.mu_);
  if (pages_.size() - window_begin_ == cache_.window_pages_) cache_.ReleaseUnseen(*this);
  pages_.push_back(cache_.TakePage());
  --cache_.promised_pages_;
  cache_.FitBound();
}

bool KvSequence::HoldsWindowPart(std::size_t page) const {
  return cache_.window_bytes_ != 0 && page >= window_begin_;
}

void KvSequence::Keep(std::span<const TokenId> tokens) {
  const std::size_t pages = std::min<std::size_t>(tokens.size(), length_) / kKvBlockRows;
  if (pages <= kept_.size()) return;
  MutexLock lock(cache_.mu_);
  PrefixTree& tree = cache_.tree_;
  while (kept_.size() < pages) {
    const std::size_t at = kept_.size();
    const bool window_part = HoldsWindowPart(at);
    const PrefixTree::PageTokens page(tokens.subspan(at * kKvBlockRows).first<kKvBlockRows>());
    const PrefixTree::Node* const after = kept_.empty() ? nullptr : kept_.back();
    PrefixTree::Node* node = tree.Find(tenant_, after, page);
    if (node != nullptr) {
      tree.Hold(node);
      KvRows* const own = std::exchange(pages_[at], PrefixTree::RowsOf(*node));
      if (window_part && PrefixTree::HasWindowPart(*node)) {
        tree.HoldWindowPart(node);
      } else if (window_part) {
        pages_[at]->CopyWindowLayers(*own);
        tree.AddWindowPart(node);
      }
      cache_.GiveBack(own, window_part);
    } else {
      node = tree.Add(tenant_, after, page, pages_[at], window_part);
      --cache_.own_pages_;  // the tree has the page now
      if (window_part) --cache_.own_window_parts_;
    }
    kept_.push_back(node);
  }
  cache_.ReleaseUnseen(*this);
}

std::uint32_t KvSequence::FindMore(std::span<const TokenId> tokens, std::uint32_t max_reused) {
  max_reused = std::min(max_reused, max_positions_);
  if (length_ / kKvBlockRows >= max_reused / kKvBlockRows) return 0;
  MutexLock lock(cache_.mu_);
  const std::size_t before = kept_.size();
  cache_.Find(tenant_, tokens, max_reused, kept_);
  const std::size_t usable = cache_.UsablePages(kept_);
  // With windows it takes only pages that reach beyond its own positions, because the window parts
  // of its own last pages may not be kept.
  const bool useful = cache_.window_bytes_ == 0 || usable * kKvBlockRows > length_;
  if (usable <= before || !useful) {
    cache_.ReleaseFrom(before, kept_);
    return 0;
  }
  cache_.ReleaseFrom(usable, kept_);
  for (std::size_t i = window_begin_; i < before; ++i) {
    if (HoldsWindowPart(i)) cache_.tree_.ReleaseWindowPart(kept_[i]);
  }
  for (std::size_t at = before; at < usable; ++at) {
    KvRows* const rows = PrefixTree::RowsOf(*kept_[at]);
    if (at < pages_.size()) {
      cache_.GiveBack(std::exchange(pages_[at], rows), HoldsWindowPart(at));
    } else {
      pages_.push_back(rows);
      --cache_.promised_pages_;
    }
  }
  const std::uint32_t old_length = length_;
  length_ = std::max(length_, kept_length());
  if (cache_.window_bytes_ != 0) {
    cache_.HoldWindowParts(cache_.WindowBegin(length_), *this);
  }
  cache_.found_tokens_ += length_ - old_length;
  return length_ - old_length;
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
  std::uint64_t bytes =
      max_bytes == 0 ? AllBytes(layout, context_length, max_sequences) : max_bytes;
  if (WindowBytes(layout) == 0) bytes -= bytes % PageBytes(layout);
  if (bytes < PageBytes(layout)) {
    return absl::InvalidArgumentError(
        absl::StrCat("key-value cache: got ", max_bytes, " bytes, expected at least a page of ",
                     kKvBlockRows, " positions, ", PageBytes(layout)));
  }
  return std::unique_ptr<KvCache>(new KvCache(layout, context_length, max_sequences, bytes));
}

KvCache::KvCache(const KvLayout& layout, std::uint32_t context_length, int max_sequences,
                 std::uint64_t max_bytes)
    : layout_(layout),
      context_length_(context_length),
      max_sequences_(max_sequences),
      page_bytes_(PageBytes(layout)),
      window_bytes_(WindowBytes(layout)),
      window_pages_(WindowPages(layout)),
      max_bytes_(max_bytes) {}

std::uint64_t KvCache::PageBytes(const KvLayout& layout) {
  return std::uint64_t{layout.token_bytes()} * kKvBlockRows;
}

std::uint64_t KvCache::AllBytes(const KvLayout& layout, std::uint32_t context_length,
                                int max_sequences) {
  const std::uint64_t pages = PagesFor(context_length);
  const std::uint64_t window_parts = std::min<std::uint64_t>(pages, WindowPages(layout));
  const std::uint64_t window_bytes = WindowBytes(layout);
  return (pages * (PageBytes(layout) - window_bytes) + window_parts * window_bytes) *
         static_cast<std::uint64_t>(max_sequences);
}

std::size_t KvCache::WindowBegin(std::uint32_t length) const {
  return (length - std::min(length, std::max(1U, layout_.window) - 1)) / kKvBlockRows;
}

absl::StatusOr<std::unique_ptr<KvSequence>> KvCache::Open(KvRequest request) {
  const std::uint32_t positions = request.max_positions == 0
                                      ? context_length_
                                      : std::min(request.max_positions, context_length_);
  const std::size_t pages = PagesFor(positions);
  MutexLock lock(mu_);
  if (const std::uint64_t bytes = Bytes(pages, std::min(pages, window_pages_));
      bytes > max_bytes_) {
    return absl::OutOfRangeError(
        absl::StrCat("key-value cache: got a prompt and max_tokens that may need ", bytes,
                     " bytes, expected at most ", max_bytes_, ", the size of the whole cache"));
  }
  if (open_ >= max_sequences_) {
    return absl::ResourceExhaustedError(
        absl::StrCat("key-value cache: all ", max_sequences_, " slots are taken"));
  }
  Nodes found;
  Find(request.tenant, request.tokens, std::min(request.max_reused, positions), found);
  ReleaseFrom(UsablePages(found), found);
  // The pages and window parts that it begins with are held before others are dropped.
  const std::size_t reused = found.size();
  const std::size_t begin = WindowBegin(static_cast<std::uint32_t>(reused * kKvBlockRows));
  const std::size_t held = window_bytes_ == 0 ? 0 : reused - begin;
  const auto window_parts = std::span(found).last(held);
  for (PrefixTree::Node* node : window_parts) tree_.HoldWindowPart(node);
  const std::size_t may_hold = std::min(window_pages_, pages - begin);
  if (absl::Status status = Promise(pages - reused, may_hold); !status.ok()) {
    for (PrefixTree::Node* node : window_parts) tree_.ReleaseWindowPart(node);
    ReleaseFrom(0, found);
    return status;
  }
  ++open_;
  queried_tokens_ += request.tokens.size();
  found_tokens_ += reused * kKvBlockRows;
  return std::unique_ptr<KvSequence>(new KvSequence(*this, std::move(request.tenant), positions,
                                                    std::move(found), begin, may_hold));
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

void KvCache::ReleaseFrom(std::size_t count, Nodes& nodes) {
  for (; nodes.size() > count; nodes.pop_back()) tree_.Release(nodes.back());
}

std::size_t KvCache::UsablePages(const Nodes& nodes) const {
  if (window_bytes_ == 0) return nodes.size();
  std::size_t usable = 0;
  std::size_t run = 0;  // of window parts that end at this page
  for (std::size_t pages = 1; pages <= nodes.size(); ++pages) {
    run = PrefixTree::HasWindowPart(*nodes[pages - 1]) ? run + 1 : 0;
    const std::size_t begin = WindowBegin(static_cast<std::uint32_t>(pages * kKvBlockRows));
    if (run >= pages - begin) usable = pages;
  }
  return usable;
}

void KvCache::HoldWindowParts(std::size_t begin, KvSequence& sequence) {
  sequence.window_begin_ = begin;
  for (std::size_t i = begin; i < sequence.kept_.size(); ++i) {
    tree_.HoldWindowPart(sequence.kept_[i]);
  }
}

void KvCache::ReleaseUnseen(KvSequence& sequence) {
  if (window_bytes_ == 0) return;
  const std::size_t begin = std::min(WindowBegin(sequence.length_), sequence.pages_.size());
  for (std::size_t& i = sequence.window_begin_; i < begin; ++i) {
    if (i < sequence.kept_.size()) {
      tree_.ReleaseWindowPart(sequence.kept_[i]);
    } else {
      DropWindowPart(sequence.pages_[i]);
    }
  }
  FitBound();  // what it released may now be idle
}

absl::Status KvCache::Promise(std::size_t pages, std::size_t window_parts) {
  const std::uint64_t taken = taken_bytes();
  const std::uint64_t bytes = Bytes(pages, window_parts);
  if (bytes > max_bytes_ - taken) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "key-value cache: got a sequence that may need ", bytes, " bytes more, expected at most ",
        max_bytes_ - taken, " of ", max_bytes_, ", because open sequences need the rest"));
  }
  while (bytes + taken + idle_bytes() > max_bytes_ && DropOldest()) {
  }
  while (used_.size() + unused_.size() < promised_pages_ + pages) {
    auto page = std::make_unique<KvRows>();
    if (absl::Status status = page->Reserve(layout_, kKvBlockRows); !status.ok()) {
      if (!DropOldest()) return status;
      continue;
    }
    unused_.push_back(page.get());
    pages_.push_back(std::move(page));
  }
  promised_pages_ += pages;
  window_parts_ += window_parts;
  return absl::OkStatus();
}

void KvCache::FitBound() {
  while (taken_bytes() + idle_bytes() > max_bytes_ && DropOldest()) {
  }
  // Free pages keep their memory for the next sequence. But memory that window parts had before may
  // now be in other pages.
  while (window_bytes_ != 0 && !used_.empty() &&
         Bytes(own_pages_ + tree_.pages() + used_.size(),
               own_window_parts_ + tree_.window_parts()) > max_bytes_) {
    used_.back()->DropAll();
    unused_.push_back(used_.back());
    used_.pop_back();
  }
}

bool KvCache::DropOldest() {
  const std::optional<PrefixTree::Dropped> dropped = tree_.DropOldest();
  if (!dropped) return false;
  if (dropped->window_part) dropped->rows->DropWindowLayers();
  if (!dropped->page) return true;
  used_.push_back(dropped->rows);
  ++evicted_pages_;
  return true;
}

KvRows* KvCache::TakePage() {
  std::vector<KvRows*>& from = used_.empty() ? unused_ : used_;
  KvRows* const page = from.back();
  from.pop_back();
  ++own_pages_;
  if (window_bytes_ != 0) ++own_window_parts_;
  return page;
}

void KvCache::GiveBack(KvRows* page, bool window_part) {
  if (window_part) DropWindowPart(page);
  used_.push_back(page);
  --own_pages_;
}

void KvCache::DropWindowPart(KvRows* page) {
  page->DropWindowLayers();
  --own_window_parts_;
}

KvUsage KvCache::usage() const {
  MutexLock lock(mu_);
  return {.bound_bytes = max_bytes_,
          .promised_bytes = taken_bytes() - held_bytes(),
          .held_bytes = held_bytes(),
          .cached_bytes = idle_bytes(),
          .queried_tokens = queried_tokens_,
          .found_tokens = found_tokens_,
          .evicted_pages = evicted_pages_};
}

int KvCache::open_sequences() const {
  MutexLock lock(mu_);
  return open_;
}

}  // namespace recycling::verifier
