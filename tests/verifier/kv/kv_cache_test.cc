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

// Appends the next `count` tokens of `all`. The key is the token, and the value is the sum of all
// tokens up to it. So a row depends on all tokens before it, as in a model.
absl::Status Append(KvSequence& sequence, std::span<const TokenId> all, std::size_t count) {
  const std::uint32_t begin = sequence.length();
  KvRows rows;
  EXPECT_THAT(rows.Reserve(sequence.layout(), std::max<std::size_t>(count, 1)), IsOk());
  for (std::size_t i = 0; i < count; ++i) {
    const auto key = static_cast<float>(all[begin + i]);
    const auto value = static_cast<float>(
        std::accumulate(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(begin + i) + 1, 0u));
    rows.Store(VectorKernelsFor(InstructionSet::kPortable), 0, 0, i, &key, &value);
  }
  std::vector<int> order(count);
  std::iota(order.begin(), order.end(), 0);
  return sequence.Append(rows, order);
}

// True if the sequence holds the rows that Append writes for `all`.
bool Holds(const KvSequence& sequence, std::span<const TokenId> all) {
  TokenId sum = 0;
  for (std::uint32_t p = 0; p < sequence.length(); ++p) {
    float key = 0;
    float value = 0;
    std::memcpy(&key, sequence.Keys(0, 0, p / kPage) + p % kPage * sizeof(key), sizeof(key));
    std::memcpy(&value, sequence.Values(0, 0, p / kPage) + p % kPage * sizeof(value),
                sizeof(value));
    sum += all[p];
    if (key != static_cast<float>(all[p]) || value != static_cast<float>(sum)) return false;
  }
  return true;
}

std::unique_ptr<KvSequence> OpenWith(KvCache& cache, const std::vector<TokenId>& tokens,
                                     const std::string& tenant = "", std::uint32_t positions = 0) {
  auto sequence = cache.Open(
      {.tenant = tenant, .tokens = tokens, .max_reused = kContext, .max_positions = positions});
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

// Promised, held and kept pages stay within the bound. Every append succeeds. Every sequence holds
// only its own tokens.
TEST(KvCacheTest, RandomUseStaysWithinTheBoundAndKeepsEveryPromise) {
  std::mt19937 random(5);
  const auto number = [&random](unsigned low, unsigned high) {
    return low + static_cast<unsigned>(random() % (high - low + 1));
  };
  int opened = 0;
  int refused = 0;
  std::uint64_t found = 0;
  std::uint64_t evicted = 0;
  for (int round = 0; round < 20; ++round) {
    const std::uint64_t bound = number(1, 40) * kPageBytes;
    const auto cache = NewCache(bound / kPageBytes, static_cast<int>(number(1, 12)));
    struct Open {
      std::unique_ptr<KvSequence> kv;
      std::vector<TokenId> tokens;  // always kContext tokens, even if fewer fit
    };
    std::vector<Open> open;
    for (int step = 0; step < 400; ++step) {
      const unsigned what = number(0, 9);
      if (what < 3 || open.empty()) {
        std::vector<TokenId> pages(kContext / kPage);
        for (TokenId& page : pages) page = number(1, 2);
        Open next = {.kv = nullptr, .tokens = Pages(pages)};
        if (number(0, 3) == 0) next.tokens[number(0, kContext - 1)] = 3;
        const std::uint32_t positions = number(1, kContext);
        auto kv = cache->Open({.tenant = number(0, 4) == 0 ? "other" : "",
                               .tokens = std::span(next.tokens).first(number(0, kContext)),
                               .max_reused = number(0, kContext),
                               .max_positions = positions});
        if (kv.ok()) {
          next.kv = *std::move(kv);
          open.push_back(std::move(next));
          ++opened;
        } else {
          const bool never = (positions + kPage - 1) / kPage * kPageBytes > bound;
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
          ASSERT_THAT(kv.Truncate(number(kv.kept_length(), kv.length())), IsOk());
        } else if (what == 8) {
          kv.FindMore(open[at].tokens, number(0, kContext));
          kv.Keep(std::span(open[at].tokens).first(number(0, kContext)));
        } else {
          if (number(0, 1) == 0) kv.Keep(open[at].tokens);
          open.erase(open.begin() + static_cast<std::ptrdiff_t>(at));
        }
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
