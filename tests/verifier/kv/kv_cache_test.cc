#include "verifier/kv/kv_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <numeric>
#include <random>
#include <thread>

#include "tests/doubles/matchers.h"

namespace recycling::verifier {
namespace {

using doubles::IsOk;
using doubles::StatusIs;
using ::testing::HasSubstr;

constexpr std::uint32_t kPage = kKvBlockRows;
constexpr std::uint32_t kContext = 8 * kPage;
constexpr std::uint32_t kAll = 1 << 20;  // more than any context here

ModelConfig Config() {
  ModelConfig config;
  config.layers = config.kv_heads = config.key_length = config.value_length = 1;
  return config;
}

const std::uint64_t kPageBytes = KvCache::PageBytes(KvLayout::Of(Config(), KvType::kF32));

std::unique_ptr<KvCache> NewCache(std::uint64_t pages, int sequences = 64) {
  return *KvCache::Create(Config(), KvType::kF32, kContext, sequences, pages * kPageBytes);
}

// Returns the tokens of pages. Each page repeats one token, so that many prefixes are equal.
std::vector<TokenId> Pages(const std::vector<TokenId>& pages) {
  std::vector<TokenId> tokens;
  for (const TokenId token : pages) tokens.insert(tokens.end(), kPage, token);
  return tokens;
}

// Three layers, of which the first two have a window. A layer of a page takes several pages of the
// system, so that numbers that the cache has dropped are gone.
ModelConfig WindowConfig(std::uint32_t window) {
  ModelConfig config;
  config.layers = config.window_pattern = 3;
  config.kv_heads = 1;
  config.key_length = config.value_length = 32;
  config.window = window;
  return config;
}

// Appends the next `count` tokens of `all`. The key is the token plus a thousand times the layer,
// and the value is the sum of all tokens up to it. So a row depends on all tokens before it, as in
// a model.
absl::Status Append(KvSequence& sequence, std::span<const TokenId> all, std::size_t count) {
  const std::uint32_t begin = sequence.length();
  KvRows rows;
  EXPECT_THAT(rows.Reserve(sequence.layout(), std::max<std::size_t>(count, 1)), IsOk());
  for (std::size_t i = 0; i < count; ++i) {
    const auto end = all.begin() + static_cast<std::ptrdiff_t>(begin + i) + 1;
    const std::vector<float> value(sequence.layout().value_length,
                                   static_cast<float>(std::accumulate(all.begin(), end, 0u)));
    for (std::size_t layer = 0; layer < sequence.layout().layers; ++layer) {
      const std::vector<float> key(sequence.layout().key_length,
                                   static_cast<float>(all[begin + i] + 1000 * layer));
      rows.Store(VectorKernelsFor(InstructionSet::kPortable), layer, 0, i, key.data(),
                 value.data());
    }
  }
  std::vector<int> order(count);
  std::iota(order.begin(), order.end(), 0);
  return sequence.Append(rows, order);
}

// True if the sequence holds the rows that Append writes for `all`, as far as its next position
// sees them.
bool Holds(const KvSequence& sequence, std::span<const TokenId> all) {
  const KvLayout& layout = sequence.layout();
  const auto number = [](const std::byte* numbers, std::size_t at) {
    float value = 0;
    std::memcpy(&value, numbers + at * sizeof(value), sizeof(value));
    return value;
  };
  TokenId sum = 0;
  for (std::uint32_t p = 0; p < sequence.length(); ++p) {
    sum += all[p];
    for (std::size_t layer = 0; layer < layout.layers; ++layer) {
      if (layout.HasWindow(layer) && p + layout.window <= sequence.length()) continue;
      const std::byte* const keys = sequence.Keys(layer, 0, p / kPage);
      const std::byte* const values = sequence.Values(layer, 0, p / kPage);
      const float key = number(keys, layout.key_length / 2 * kPage + p % kPage);
      if (key != static_cast<float>(all[p] + 1000 * layer)) return false;
      if (number(values, p % kPage * layout.value_length) != static_cast<float>(sum)) return false;
    }
  }
  return true;
}

std::unique_ptr<KvSequence> OpenWith(KvCache& cache, const std::vector<TokenId>& tokens,
                                     const std::string& tenant = "", std::uint32_t positions = 0) {
  auto sequence = cache.Open(
      {.tenant = tenant, .tokens = tokens, .max_reused = kAll, .max_positions = positions});
  EXPECT_THAT(sequence, IsOk());
  return *std::move(sequence);
}

// Opens a sequence, fills it, keeps its pages and closes it.
void Remember(KvCache& cache, const std::vector<TokenId>& tokens, const std::string& tenant = "") {
  const auto sequence = OpenWith(cache, tokens, tenant, static_cast<std::uint32_t>(tokens.size()));
  ASSERT_THAT(Append(*sequence, tokens, tokens.size() - sequence->length()), IsOk());
  sequence->Keep(tokens);
}

TEST(KvCacheTest, SlotsAreBoundedAndReturned) {
  const auto cache = NewCache(16, 2);
  auto first = *cache->Open();
  const auto second = *cache->Open();
  EXPECT_EQ(cache->open_sequences(), 2);
  EXPECT_THAT(cache->Open(), StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("all 2")));
  first.reset();
  EXPECT_EQ(cache->open_sequences(), 1);
  EXPECT_THAT(cache->Open(), IsOk());
}

TEST(KvCacheTest, RefusesABoundWithoutRoomForAPage) {
  EXPECT_THAT(KvCache::Create(Config(), KvType::kF32, 0, 1),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(KvCache::Create(Config(), KvType::kF32, 1, 0),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(KvCache::Create(Config(), KvType::kF32, 1, 1, kPageBytes - 1),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("511 bytes")));
  EXPECT_THAT(KvCache::Create(Config(), KvType::kF32, 1, 1, kPageBytes), IsOk());
}

TEST(KvCacheTest, WithoutABoundEverySlotHasItsWholeContext) {
  const auto cache = *KvCache::Create(Config(), KvType::kF32, kContext + 1, 3);
  EXPECT_EQ(cache->usage().bound_bytes, 27 * kPageBytes);
  std::vector<std::unique_ptr<KvSequence>> open;
  for (int i = 0; i < 3; ++i) open.push_back(*cache->Open());
  EXPECT_EQ(cache->usage().promised_bytes, 27 * kPageBytes);
}

TEST(KvCacheTest, OpensOnlySequencesWhosePagesFitTheBound) {
  const auto cache = NewCache(5);
  const auto three = *cache->Open({.max_positions = 2 * kPage + 1});
  EXPECT_THAT(cache->Open({.max_positions = 2 * kPage + 1}),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       HasSubstr("need 1536 bytes more, expected at most 1024 of 2560")));
  EXPECT_EQ(cache->open_sequences(), 1);
  EXPECT_THAT(cache->Open({.max_positions = 5 * kPage + 1}),
              StatusIs(absl::StatusCode::kOutOfRange, HasSubstr("expected at most 2560")));
  const auto two = *cache->Open({.max_positions = 2 * kPage});
  const std::vector<TokenId> tokens = Pages({1, 2, 3});
  EXPECT_THAT(Append(*three, tokens, 2 * kPage + 1), IsOk());
  EXPECT_THAT(Append(*three, tokens, 1),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("at most 129")));
  EXPECT_THAT(Append(*two, tokens, 2 * kPage), IsOk());
  EXPECT_TRUE(Holds(*three, tokens));
  EXPECT_TRUE(Holds(*two, tokens));
}

