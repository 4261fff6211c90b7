// The inner loops of attention. Only the sources of vector_kernels may include this file; see
// lanes.h.
#ifndef RECYCLING_VERIFIER_KERNELS_VECTOR_KERNELS_ATTENTION_H_
#define RECYCLING_VERIFIER_KERNELS_VECTOR_KERNELS_ATTENTION_H_

#include "verifier/kernels/lanes.h"
#include "verifier/kernels/vector_kernels.h"

namespace recycling::verifier {
namespace {

// A tile of kTileQueries x kTileVectors sums stays in registers. Its shape has no effect on the
// bits: every sum adds its own terms in ascending order.
#if defined(__AVX512F__)
constexpr int kTileQueries = 6;
constexpr int kTileVectors = 4;
#elif defined(__AVX2__)
constexpr int kTileQueries = 6;
constexpr int kTileVectors = 1;
#else
constexpr int kTileQueries = 2;
constexpr int kTileVectors = 1;
#endif

// Calls tile.template Run<q, v>(first query, first vector) over [queries, vectors].
template <int kQueries, class Tile>
void OverVectors(const Tile& tile, std::size_t query, std::size_t vectors) {
  std::size_t v = 0;
  for (; v + kTileVectors <= vectors; v += kTileVectors) {
    tile.template Run<kQueries, kTileVectors>(query, v);
  }
  for (; v < vectors; ++v) tile.template Run<kQueries, 1>(query, v);
}

template <int kQueries, class Tile>
void OverLastQueries(const Tile& tile, std::size_t query, std::size_t left, std::size_t vectors) {
  if (left == kQueries) {
    OverVectors<kQueries>(tile, query, vectors);
  } else if constexpr (kQueries > 1) {
    OverLastQueries<kQueries - 1>(tile, query, left, vectors);
  }
}

template <class Tile>
void OverTiles(const Tile& tile, std::size_t queries, std::size_t vectors) {
  std::size_t q = 0;
  for (; q + kTileQueries <= queries; q += kTileQueries) {
    OverVectors<kTileQueries>(tile, q, vectors);
  }
  if (q < queries) OverLastQueries<kTileQueries>(tile, q, queries - q, vectors);
}

struct ScoresTile {
  const float* query;
  std::size_t key_length;
  const float* keys;
  float* scores;
  std::size_t scores_stride;

  template <int kQueries, int kVectors>
  void Run(std::size_t first, std::size_t vector) const {
    const float* q = query + first * key_length;
    const float* k = keys + vector * kLanes;
    Lanes sums[kQueries][kVectors];
    for (int i = 0; i < kQueries; ++i) {
      for (int v = 0; v < kVectors; ++v) sums[i][v] = Lanes::Splat(0);
    }
    for (std::size_t d = 0; d < key_length; ++d, k += kKvBlockRows) {
      Lanes key[kVectors];
      for (int v = 0; v < kVectors; ++v) {
        key[v] = Lanes::Load(k + static_cast<std::size_t>(v) * kLanes);
      }
      for (int i = 0; i < kQueries; ++i) {
        const Lanes x = Lanes::Splat(q[static_cast<std::size_t>(i) * key_length + d]);
        for (int v = 0; v < kVectors; ++v) sums[i][v] = Madd(x, key[v], sums[i][v]);
      }
    }
    for (int i = 0; i < kQueries; ++i) {
      float* out = scores + (first + static_cast<std::size_t>(i)) * scores_stride + vector * kLanes;
      for (int v = 0; v < kVectors; ++v)
        sums[i][v].Store(out + static_cast<std::size_t>(v) * kLanes);
    }
  }
};

void Scores(const float* query, std::size_t queries, std::size_t key_length, const float* keys,
            float* scores, std::size_t scores_stride) {
  OverTiles(ScoresTile{query, key_length, keys, scores, scores_stride}, queries,
            kKvBlockRows / kLanes);
}

struct ValuesTile {
  const float* weights;
  std::size_t weights_stride;
  const float* const* values;
  std::size_t count;
  float* states;
  std::size_t state_stride;

