// Compares attention with its definition in scalar code for every instruction set. All bits must be
// equal.
#include "verifier/forward/attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "verifier/kernels/float_math.h"

namespace recycling::verifier {
namespace {

using Floats = std::vector<float>;

struct Shape {
  std::uint32_t kv_heads;
  std::uint32_t heads_per_group;
  std::uint32_t key_length;
  std::uint32_t value_length;
  std::uint32_t window = 0;  // of the layer; 0: none
};

ModelConfig ConfigOf(const Shape& shape) {
  ModelConfig config;
  config.layers = 2;
  config.heads = shape.kv_heads * shape.heads_per_group;
  config.kv_heads = shape.kv_heads;
  config.key_length = shape.key_length;
  config.value_length = shape.value_length;
  config.rope_dimensions = shape.key_length / 4 * 2;
  config.rope_freq_base = 10000;
  config.window = shape.window;
  config.window_pattern = 3;  // layer 1 has the window
  return config;
}

// Attention of one query in scalar code.
class Definition {
 public:
  Definition(std::size_t key_length, std::size_t value_length)
      : key_length_(key_length), value_length_(value_length) {}

  // RoPE is already applied to `query` and `keys`. keys[p] and values[p] belong to position p. The
  // query sees positions from `first` on. Blocks without a seen position are left out.
  Floats operator()(Floats query, const std::vector<const float*>& keys,
                    const std::vector<const float*>& values, std::size_t first) const {
    const float scale = 1.0F / std::sqrt(static_cast<float>(key_length_));
    for (float& x : query) x *= scale;
    State total(value_length_);
    for (std::size_t chunk = first / 1024 * 1024; chunk < keys.size(); chunk += 1024) {
      State state(value_length_);
      for (std::size_t block = chunk; block < std::min(keys.size(), chunk + 1024); block += 64) {
        if (block + 64 <= first) continue;
        AddBlock(query, keys, values, std::max(block, first), std::min(keys.size(), block + 64),
                 state);
      }
      const float largest = std::max(total.maximum, state.maximum);
      const float a = Exp(total.maximum - largest);
      const float b = Exp(state.maximum - largest);
      total.maximum = largest;
      for (std::size_t l = 0; l < 16; ++l) {
        total.sums[l] = std::fma(state.sums[l], b, total.sums[l] * a);
      }
      for (std::size_t d = 0; d < value_length_; ++d) {
        total.out[d] = std::fma(state.out[d], b, total.out[d] * a);
      }
    }
    for (std::size_t half = 8; half > 0; half /= 2) {
      for (std::size_t l = 0; l < half; ++l) total.sums[l] += total.sums[l + half];
    }
    const float inverse = 1.0F / total.sums[0];
    for (float& x : total.out) x *= inverse;
    return total.out;
  }

 private:
  struct State {
    explicit State(std::size_t value_length) : out(value_length, 0.0F) {}
    float maximum = -std::numeric_limits<float>::infinity();
    float sums[16] = {};
    Floats out;
  };

  void AddBlock(const Floats& query, const std::vector<const float*>& keys,
                const std::vector<const float*>& values, std::size_t begin, std::size_t end,
                State& state) const {
    Floats weights(end - begin, 0.0F);
    float largest = state.maximum;
    for (std::size_t p = begin; p < end; ++p) {
      float& score = weights[p - begin];
      for (std::size_t d = 0; d < key_length_; ++d) score = std::fma(query[d], keys[p][d], score);
      largest = std::max(largest, score);
    }
    const float factor = Exp(state.maximum - largest);
    state.maximum = largest;
    for (float& sum : state.sums) sum *= factor;
    for (float& x : state.out) x *= factor;
    for (std::size_t i = 0; i < weights.size(); ++i) {
      const float weight = Exp(weights[i] - largest);
      state.sums[i % 16] += weight;
      for (std::size_t d = 0; d < value_length_; ++d) {
        state.out[d] = std::fma(weight, values[begin + i][d], state.out[d]);
      }
    }
  }