TEST(KvCacheTest, CountsPromisedHeldAndCachedPages) {
  const auto cache = NewCache(6);
  const std::vector<TokenId> tokens = Pages({1, 2, 3});
  auto sequence = OpenWith(*cache, tokens, "", 4 * kPage);
  EXPECT_EQ(cache->usage().promised_bytes, 4 * kPageBytes);
  ASSERT_THAT(Append(*sequence, tokens, 2 * kPage + 1), IsOk());
  EXPECT_EQ(cache->usage().promised_bytes, 1 * kPageBytes);
  EXPECT_EQ(cache->usage().held_bytes, 3 * kPageBytes);
  sequence->Keep(tokens);
  EXPECT_EQ(sequence->kept_length(), 2 * kPage);
  EXPECT_EQ(cache->usage().held_bytes, 3 * kPageBytes);
  auto other = OpenWith(*cache, tokens, "", 3 * kPage);
  EXPECT_EQ(other->length(), 2 * kPage);
  EXPECT_EQ(cache->usage().promised_bytes, 2 * kPageBytes);
  EXPECT_EQ(cache->usage().held_bytes, 3 * kPageBytes);
  sequence.reset();
  EXPECT_EQ(cache->usage().promised_bytes, 1 * kPageBytes);
  EXPECT_EQ(cache->usage().held_bytes, 2 * kPageBytes);
  EXPECT_EQ(cache->usage().cached_bytes, 0u);
  other.reset();
  EXPECT_EQ(cache->usage().promised_bytes, 0u);
  EXPECT_EQ(cache->usage().held_bytes, 0u);
  EXPECT_EQ(cache->usage().cached_bytes, 2 * kPageBytes);
  EXPECT_EQ(cache->usage().queried_tokens, 6 * kPage);
  EXPECT_EQ(cache->usage().found_tokens, 2 * kPage);
}

