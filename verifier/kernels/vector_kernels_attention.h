// The inner loops of attention. Only the sources of vector_kernels may include this file; see
// lanes.h.
#ifndef RECYCLING_VERIFIER_KERNELS_VECTOR_KERNELS_ATTENTION_H_
#define RECYCLING_VERIFIER_KERNELS_VECTOR_KERNELS_ATTENTION_H_

#include "verifier/kernels/lanes.h"
#include "verifier/kernels/unroll.h"
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

// Fetches the lines of what is read next, a few beside each step of a tile.
struct Fetch {
  const std::byte* at;
  std::size_t step;  // bytes; 0: the same lines again, which is free

  // What corresponds to the vectors from `vector` on. Only the first tile of queries fetches; the
  // others touch a line of their own numbers.
  static Fetch Of(const KvAhead& ahead, const float* own, std::size_t first_query,
                  std::size_t vector) {
    if (first_query > 0 || ahead.at == nullptr) {
      return {reinterpret_cast<const std::byte*>(own), 0};
    }
    return {ahead.at + vector * kLanes * ahead.number_bytes, ahead.row_bytes};
  }
  void operator()() {
    __builtin_prefetch(at, 0, 2);
    __builtin_prefetch(at + 64, 0, 2);
    at += step;
  }
};

inline Lanes LoadNumbers(const float* at) { return Lanes::Load(at); }
inline Lanes LoadNumbers(const std::uint16_t* at) { return Lanes::LoadHalf(at); }

// Number is float, or std::uint16_t for half precision.
template <class Number>
struct ScoresTile {
  const float* query;
  std::size_t key_length;
  const Number* keys;
  KvAhead ahead;
  float* scores;
  std::size_t scores_stride;

  template <int kQueries, int kVectors>
  void Run(std::size_t first, std::size_t vector) const {
    const float* q = query + first * key_length;
    const Number* k = keys + vector * kLanes;
    Fetch fetch = Fetch::Of(ahead, q, first, vector);
    Lanes sums[kQueries][kVectors];
    Unroll<kQueries>([&](auto i) RECYCLING_INLINE {
      Unroll<kVectors>([&](auto v) RECYCLING_INLINE { sums[i][v] = Lanes::Splat(0); });
    });
    for (std::size_t d = 0; d < key_length; ++d, k += kKvBlockRows, ++q) {
      fetch();
      Lanes key[kVectors];
      Unroll<kVectors>([&](auto v) RECYCLING_INLINE { key[v] = LoadNumbers(k + v * kLanes); });
      Unroll<kQueries>([&](auto i) RECYCLING_INLINE {
        const Lanes x = Lanes::Splat(q[i * key_length]);
        Unroll<kVectors>([&](auto v)
                             RECYCLING_INLINE { sums[i][v] = Madd(x, key[v], sums[i][v]); });
      });
    }
    Unroll<kQueries>([&](auto i) RECYCLING_INLINE {
      float* out = scores + (first + i) * scores_stride + vector * kLanes;
      Unroll<kVectors>([&](auto v) RECYCLING_INLINE { sums[i][v].Store(out + v * kLanes); });
    });
  }
};

template <class Number>
void Scores(const float* query, std::size_t queries, std::size_t key_length, const Number* keys,
            const KvAhead& ahead, float* scores, std::size_t scores_stride) {
  OverTiles(ScoresTile<Number>{query, key_length, keys, ahead, scores, scores_stride}, queries,
            kKvBlockRows / kLanes);
}

struct FloatRows {
  const float* const* rows;
  const float* Row(std::size_t p) const { return rows[p]; }
};
struct HalfRows {
  const std::uint16_t* first;
  std::size_t row_numbers;
  const std::uint16_t* Row(std::size_t p) const { return first + p * row_numbers; }
};

template <class Values>
struct ValuesTile {
  const float* weights;
  std::size_t weights_stride;
  Values values;
  std::size_t count;
  KvAhead ahead;
  float* states;
  std::size_t state_stride;