  const std::size_t key_length_;
  const std::size_t value_length_;
};

// Keys and values of tokens, [tokens][heads][length]. The rounded ones have the precision of the
// cache.
struct Tokens {
  Tokens(std::size_t count, const ModelConfig& config, KvType type, std::mt19937& random)
      : keys(Random(count * config.kv_heads * config.key_length, random)),
        values(Random(count * config.kv_heads * config.value_length, random)),
        rounded_values(values) {
    if (type == KvType::kF16) Round(rounded_values);
  }
  static Floats Random(std::size_t count, std::mt19937& random) {
    std::normal_distribution<float> normal(0, 1.5F);
    Floats x(count);
    for (float& v : x) v = normal(random);
    return x;
  }
  static void Round(Floats& x) {
    for (float& v : x) v = HalfToFloat(FloatToHalf(v));
  }

  Floats keys;
  Floats values;
  Floats rounded_values;
  Floats rounded_keys;  // after RoPE
};

struct Sequence {
  std::unique_ptr<KvSequence> kv;
  Tokens prefix;
};

class AttentionTest : public testing::TestWithParam<InstructionSet> {
 protected:
  struct Part {
    std::size_t prefix;
    std::vector<std::int32_t> parents;
  };

  // Runs one pass over `parts` and compares every row and head.
  void Check(const Shape& shape, KvType type, int threads, const std::vector<Part>& parts) {
    const ModelConfig config = ConfigOf(shape);
    const VectorKernels& kernels = VectorKernelsFor(GetParam());
    const KvLayout layout = KvLayout::Of(config, type);
    auto cache = *KvCache::Create(config, type, 1 << 20, static_cast<int>(parts.size()));
    std::vector<Sequence> sequences;
    Step step;
    for (const Part& part : parts) {
      const auto most = static_cast<std::uint32_t>(part.prefix + 1);
      sequences.push_back(
          {*cache->Open({.max_positions = most}), Tokens(part.prefix, config, type, random_)});
      Fill(sequences.back(), part.prefix, config, kernels);
      const std::size_t first = step.rows();
      step.segments.push_back({.kv = sequences.back().kv.get(),
                               .prefix = static_cast<std::uint32_t>(part.prefix),
                               .first_row = first,
                               .rows = part.parents.size()});
      for (const std::int32_t parent : part.parents) {
        const std::size_t in_pass = first + static_cast<std::size_t>(std::max(parent, 0));
        step.tokens.push_back(0);
        step.parents.push_back(parent < 0 ? -1 : static_cast<std::int32_t>(in_pass));
        step.positions.push_back(parent < 0 ? static_cast<std::uint32_t>(part.prefix)
                                            : step.positions[in_pass] + 1);
      }
    }
    const std::size_t rows = step.rows();
    const auto pool = ThreadPool::Create(threads);
    ASSERT_TRUE(pool.ok()) << pool.status();
    Attention attention(config, **pool, GetParam());
    Rope rope(config, {}, kernels);
    KvRows fresh;
    ASSERT_TRUE(fresh.Reserve(layout, rows).ok());
    ASSERT_TRUE(rope.Reserve(rows).ok());
    ASSERT_TRUE(attention.Prepare(step).ok());
    rope.SetPositions(step.positions);
    Floats query = Tokens::Random(rows * config.heads * config.key_length, random_);
    Tokens own(rows, config, type, random_);
    Floats out(rows * config.heads * config.value_length);
    Floats turned_keys = own.keys;
    attention(step, 1, rope, query.data(), turned_keys.data(), own.values.data(), fresh,
              out.data());

    for (std::size_t r = 0; r < rows; ++r) {
      rope.Turn(r, config.heads, config.key_length,
                query.data() + r * config.heads * config.key_length);
      rope.Turn(r, config.kv_heads, config.key_length,
                own.keys.data() + r * config.kv_heads * config.key_length);
    }
    own.rounded_keys = own.keys;
    if (type == KvType::kF16) Tokens::Round(own.rounded_keys);
    const Definition definition(config.key_length, config.value_length);
    for (std::size_t s = 0; s < parts.size(); ++s) {
      const StepSegment& segment = step.segments[s];
      for (std::size_t r = segment.first_row; r < segment.first_row + segment.rows; ++r) {
        for (std::size_t h = 0; h < config.heads; ++h) {
          const std::size_t group = h / config.heads_per_group();
          std::vector<const float*> keys;
          std::vector<const float*> values;
          const auto add = [&](const Tokens& tokens, std::size_t token) {
            const std::size_t at = token * config.kv_heads + group;
            keys.push_back(tokens.rounded_keys.data() + at * config.key_length);
            values.push_back(tokens.rounded_values.data() + at * config.value_length);
          };
          for (std::int32_t at = static_cast<std::int32_t>(r); at >= 0;
               at = step.parents[static_cast<std::size_t>(at)]) {
            add(own, static_cast<std::size_t>(at));
          }
          for (std::size_t p = segment.prefix; p-- > 0;) add(sequences[s].prefix, p);
          std::reverse(keys.begin(), keys.end());
          std::reverse(values.begin(), values.end());
          const std::size_t at = r * config.heads + h;
          const auto q = query.begin() + static_cast<std::ptrdiff_t>(at * config.key_length);
          const std::size_t first =
              config.window == 0 || keys.size() <= config.window ? 0 : keys.size() - config.window;
          const Floats expected = definition({q, q + config.key_length}, keys, values, first);
          ASSERT_EQ(std::memcmp(expected.data(), out.data() + at * config.value_length,
                                config.value_length * sizeof(float)),
                    0)
              << "segment " << s << ", row " << r << ", head " << h << ": got "
              << out[at * config.value_length] << ", expected " << expected[0];
        }
      }
    }
  }