TEST(KvCacheTest, FindsTheLongestPrefixOfFullPagesThatMayBeReused) {
  const auto cache = NewCache(32);
  Remember(*cache, Pages({1, 2, 3}));
  Remember(*cache, Pages({1, 2, 4, 5}));
  const auto found = [&](const std::vector<TokenId>& tokens, std::uint32_t reused = kContext,
                         std::uint32_t positions = 0) {
    const auto sequence =
        *cache->Open({.tokens = tokens, .max_reused = reused, .max_positions = positions});
    EXPECT_TRUE(Holds(*sequence, tokens));
    EXPECT_EQ(sequence->kept_length(), sequence->length());
    return sequence->length();
  };
  EXPECT_EQ(found(Pages({1, 2, 3})), 3 * kPage);
  EXPECT_EQ(found(Pages({1, 2, 3, 5})), 3 * kPage);
  EXPECT_EQ(found(Pages({1, 2, 4, 5})), 4 * kPage);
  EXPECT_EQ(found(Pages({2, 3})), 0u);
  EXPECT_EQ(found(Pages({1, 3})), kPage);
  std::vector<TokenId> almost = Pages({1, 2, 4});
  almost.back() = 7;
  EXPECT_EQ(found(almost), 2 * kPage);
  almost = Pages({1, 2, 4});
  almost.pop_back();
  EXPECT_EQ(found(almost), 2 * kPage);
  EXPECT_EQ(found(Pages({1, 2, 3}), 3 * kPage - 1), 2 * kPage);
  EXPECT_EQ(found(Pages({1, 2, 3}), 0), 0u);
  EXPECT_EQ(found(Pages({1, 2, 3}), kContext, kPage), kPage);
}

TEST(KvCacheTest, TenantsDoNotFindEachOthersPages) {
  const auto cache = NewCache(32);
  Remember(*cache, Pages({1, 2}), "a");
  EXPECT_EQ(OpenWith(*cache, Pages({1, 2}), "b")->length(), 0u);
  EXPECT_EQ(OpenWith(*cache, Pages({1, 2}), "")->length(), 0u);
  EXPECT_EQ(OpenWith(*cache, Pages({1, 2}), "a")->length(), 2 * kPage);
  Remember(*cache, Pages({1, 3}), "b");
  EXPECT_EQ(OpenWith(*cache, Pages({1, 2}), "b")->length(), kPage);
  EXPECT_EQ(cache->usage().cached_bytes, 4 * kPageBytes);
}

TEST(KvCacheTest, ASequenceWritesNoPageThatAnotherReads) {
  const auto cache = NewCache(32);
  Remember(*cache, Pages({1, 2}));
  const std::vector<TokenId> left_tokens = Pages({1, 2, 3});
  const std::vector<TokenId> right_tokens = Pages({1, 2, 4});
  const auto left = OpenWith(*cache, left_tokens);
  const auto right = OpenWith(*cache, right_tokens);
  EXPECT_EQ(left->Keys(0, 0, 1), right->Keys(0, 0, 1));
  ASSERT_THAT(Append(*left, left_tokens, 40), IsOk());
  ASSERT_THAT(Append(*right, right_tokens, 30), IsOk());
  EXPECT_NE(left->Keys(0, 0, 2), right->Keys(0, 0, 2));
  EXPECT_TRUE(Holds(*left, left_tokens));
  EXPECT_TRUE(Holds(*right, right_tokens));
}