  template <int kQueries, int kVectors>
  void Run(std::size_t first, std::size_t vector) const {
    float* const state = states + first * state_stride;
    float* const outs = state + AttentionState::kOut + vector * kLanes;
    Fetch fetch = Fetch::Of(ahead, outs, first, vector);
    Lanes sums[kQueries][kVectors];
    Unroll<kQueries>([&](auto i) RECYCLING_INLINE {
      const Lanes factor = Lanes::Splat(state[i * state_stride + AttentionState::kFactor]);
      Unroll<kVectors>([&](auto v) RECYCLING_INLINE {
        sums[i][v] = factor * Lanes::Load(outs + i * state_stride + v * kLanes);
      });
    });
    const float* w = weights + first * weights_stride;
    for (std::size_t p = 0; p < count; ++p, ++w) {
      fetch();
      const auto* from = values.Row(p) + vector * kLanes;
      Lanes value[kVectors];
      Unroll<kVectors>([&](auto v) RECYCLING_INLINE { value[v] = LoadNumbers(from + v * kLanes); });
      Unroll<kQueries>([&](auto i) RECYCLING_INLINE {
        const Lanes weight = Lanes::Splat(w[i * weights_stride]);
        Unroll<kVectors>([&](auto v)
                             RECYCLING_INLINE { sums[i][v] = Madd(weight, value[v], sums[i][v]); });
      });
    }
    Unroll<kQueries>([&](auto i) RECYCLING_INLINE {
      Unroll<kVectors>(
          [&](auto v) RECYCLING_INLINE { sums[i][v].Store(outs + i * state_stride + v * kLanes); });
    });
  }
};

// Raises the maxima of up to kLanes queries to those of their scores, and sets their factors.
inline void RaiseMaxima(const float* scores, std::size_t scores_stride, std::size_t queries,
                        std::size_t count, float* states, std::size_t state_stride) {
  constexpr float kInfinity = __builtin_inff();
  const std::size_t whole = count / kLanes * kLanes;
  float maxima[kLanes] = {};
  float blocks[kLanes] = {};
  for (std::size_t q = 0; q < queries; ++q) {
    const float* s = scores + q * scores_stride;
    Lanes most = Lanes::Splat(-kInfinity);
    for (std::size_t p = 0; p < whole; p += kLanes) most = Max(Lanes::Load(s + p), most);
    if (whole < count) most = Max(LoadFirst(s + whole, count - whole, -kInfinity), most);
    maxima[q] = states[q * state_stride + AttentionState::kMaximum];
    blocks[q] = Largest(most);
  }
  const Lanes before = Lanes::Load(maxima);
  const Lanes after = Max(Lanes::Load(blocks), before);
  after.Store(maxima);
  // The difference of equal infinities is NaN, which Min replaces by 0. The factor of 0 is 1.
  float factors[kLanes];
  Exp(Min(before - after, Lanes::Splat(0))).Store(factors);
  for (std::size_t q = 0; q < queries; ++q) {
    states[q * state_stride + AttentionState::kMaximum] = maxima[q];
    states[q * state_stride + AttentionState::kFactor] = factors[q];
  }
}

// Turns the scores of one query into weights, and adds them to its sums.
inline void Weigh(float* scores, std::size_t count, float* state) {
  const Lanes shift = Lanes::Splat(state[AttentionState::kMaximum]);
  Lanes sum =
      Lanes::Load(state + AttentionState::kSums) * Lanes::Splat(state[AttentionState::kFactor]);
  std::size_t p = 0;
  for (; p + kLanes <= count; p += kLanes) {
    const Lanes weight = Exp(Lanes::Load(scores + p) - shift);
    sum = sum + weight;
    weight.Store(scores + p);
  }
  if (p < count) {  // what follows the scores belongs to another query
    const Lanes last = LoadFirst(scores + p, count - p, -__builtin_inff());
    const Lanes weight = Exp(last - shift).First(count - p);
    sum = sum + weight;
    StoreFirst(weight, scores + p, count - p);
  }
  sum.Store(state + AttentionState::kSums);
}

template <class Values>
void AddBlock(float* scores, std::size_t scores_stride, std::size_t queries, const Values& values,
              std::size_t count, std::size_t value_vectors, const KvAhead& ahead, float* states,
              std::size_t state_stride) {
  for (std::size_t q = 0; q < queries; q += kLanes) {
    const std::size_t some = queries - q < kLanes ? queries - q : kLanes;
    RaiseMaxima(scores + q * scores_stride, scores_stride, some, count, states + q * state_stride,
                state_stride);
  }
  for (std::size_t q = 0; q < queries; ++q) {
    Weigh(scores + q * scores_stride, count, states + q * state_stride);
  }
  OverTiles(ValuesTile<Values>{scores, scores_stride, values, count, ahead, states, state_stride},
            queries, value_vectors);
}

void Attend(float* scores, std::size_t scores_stride, std::size_t queries,
            const float* const* values, std::size_t count, std::size_t value_vectors,
            const KvAhead& ahead, float* states, std::size_t state_stride) {
  AddBlock(scores, scores_stride, queries, FloatRows{values}, count, value_vectors, ahead, states,
           state_stride);
}

void AttendHalf(float* scores, std::size_t scores_stride, std::size_t queries,
                const std::uint16_t* values, std::size_t value_vectors, const KvAhead& ahead,
                float* states, std::size_t state_stride) {
  AddBlock(scores, scores_stride, queries, HalfRows{values, value_vectors * kLanes}, kKvBlockRows,
           value_vectors, ahead, states, state_stride);
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