  template <int kQueries, int kVectors>
  void Run(std::size_t first, std::size_t vector) const {
    float* state = states + first * state_stride;
    Lanes sums[kQueries][kVectors];
    for (int i = 0; i < kQueries; ++i) {
      const float* s = state + static_cast<std::size_t>(i) * state_stride;
      const Lanes factor = Lanes::Splat(s[AttentionState::kFactor]);
      for (int v = 0; v < kVectors; ++v) {
        sums[i][v] = factor * Lanes::Load(s + AttentionState::kOut +
                                          (vector + static_cast<std::size_t>(v)) * kLanes);
      }
    }
    const float* w = weights + first * weights_stride;
    for (std::size_t p = 0; p < count; ++p) {
      Lanes value[kVectors];
      for (int v = 0; v < kVectors; ++v) {
        value[v] = Lanes::Load(values[p] + (vector + static_cast<std::size_t>(v)) * kLanes);
      }
      for (int i = 0; i < kQueries; ++i) {
        const Lanes weight = Lanes::Splat(w[static_cast<std::size_t>(i) * weights_stride + p]);
        for (int v = 0; v < kVectors; ++v) sums[i][v] = Madd(weight, value[v], sums[i][v]);
      }
    }
    for (int i = 0; i < kQueries; ++i) {
      float* s = state + static_cast<std::size_t>(i) * state_stride + AttentionState::kOut;
      for (int v = 0; v < kVectors; ++v) {
        sums[i][v].Store(s + (vector + static_cast<std::size_t>(v)) * kLanes);
      }
    }
  }
};

// Turns the scores of one query into weights, and updates its maximum, sums and factor.
inline void Weigh(float* scores, std::size_t count, float* state) {
  constexpr float kInfinity = __builtin_inff();
  const std::size_t vectors = (count + kLanes - 1) / kLanes;
  const std::size_t last = count - (vectors - 1) * kLanes;  // lanes of the last vector, 1 to 16
  Lanes s[kKvBlockRows / kLanes];
  Lanes most = Lanes::Splat(-kInfinity);
  for (std::size_t v = 0; v < vectors; ++v) {
    s[v] = v + 1 < vectors || last == kLanes ? Lanes::Load(scores + v * kLanes)
                                             : LoadFirst(scores + v * kLanes, last, -kInfinity);
    most = Max(s[v], most);
  }
  const float before = state[AttentionState::kMaximum];
  const float block = Largest(most);
  const float largest = block > before ? block : before;
  const float factor = largest == before ? 1.0F : FirstExp(before - largest);
  state[AttentionState::kMaximum] = largest;
  state[AttentionState::kFactor] = factor;
  Lanes sum = Lanes::Load(state + AttentionState::kSums) * Lanes::Splat(factor);
  const Lanes shift = Lanes::Splat(largest);
  for (std::size_t v = 0; v < vectors; ++v) {
    Lanes weight = Exp(s[v] - shift);
    if (v + 1 == vectors) weight = weight.First(last);
    sum = sum + weight;
    weight.Store(scores + v * kLanes);
  }
  sum.Store(state + AttentionState::kSums);
}

void Attend(float* scores, std::size_t scores_stride, std::size_t queries,
            const float* const* values, std::size_t count, std::size_t value_vectors, float* states,
            std::size_t state_stride) {
  for (std::size_t q = 0; q < queries; ++q) {
    Weigh(scores + q * scores_stride, count, states + q * state_stride);
  }
  OverTiles(ValuesTile{scores, scores_stride, values, count, states, state_stride}, queries,
            value_vectors);
}

void Merge(const float* from, std::size_t value_vectors, float* to) {
  const float a = to[AttentionState::kMaximum];
  const float b = from[AttentionState::kMaximum];
  const float largest = b > a ? b : a;
  const Lanes to_factor = Lanes::Splat(FirstExp(a - largest));
  const Lanes from_factor = Lanes::Splat(FirstExp(b - largest));
  to[AttentionState::kMaximum] = largest;
  for (std::size_t v = 0; v <= value_vectors; ++v) {  // the sums, then the values
    const std::size_t at = AttentionState::kSums + v * kLanes;
    Madd(Lanes::Load(from + at), from_factor, Lanes::Load(to + at) * to_factor).Store(to + at);
  }
}

void Finish(const float* state, std::size_t value_length, float* out) {
  const Lanes inverse = Lanes::Splat(1.0F / Sum(Lanes::Load(state + AttentionState::kSums)));
  const float* value = state + AttentionState::kOut;
  std::size_t i = 0;
  for (; i + kLanes <= value_length; i += kLanes) (Lanes::Load(value + i) * inverse).Store(out + i);
  if (i < value_length) StoreFirst(Lanes::Load(value + i) * inverse, out + i, value_length - i);
}

}  // namespace
}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_VECTOR_KERNELS_ATTENTION_H_