TEST(KvCacheTest, TruncateReturnsPagesButRefusesToDropKeptOnes) {
  const auto cache = NewCache(4);
  const std::vector<TokenId> tokens = Pages({1, 2, 3, 4});
  const auto sequence = OpenWith(*cache, tokens, "", 4 * kPage);
  ASSERT_THAT(Append(*sequence, tokens, 4 * kPage), IsOk());
  sequence->Keep(std::span(tokens).first(2 * kPage + 5));
  EXPECT_THAT(sequence->Truncate(2 * kPage - 1),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("at least the 128")));
  EXPECT_EQ(sequence->length(), 4 * kPage);
  EXPECT_THAT(sequence->Truncate(2 * kPage + 1), IsOk());
  EXPECT_EQ(cache->usage().promised_bytes, kPageBytes);
  EXPECT_THAT(sequence->Truncate(2 * kPage), IsOk());
  EXPECT_EQ(cache->usage().promised_bytes, 2 * kPageBytes);
  EXPECT_EQ(cache->usage().held_bytes, 2 * kPageBytes);
  const std::vector<TokenId> other = Pages({1, 2, 5, 6});
  ASSERT_THAT(Append(*sequence, other, 2 * kPage), IsOk());
  EXPECT_TRUE(Holds(*sequence, other));
}

TEST(KvCacheTest, PagesComputedTwiceAreKeptOnce) {
  const auto cache = NewCache(8);
  const std::vector<TokenId> tokens = Pages({1, 2});
  const auto first = OpenWith(*cache, tokens, "", 2 * kPage);
  const auto second = OpenWith(*cache, tokens, "", 2 * kPage);
  ASSERT_THAT(Append(*first, tokens, 2 * kPage), IsOk());
  ASSERT_THAT(Append(*second, tokens, 2 * kPage), IsOk());
  first->Keep(tokens);
  EXPECT_EQ(cache->usage().held_bytes, 4 * kPageBytes);
  second->Keep(tokens);
  EXPECT_EQ(cache->usage().held_bytes, 2 * kPageBytes);
  EXPECT_EQ(first->Keys(0, 0, 1), second->Keys(0, 0, 1));
  EXPECT_TRUE(Holds(*second, tokens));
}

TEST(KvCacheTest, AnOpenSequenceFindsPagesThatAnotherKeepsLater) {
  const auto cache = NewCache(8);
  const std::vector<TokenId> tokens = Pages({1, 2, 3, 4});
  const auto first = OpenWith(*cache, tokens, "", 4 * kPage);
  const auto second = OpenWith(*cache, tokens, "", 4 * kPage);
  EXPECT_EQ(second->FindMore(tokens, kContext), 0u);
  ASSERT_THAT(Append(*first, tokens, 2 * kPage), IsOk());
  first->Keep(tokens);
  EXPECT_EQ(second->FindMore(tokens, kPage), kPage);
  EXPECT_EQ(second->FindMore(tokens, kContext), kPage);
  EXPECT_EQ(cache->usage().held_bytes, 2 * kPageBytes);
  EXPECT_EQ(cache->usage().promised_bytes, 4 * kPageBytes);
  EXPECT_EQ(cache->usage().found_tokens, 2 * kPage);
  ASSERT_THAT(Append(*first, tokens, 2 * kPage), IsOk());
  first->Keep(tokens);
  ASSERT_THAT(Append(*second, tokens, kPage), IsOk());
  EXPECT_NE(first->kept_prefix(), second->kept_prefix());
  // FindMore also replaces the page that `second` computed.
  EXPECT_EQ(second->FindMore(tokens, kContext), kPage);
  EXPECT_EQ(first->kept_prefix(), second->kept_prefix());
  EXPECT_TRUE(Holds(*second, tokens));
  EXPECT_EQ(cache->usage().promised_bytes, 0u);
  EXPECT_EQ(cache->usage().held_bytes, 4 * kPageBytes);
}

