#ifndef RECYCLING_VERIFIER_FORWARD_ATTENTION_H_
#define RECYCLING_VERIFIER_FORWARD_ATTENTION_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "verifier/forward/rope.h"
#include "verifier/forward/step.h"
#include "verifier/kernels/buffer.h"
#include "verifier/kernels/thread_pool.h"
#include "verifier/kernels/vector_kernels.h"
#include "verifier/kv/kv_rows.h"
#include "verifier/model/model_config.h"

namespace recycling::verifier {

// Scaled dot-product attention of tree rows. Row r attends to the positions of its sequence's
// cache, then to its ancestors in the pass from the root down, then to itself: absolute positions
// 0, 1, ..., position(r), each at its own index.
//
// The arithmetic of one query is a function of its own positions: they are taken in blocks of
// kKvBlockRows and the blocks in chunks of kChunkBlocks, at absolute indices. A chunk starts
// afresh, block after block is added to it (VectorKernels::attend), and chunks are merged in
// ascending order. So a row's bits do not depend on what else is in the pass, on how it is cut into
// tasks or on how long other sequences are.
//
// A block of the prefix is read and converted once for all rows of the sequence that are in the
// pass and all heads that share it (up to 256 queries; more are done in turns).
class Attention {
 public:
  static constexpr std::size_t kChunkBlocks = 16;

  // `pool` must outlive it. `set` must be supported.
  Attention(const ModelConfig& config, ThreadPool& pool, InstructionSet set);

  // Makes room for the rows of `step`. ResourceExhausted if memory cannot be had.
  absl::Status Prepare(const Step& step);

  // Turns the keys by their positions, keeps them and the values, rounded, in layer `layer` of
  // `fresh`, and attends:
  // out[r, h] = sum over positions p of softmax(rope(query[r, h]) . key[p, g] / sqrt(key_length))
  // value[p, g], where group g = h / heads_per_group. query [rows, heads, key_length], key [rows,
  // kv_heads, key_length], value [rows, kv_heads, value_length], out [rows, heads, value_length].
  // The step is the last prepared one, whose positions `rope` has.
  void operator()(const Step& step, std::size_t layer, const Rope& rope, const float* query,
                  float* key, const float* value, KvRows& fresh, float* out);

 private:
  // Rows of one segment that go through its prefix together.
  struct Tile {
    std::size_t segment;
    std::size_t first_row;  // in the pass
    std::size_t rows;
  };
  // Blocks of the prefix whose state is computed by a task of its own.
  struct Chunk {
    std::size_t tile;
    std::size_t index;
  };
  // What the tasks of one call share.
  struct Call {
    const Step& step;
    std::size_t layer;
    const Rope& rope;
    const float* query;
    float* key;
    const float* value;
    KvRows& fresh;
    float* out;
  };
  // Memory of one task.
  struct Scratch {
    float* queries;            // [tile queries, key_length]; turned and scaled
    float* keys;               // [key_length, kKvBlockRows]
    float* values;             // [kKvBlockRows, padded value_length]
    float* scores;             // [tile queries, kKvBlockRows]
    float* fresh_scores;       // [tile queries, fresh blocks of a segment * kKvBlockRows]
    float* fresh_values;       // [fresh blocks of a segment * kKvBlockRows, padded value_length]
    float* current;            // [tile queries, state]; of the chunk under way
    float* total;              // [tile queries, state]; of the chunks before
    const float** value_rows;  // [kKvBlockRows]
    std::uint32_t* runs;       // [rows of a segment]
  };

  void PlanSplit(const Step& step);
  absl::Status ReserveScratch();
  Scratch ScratchOf(std::size_t worker);

  void StoreFresh(const Call& call, std::size_t segment, std::size_t head) const;
  void PackQueries(const Call& call, const Tile& tile, std::size_t head, float* queries) const;
  void RunChunk(const Call& call, std::size_t chunk, std::size_t head, Scratch& scratch);
  void RunTile(const Call& call, std::size_t tile, std::size_t head, Scratch& scratch);
  // Adds blocks [begin, end) of the prefix, all of them full, to `states`.
  void AddPrefix(const Call& call, const Tile& tile, std::size_t head, std::size_t begin,
                 std::size_t end, Scratch& scratch, float* states) const;
  void AddTail(const Call& call, const Tile& tile, std::size_t head, Scratch& scratch) const;
  void AddTailOfRow(const Call& call, const Tile& tile, std::size_t row, std::size_t first_block,
                    const Scratch& scratch) const;

  const float* LoadKeys(const std::byte* keys, float* scratch) const;
  // [rows, padded value_length]
  const float* LoadValues(const std::byte* values, std::size_t rows, float* scratch) const;
  void Clear(std::size_t queries, float* states) const;
  void MergeChunk(std::size_t queries, float* current, float* total) const;
  // States of a chunk that had a task of its own.
  float* ChunkStates(std::size_t chunk, std::size_t head);

  const ModelConfig& config_;
  ThreadPool& pool_;
  const VectorKernels& kernels_;
  const std::size_t heads_;          // that share keys and values
  const std::size_t value_vectors_;  // of 16 floats
  const std::size_t state_floats_;
  KvType kv_type_ = KvType::kF32;

  std::vector<Tile> tiles_;
  std::vector<Chunk> chunks_;             // empty: tiles do their chunks themselves
  std::vector<std::size_t> first_chunk_;  // [tiles]; of a tile in chunks_
  bool one_tile_ = false;
  std::vector<std::uint32_t> run_starts_;  // [rows]; first of the rows, each the parent of the
                                           // next, that end here and follow each other
  std::size_t tile_queries_ = 0;           // of the largest tile
  std::size_t fresh_rows_ = 0;             // of the largest segment, whole blocks
  std::size_t scratch_floats_ = 0;         // of one task
  Buffer<float> scratch_;                  // [threads, scratch_floats_]
  Buffer<const float*> value_rows_;        // [threads, kKvBlockRows]
  Buffer<std::uint32_t> runs_;             // [threads, fresh_rows_]
  Buffer<float> chunk_states_;             // [chunks, kv_heads, kSplitQueries, state]
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_FORWARD_ATTENTION_H_
