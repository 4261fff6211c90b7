#include "verifier/attention.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "common/status_macros.h"
#include "verifier/kernels/dot.h"
#include "verifier/kernels/float_math.h"

namespace recycling::verifier {
namespace {

constexpr std::size_t kBlockRows = 8;

// Turns scores into weights e^(score - largest) / sum.
void Softmax(float* scores, std::size_t count) {
  float largest = -std::numeric_limits<float>::infinity();
  for (std::size_t p = 0; p < count; ++p) largest = std::max(largest, scores[p]);
  for (std::size_t p = 0; p < count; ++p) scores[p] = Exp(scores[p] - largest);
  float sum = 0;
  for (std::size_t p = 0; p < count; ++p) sum += scores[p];
  const float inverse_sum = 1.0F / sum;
  for (std::size_t p = 0; p < count; ++p) scores[p] *= inverse_sum;
}

// out += weight * value, [size].
void AddScaled(float weight, const float* __restrict value, std::size_t size,
               float* __restrict out) {
  for (std::size_t i = 0; i < size; ++i) out[i] += weight * value[i];
}

// Rows of the pass from the root of `row`'s tree down to `row` itself.
std::span<const std::uint32_t> Path(const Step& step, std::uint32_t prefix, std::size_t row,
                                    std::uint32_t* path) {
  const std::size_t size = step.positions[row] - prefix + 1;
  auto at = static_cast<std::int32_t>(row);
  for (std::size_t i = size; i-- > 0;) {
    path[i] = static_cast<std::uint32_t>(at);
    at = step.parents[static_cast<std::size_t>(at)];
  }
  return {path, size};
}

}  // namespace

Attention::Attention(const ModelConfig& config, ThreadPool& pool) : config_(config), pool_(pool) {}

absl::Status Attention::Prepare(const Step& step) {
  blocks_.clear();
  for (std::size_t s = 0; s < step.segments.size(); ++s) {
    const StepSegment& segment = step.segments[s];
    for (std::size_t r = 0; r < segment.rows; r += kBlockRows) {
      blocks_.push_back({s, segment.first_row + r, std::min(kBlockRows, segment.rows - r)});
    }
  }
  // Grows by half at least, so that a growing sequence does not grow it at every step.
  if (step.max_positions > max_positions_) {
    const std::size_t positions =
        std::max<std::size_t>(step.max_positions, max_positions_ + max_positions_ / 2);
    const std::size_t rows = pool_.threads() * kBlockRows * config_.heads_per_group();
    RETURN_IF_ERROR(scores_.Reserve(rows * positions, "attention scores"));
    RETURN_IF_ERROR(paths_.Reserve(pool_.threads() * positions, "paths"));
    max_positions_ = positions;
  }
  return loaded_.Reserve(pool_.threads() * std::max(config_.key_length, config_.value_length),
                         "keys and values");
}

void Attention::operator()(const Step& step, std::size_t layer, const KvRows& fresh,
                           const float* query, float* out) {
  pool_.Run(blocks_.size() * config_.kv_heads, [&](std::size_t task, std::size_t worker) {
    RunBlock(step, blocks_[task / config_.kv_heads], task % config_.kv_heads, layer, fresh, query,
             out, worker);
  });
}

void Attention::RunBlock(const Step& step, const Block& block, std::size_t group, std::size_t layer,
                         const KvRows& fresh, const float* query, float* out, std::size_t worker) {
  const StepSegment& segment = step.segments[block.segment];
  const KvType type = fresh.layout().type;
  const std::size_t key_length = config_.key_length;
  const std::size_t value_length = config_.value_length;
  const std::size_t heads = config_.heads_per_group();  // that share keys and values
  const std::size_t key_offset = group * key_length * fresh.layout().number_bytes();
  const std::size_t value_offset = group * value_length * fresh.layout().number_bytes();
  const float scale = 1.0F / std::sqrt(static_cast<float>(key_length));
  float* const loaded = loaded_.data() + worker * std::max(key_length, value_length);
  std::uint32_t* const path_scratch = paths_.data() + worker * max_positions_;

  // Of row r of the block and head h of the group:
  const auto scores = [&](std::size_t r, std::size_t h) {
    return scores_.data() + ((worker * kBlockRows + r) * heads + h) * max_positions_;
  };
  const auto index = [&](std::size_t r, std::size_t h) {
    return (block.first_row + r) * config_.heads + group * heads + h;
  };
  // Calls use(r, position, numbers) for every row and every position it attends to, positions
  // ascending for each row. The prefix is loaded once for all rows.
  const auto visit = [&](auto at_prefix, auto at_row, std::size_t size, auto use) {
    for (std::uint32_t p = 0; p < segment.prefix; ++p) {
      const float* numbers = LoadKv(type, at_prefix(p), size, loaded);
      for (std::size_t r = 0; r < block.rows; ++r) use(r, p, numbers);
    }
    for (std::size_t r = 0; r < block.rows; ++r) {
      std::uint32_t p = segment.prefix;
      for (const std::uint32_t row : Path(step, p, block.first_row + r, path_scratch)) {
        use(r, p++, LoadKv(type, at_row(row), size, loaded));
      }
    }
  };

  visit([&](std::uint32_t p) { return segment.kv->Key(layer, p) + key_offset; },
        [&](std::uint32_t row) { return fresh.Key(layer, row) + key_offset; }, key_length,
        [&](std::size_t r, std::uint32_t position, const float* key) {
          for (std::size_t h = 0; h < heads; ++h) {
            const float* q = query + index(r, h) * key_length;
            scores(r, h)[position] = Dot(q, key, key_length) * scale;
          }
        });
  for (std::size_t r = 0; r < block.rows; ++r) {
    for (std::size_t h = 0; h < heads; ++h) {
      Softmax(scores(r, h), step.positions[block.first_row + r] + 1);
      std::fill_n(out + index(r, h) * value_length, value_length, 0.0F);
    }
  }
  visit([&](std::uint32_t p) { return segment.kv->Value(layer, p) + value_offset; },
        [&](std::uint32_t row) { return fresh.Value(layer, row) + value_offset; }, value_length,
        [&](std::size_t r, std::uint32_t position, const float* value) {
          for (std::size_t h = 0; h < heads; ++h) {
            AddScaled(scores(r, h)[position], value, value_length,
                      out + index(r, h) * value_length);
          }
        });
}

}  // namespace recycling::verifier