TEST(KvCacheTest, AKeptPageReplacesAnUnfinishedPage) {
  const auto cache = NewCache(8);
  const std::vector<TokenId> tokens = Pages({1, 2});
  const auto first = OpenWith(*cache, tokens, "", 2 * kPage);
  const auto second = OpenWith(*cache, tokens, "", 2 * kPage);
  ASSERT_THAT(Append(*second, tokens, 30), IsOk());
  ASSERT_THAT(Append(*first, tokens, kPage + 1), IsOk());
  first->Keep(tokens);
  EXPECT_EQ(second->FindMore(tokens, kPage - 1), 0u);
  EXPECT_EQ(second->FindMore(tokens, kContext), kPage - 30);
  EXPECT_EQ(cache->usage().promised_bytes, 1 * kPageBytes);
  EXPECT_EQ(cache->usage().held_bytes, 2 * kPageBytes);
  ASSERT_THAT(Append(*second, tokens, kPage), IsOk());
  EXPECT_TRUE(Holds(*second, tokens));
}

TEST(KvCacheTest, DropsLeastRecentlyUsedPagesFirstAndTheEndOfAPrefixBeforeItsStart) {
  const auto cache = NewCache(6);
  Remember(*cache, Pages({1, 2}));
  Remember(*cache, Pages({3, 4}));
  Remember(*cache, Pages({5, 6}));
  OpenWith(*cache, Pages({1, 2}), "", 2 * kPage);  // uses these pages last
  EXPECT_EQ(cache->usage().cached_bytes, 6 * kPageBytes);
  const auto found = [&](TokenId first) {  // this evicts no page
    return OpenWith(*cache, Pages({first, first + 1}), "", 2 * kPage)->length();
  };
  { const auto one = *cache->Open({.max_positions = 1}); }
  EXPECT_EQ(cache->usage().evicted_pages, 1u);
  EXPECT_EQ(cache->usage().cached_bytes, 5 * kPageBytes);
  EXPECT_EQ(found(1), 2 * kPage);
  EXPECT_EQ(found(5), 2 * kPage);
  EXPECT_EQ(found(3), kPage);  // its last page was dropped
  // To make room for a new sequence, the cache does not evict the pages that this sequence reuses.
  EXPECT_EQ(OpenWith(*cache, Pages({5, 6}), "", 6 * kPage)->length(), 2 * kPage);
  EXPECT_EQ(cache->usage().cached_bytes, 2 * kPageBytes);
  EXPECT_EQ(found(1), 0u);
}

TEST(KvCacheTest, AnOpenThatFailsDropsNothing) {
  const auto cache = NewCache(4);
  Remember(*cache, Pages({1, 2}));
  const auto open = *cache->Open({.max_positions = 2 * kPage});
  EXPECT_THAT(cache->Open({.max_positions = 3 * kPage}),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(cache->usage().cached_bytes, 2 * kPageBytes);
  EXPECT_EQ(cache->usage().evicted_pages, 0u);
  EXPECT_EQ(cache->usage().queried_tokens, 2 * kPage);  // only Remember() looked up tokens
}

constexpr std::uint32_t kWindowContext = 24 * kPage;

// Bytes of `pages` pages without their window parts, and of `window_parts` window parts.
std::uint64_t WindowBytes(std::uint64_t pages, std::uint64_t window_parts) {
  const KvLayout layout = KvLayout::Of(WindowConfig(100), KvType::kF32);
  return (pages + 2 * window_parts) * layout.layer_bytes() * kPage;
}

std::unique_ptr<KvCache> NewWindowCache(std::uint64_t pages, std::uint32_t window = 100) {
  return *KvCache::Create(WindowConfig(window), KvType::kF32, kWindowContext, 8,
                          WindowBytes(pages, pages));
}

std::vector<TokenId> CountedPages(TokenId first, std::size_t count) {
  std::vector<TokenId> pages(count);
  std::iota(pages.begin(), pages.end(), first);
  return Pages(pages);
}

TEST(KvCacheTest, ASequenceHoldsTheWindowPartsOfItsLastPagesOnly) {
  const auto cache = NewWindowCache(24);
  const std::vector<TokenId> tokens = CountedPages(1, 24);
  const auto sequence = *cache->Open();
  // The window of 100 positions touches 2 pages, and there are 9 more for rows that come.
  EXPECT_EQ(cache->usage().promised_bytes, WindowBytes(24, 11));
  ASSERT_THAT(Append(*sequence, tokens, 20 * kPage), IsOk());
  EXPECT_LE(cache->usage().held_bytes, WindowBytes(20, 11));
  EXPECT_EQ(cache->usage().held_bytes + cache->usage().promised_bytes, WindowBytes(24, 11));
  EXPECT_TRUE(Holds(*sequence, tokens));
  ASSERT_THAT(Append(*sequence, tokens, 4 * kPage), IsOk());
  EXPECT_TRUE(Holds(*sequence, tokens));
  EXPECT_THAT(sequence->Truncate(kPage),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("layers with a window")));
  EXPECT_THAT(sequence->Truncate(24 * kPage - 1), IsOk());
  EXPECT_THAT(sequence->Truncate(0), IsOk());
  ASSERT_THAT(Append(*sequence, tokens, 3 * kPage), IsOk());
  EXPECT_TRUE(Holds(*sequence, tokens));
}