  std::vector<std::int32_t> Tree(std::size_t rows) {
    std::vector<std::int32_t> parents = {-1};
    while (parents.size() < rows) {
      parents.push_back(static_cast<std::int32_t>(random_() % parents.size()));
    }
    std::sort(parents.begin(), parents.end());  // breadth first
    return parents;
  }
  static std::vector<std::int32_t> Chain(std::size_t rows) {
    std::vector<std::int32_t> parents(rows);
    std::iota(parents.begin(), parents.end(), -1);
    return parents;
  }

  std::mt19937 random_{5};

 private:
  // Appends the prefix in pieces of random sizes.
  void Fill(Sequence& sequence, std::size_t count, const ModelConfig& config,
            const VectorKernels& kernels) {
    sequence.prefix.rounded_keys = sequence.prefix.keys;
    if (sequence.kv->layout().type == KvType::kF16) Tokens::Round(sequence.prefix.rounded_keys);
    KvRows rows;
    ASSERT_TRUE(rows.Reserve(sequence.kv->layout(), count).ok());
    for (std::size_t layer = 0; layer < config.layers; ++layer) {
      for (std::size_t r = 0; r < count; ++r) {
        for (std::size_t h = 0; h < config.kv_heads; ++h) {
          const std::size_t at = r * config.kv_heads + h;
          rows.Store(kernels, layer, h, r, sequence.prefix.keys.data() + at * config.key_length,
                     sequence.prefix.values.data() + at * config.value_length);
        }
      }
    }
    std::vector<int> all(count);
    std::iota(all.begin(), all.end(), 0);
    for (std::span<const int> left = all; !left.empty();) {
      const std::size_t piece = std::min<std::size_t>(left.size(), 1 + random_() % 200);
      ASSERT_TRUE(sequence.kv->Append(rows, left.first(piece)).ok());
      left = left.subspan(piece);
    }
  }
};

std::vector<InstructionSet> Builds() {
  std::vector<InstructionSet> builds;
  for (const auto set :
       {InstructionSet::kPortable, InstructionSet::kAvx2, InstructionSet::kAvx512}) {
    if (Supports(set)) builds.push_back(set);
  }
  return builds;
}

INSTANTIATE_TEST_SUITE_P(Builds, AttentionTest, testing::ValuesIn(Builds()),
                         [](const auto& set) { return std::string(Name(set.param)); });

constexpr Shape kGrouped = {2, 3, 64, 64};
constexpr Shape kOdd = {3, 1, 6, 10};
constexpr Shape kWide = {1, 8, 96, 80};

TEST_P(AttentionTest, TreesAndChainsEqualTheDefinitionAtAnyPrefix) {
  for (const Shape& shape : {kGrouped, kOdd, kWide}) {
    for (const KvType type : {KvType::kF16, KvType::kF32}) {
      for (const std::size_t prefix : {0U, 1U, 60U, 64U, 130U, 1020U, 1024U}) {
        SCOPED_TRACE(testing::Message()
                     << "prefix " << prefix << ", heads of " << shape.key_length);
        Check(shape, type, 1 + static_cast<int>(prefix % 3), {{prefix, Tree(1 + prefix % 40)}});
        if (HasFatalFailure()) return;
      }
    }
  }
}

// A chunk has more rows than attention computes in one read of the prefix.
TEST_P(AttentionTest, LongChunksEqualTheDefinition) {
  Check(kGrouped, KvType::kF16, 2, {{37, Chain(150)}});
  Check(kWide, KvType::kF32, 2, {{70, Chain(80)}});
}

TEST_P(AttentionTest, SequencesInOnePassDoNotMix) {
  Check(kGrouped, KvType::kF16, 3, {{70, Tree(9)}, {0, Chain(130)}, {200, Tree(81)}, {64, {-1}}});
  Check(kWide, KvType::kF32, 2, {{3, Chain(50)}, {90, Tree(60)}});
}

// Several tasks compute the chunks of a long prefix, with one thread and with four. The last chunk
// can hold the end of the prefix and the first new rows.
TEST_P(AttentionTest, LongPrefixesEqualTheDefinitionForAnyNumberOfThreads) {
  for (const int threads : {1, 4}) {
    Check({1, 2, 16, 16}, KvType::kF16, threads, {{9000, Tree(9)}});
    Check({1, 2, 16, 16}, KvType::kF16, threads, {{9215, Tree(3)}, {2100, {-1}}});
    Check({1, 1, 6, 10}, KvType::kF32, threads, {{8150, Chain(120)}});
  }
}

// Rows at different depths of a tree see different first positions. Some blocks are seen by a part
// of the rows only, and some chunks by none.
TEST_P(AttentionTest, WindowsEqualTheDefinition) {
  for (const std::uint32_t window : {1U, 5U, 63U, 64U, 65U, 200U, 1100U}) {
    for (const std::size_t prefix : {0U, 3U, 62U, 64U, 130U, 1030U, 2100U}) {
      SCOPED_TRACE(testing::Message() << "window " << window << ", prefix " << prefix);
      const int threads = 1 + static_cast<int>((prefix + window) % 4);
      Check({2, 3, 16, 16, window}, KvType::kF16, threads, {{prefix, Tree(1 + prefix % 40)}});
      Check({1, 1, 6, 10, window}, KvType::kF32, threads, {{prefix, Chain(20)}});
      if (HasFatalFailure()) return;
    }
  }
  Check({1, 2, 16, 16, 70}, KvType::kF16, 4, {{9215, Tree(3)}, {2100, {-1}}});
  // A deep row hides positions that the row after it sees.
  Check({1, 2, 16, 16, 60}, KvType::kF32, 1, {{60, {-1, 0, 1, 2, -1, 4, -1}}});
  Check({2, 3, 64, 64, 30}, KvType::kF16, 3, {{70, Tree(9)}, {0, Chain(330)}, {200, Tree(81)}});
}

}  // namespace
}  // namespace recycling::verifier
