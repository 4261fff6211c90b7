#ifndef RECYCLING_VERIFIER_ATTENTION_H_
#define RECYCLING_VERIFIER_ATTENTION_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "verifier/buffer.h"
#include "verifier/kernels/thread_pool.h"
#include "verifier/kv_rows.h"
#include "verifier/model_config.h"
#include "verifier/step.h"

namespace recycling::verifier {

// Scaled dot-product attention of tree rows. Row r attends to the positions of its sequence's
// cache, then to its ancestors in the pass from the root down, then to itself: absolute positions
// 0, 1, ..., position(r), each at its own index. Scores, their maximum, the sum of weights and the
// weighted sum of values all run over positions in ascending order, as they do when tokens come one
// at a time.
class Attention {
 public:
  // `pool` must outlive it.
  Attention(const ModelConfig& config, ThreadPool& pool);

  // Makes room for the rows of `step`. ResourceExhausted if memory cannot be had.
  absl::Status Prepare(const Step& step);

  // out[r, h] = sum over positions p of softmax(query[r, h] . key[p, g] / sqrt(key_length))
  // value[p, g], where group g = h / heads_per_group. query [rows, heads, key_length], out [rows,
  // heads, value_length]; `fresh` holds the keys and values of the pass's own rows. The step is the
  // last prepared one.
  void operator()(const Step& step, std::size_t layer, const KvRows& fresh, const float* query,
                  float* out);

 private:
  // A few rows of one segment: they share the loads of the prefix.
  struct Block {
    std::size_t segment;
    std::size_t first_row;  // in the pass
    std::size_t rows;
  };

  void RunBlock(const Step& step, const Block& block, std::size_t group, std::size_t layer,
                const KvRows& fresh, const float* query, float* out, std::size_t worker);

  const ModelConfig& config_;
  ThreadPool& pool_;
  std::vector<Block> blocks_;
  std::size_t max_positions_ = 0;
  Buffer<float> scores_;         // [threads, rows of a block, heads_per_group, max_positions]
  Buffer<float> loaded_;         // [threads, largest head size]
  Buffer<std::uint32_t> paths_;  // [threads, max_positions]
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_ATTENTION_H_