TEST(KvCacheTest, AModelWithWindowsNeedsLessForTheWholeContext) {
  const auto cache = *KvCache::Create(WindowConfig(100), KvType::kF32, kWindowContext, 3);
  EXPECT_EQ(cache->usage().bound_bytes, 3 * WindowBytes(24, 11));
  std::vector<std::unique_ptr<KvSequence>> open;
  for (int i = 0; i < 3; ++i) open.push_back(*cache->Open());
  // The same if the caller gives this bound.
  const auto bounded =
      *KvCache::Create(WindowConfig(100), KvType::kF32, kWindowContext, 1, WindowBytes(24, 11));
  EXPECT_THAT(bounded->Open(), IsOk());
}

// A sequence that moves on needs new window parts while another one still holds those that they
// shared.
TEST(KvCacheTest, SharedWindowPartsCountForEachSequence) {
  const std::vector<TokenId> tokens = CountedPages(1, 24);
  const auto open_two = [&](std::uint64_t bound) {
    const auto cache = *KvCache::Create(WindowConfig(100), KvType::kF32, kWindowContext, 8, bound);
    const auto first = *cache->Open();
    EXPECT_THAT(Append(*first, tokens, 2 * kPage), IsOk());
    first->Keep(tokens);
    const auto second = cache->Open({.tokens = tokens, .max_reused = 2 * kPage});
    if (!second.ok()) return false;
    EXPECT_EQ((*second)->length(), 2 * kPage);
    EXPECT_THAT(Append(*first, tokens, 22 * kPage), IsOk());
    EXPECT_TRUE(Holds(**second, tokens));
    EXPECT_THAT(Append(**second, tokens, 22 * kPage), IsOk());
    EXPECT_TRUE(Holds(*first, tokens));
    EXPECT_TRUE(Holds(**second, tokens));
    EXPECT_EQ(cache->usage().promised_bytes + cache->usage().held_bytes, bound);
    return true;
  };
  EXPECT_TRUE(open_two(WindowBytes(46, 22)));
  EXPECT_FALSE(open_two(WindowBytes(46, 22) - 1));
}

// While there is room, the window parts of a kept prompt stay, so a request may begin anywhere in
// it. If they were dropped, it begins only where they are still kept.
TEST(KvCacheTest, APrefixIsReusedOnlyWhereItsWindowPartsAreKept) {
  const auto cache = NewWindowCache(24);
  const std::vector<TokenId> tokens = CountedPages(1, 12);
  {
    const auto sequence = OpenWith(*cache, tokens, "", 12 * kPage);
    for (int chunk = 0; chunk < 3; ++chunk) {  // Keep follows each chunk, as for a prompt
      ASSERT_THAT(Append(*sequence, tokens, 4 * kPage), IsOk());
      sequence->Keep(tokens);
    }
    EXPECT_EQ(cache->usage().held_bytes, WindowBytes(12, 2));
    EXPECT_EQ(cache->usage().cached_bytes, WindowBytes(0, 10));
  }
  EXPECT_EQ(cache->usage().cached_bytes, WindowBytes(12, 12));
  const auto found = [&](std::uint32_t pages) {
    std::vector<TokenId> branch(tokens.begin(), tokens.begin() + pages * kPage);
    branch.resize(12 * kPage, 99);
    const auto sequence = OpenWith(*cache, branch, "", pages * kPage + 1);
    EXPECT_TRUE(Holds(*sequence, branch));
    return sequence->length() / kPage;
  };
  for (std::uint32_t pages = 1; pages <= 12; ++pages) EXPECT_EQ(found(pages), pages);
  // This sequence needs the room of 5 window parts. Those of the first pages were not used for the
  // longest time.
  { const auto other = *cache->Open({.max_positions = 24 * kPage}); }
  EXPECT_EQ(cache->usage().evicted_pages, 0u);
  EXPECT_EQ(cache->usage().cached_bytes, WindowBytes(12, 7));
  EXPECT_EQ(found(12), 12u);
  EXPECT_EQ(found(7), 7u);
  EXPECT_EQ(found(6), 0u);  // sees positions of the fifth page
  EXPECT_EQ(found(1), 0u);
}

TEST(KvCacheTest, APageComputedTwiceGetsBackItsWindowPart) {
  const auto cache = NewWindowCache(24);
  const std::vector<TokenId> tokens = CountedPages(1, 12);
  {
    // Keeps the pages once at the end, so the window parts of the first ones are gone.
    const auto sequence = OpenWith(*cache, tokens, "", 12 * kPage);
    ASSERT_THAT(Append(*sequence, tokens, 12 * kPage), IsOk());
    sequence->Keep(tokens);
  }
  const auto second = *cache->Open({.tokens = tokens, .max_reused = kPage, .max_positions = 200});
  EXPECT_EQ(second->length(), 0u);
  ASSERT_THAT(Append(*second, tokens, 2 * kPage), IsOk());
  const auto waiting = *cache->Open({.tokens = tokens, .max_reused = 0, .max_positions = 200});
  EXPECT_EQ(waiting->FindMore(tokens, 2 * kPage), 0u);
  second->Keep(tokens);
  EXPECT_TRUE(Holds(*second, tokens));
  EXPECT_EQ(waiting->FindMore(tokens, 2 * kPage), 2 * kPage);
  EXPECT_TRUE(Holds(*waiting, tokens));
}

struct RandomUse {
  ModelConfig config;
  std::uint32_t context;
};

class KvCacheRandomTest : public testing::TestWithParam<RandomUse> {};

INSTANTIATE_TEST_SUITE_P(Windows, KvCacheRandomTest,
                         testing::Values(RandomUse{Config(), kContext},
                                         RandomUse{WindowConfig(1), kWindowContext},
                                         RandomUse{WindowConfig(64), kWindowContext},
                                         RandomUse{WindowConfig(100), kWindowContext}),
                         [](const auto& use) {
                           return "Window" + std::to_string(use.param.config.window);
                         });

// Promised, held and kept pages stay within the bound. Every append succeeds. Every sequence holds
// only its own tokens.
TEST_P(KvCacheRandomTest, StaysWithinTheBoundAndKeepsEveryPromise) {
  const std::uint32_t context = GetParam().context;
  const KvLayout layout = KvLayout::Of(GetParam().config, KvType::kF32);
  const std::uint64_t page_bytes = KvCache::PageBytes(layout);
  std::mt19937 random(5);
  const auto number = [&random](unsigned low, unsigned high) {
    return low + static_cast<unsigned>(random() % (high - low + 1));
  };
  int opened = 0;
  int refused = 0;
  std::uint64_t found = 0;
  std::uint64_t evicted = 0;
  for (int round = 0; round < 20; ++round) {
    const std::uint64_t bound = number(1, 5 * context / kPage) * page_bytes;
    const auto cache = *KvCache::Create(GetParam().config, KvType::kF32, context,
                                        static_cast<int>(number(1, 12)), bound);
    struct Open {
      std::unique_ptr<KvSequence> kv;
      std::vector<TokenId> tokens;  // always `context` tokens, even if fewer fit
    };
    std::vector<Open> open;
    for (int step = 0; step < 400; ++step) {
      const unsigned what = number(0, 9);
      if (what < 3 || open.empty()) {
        std::vector<TokenId> pages(context / kPage);
        for (TokenId& page : pages) page = number(1, 2);
        Open next = {.kv = nullptr, .tokens = Pages(pages)};
        if (number(0, 3) == 0) next.tokens[number(0, context - 1)] = 3;
        const std::uint32_t positions = number(1, context);
        auto kv = cache->Open({.tenant = number(0, 4) == 0 ? "other" : "",
                               .tokens = std::span(next.tokens).first(number(0, context)),
                               .max_reused = number(0, context),
                               .max_positions = positions});
        if (kv.ok()) {
          next.kv = *std::move(kv);
          open.push_back(std::move(next));
          ++opened;
        } else {
          const bool never = KvCache::AllBytes(layout, positions, 1) > bound;
          ASSERT_THAT(kv, StatusIs(never ? absl::StatusCode::kOutOfRange
                                         : absl::StatusCode::kResourceExhausted));
          ++refused;
        }
      } else {
        const std::size_t at = number(0, static_cast<unsigned>(open.size()) - 1);
        KvSequence& kv = *open[at].kv;
        if (what < 7) {
          const unsigned room = kv.max_positions() - kv.length();
          ASSERT_THAT(Append(kv, open[at].tokens, number(0, room)), IsOk());
        } else if (what == 7) {
          const bool truncated = kv.Truncate(number(kv.kept_length(), kv.length())).ok();
          ASSERT_TRUE(truncated || layout.window != 0);
        } else if (what == 8) {
          kv.FindMore(open[at].tokens, number(0, context));
          kv.Keep(std::span(open[at].tokens).first(number(0, context)));
        } else {
          if (number(0, 1) == 0) kv.Keep(open[at].tokens);
          open.erase(open.begin() + static_cast<std::ptrdiff_t>(at));
        }
      }
      for (const Open& sequence : open) {
        if (number(0, 9) != 0) continue;
        ASSERT_TRUE(Holds(*sequence.kv, sequence.tokens));
      }
      const KvUsage usage = cache->usage();
      ASSERT_EQ(usage.bound_bytes, bound);
      ASSERT_LE(usage.promised_bytes + usage.held_bytes + usage.cached_bytes, bound);
    }
    for (const Open& sequence : open) ASSERT_TRUE(Holds(*sequence.kv, sequence.tokens));
    open.clear();
    EXPECT_EQ(cache->usage().promised_bytes, 0u);
    EXPECT_EQ(cache->usage().held_bytes, 0u);
    EXPECT_EQ(cache->open_sequences(), 0);
    found += cache->usage().found_tokens;
    evicted += cache->usage().evicted_pages;
  }
  // Check that the random operations covered all cases.
  EXPECT_GT(opened, 500);
  EXPECT_GT(refused, 100);
  EXPECT_GT(found, 100 * kPage);
  EXPECT_GT(evicted, 100u);
}

// One thread fills a sequence, as passes do. Other threads open, read and close sequences
// meanwhile.
TEST(KvCacheTest, SequencesOpenAndCloseOnAnyThreadWhileOneIsFilled) {
  const auto cache = NewCache(12, 8);
  const std::vector<TokenId> tokens = Pages({1, 2, 3, 4});
  std::atomic<bool> done = false;
  std::vector<std::thread> others;
  std::atomic<int> wrong = 0;
  for (int i = 0; i < 3; ++i) {
    others.emplace_back([&] {
      while (!done) {
        const auto kv =
            cache->Open({.tokens = tokens, .max_reused = 3 * kPage, .max_positions = 4 * kPage});
        if (kv.ok() && !Holds(**kv, tokens)) ++wrong;
        const KvUsage usage = cache->usage();
        wrong += usage.promised_bytes + usage.held_bytes + usage.cached_bytes > usage.bound_bytes;
      }
    });
  }
  for (std::uint32_t i = 0; i < 300;) {
    const auto kv =
        cache->Open({.tokens = tokens, .max_reused = i % 4 * kPage, .max_positions = 4 * kPage});
    if (!kv.ok()) continue;
    for (; (*kv)->length() < 4 * kPage;) {
      if (!Append(**kv, tokens, kPage / 2).ok()) ++wrong;
      (*kv)->Keep(std::span(tokens).first((*kv)->length()));
    }
    wrong += !Holds(**kv, tokens);
    ++i;
  }
  done = true;
  for (std::thread& other : others) other.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(cache->usage().held_bytes, 0u);
}

}  // namespace
}  // namespace recycling::verifier
