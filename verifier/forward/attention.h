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

// Scaled dot-product attention of tree rows. Row r attends to the positions of its sequence in the
// cache, then to its ancestors in the pass from the root down, then to itself. Together these are
// the absolute positions 0, 1, ..., position(r).
//
// The result of one query depends only on its own positions. They are divided into blocks of
// kKvBlockRows positions and chunks of kChunkBlocks blocks, beginning at position 0. A state is
// what softmax attention has summed up for one query: the largest score, the sum of the weights and
// the weighted sum of the values. The state of a chunk starts empty. Its blocks are added one after
// the other (VectorKernels::attend), and the chunks are merged in ascending order. In a layer with
// a window, positions, blocks and chunks that a row does not see are left out. So the bits of a row
// do not depend on the other rows of the pass, on the division into tasks or on the lengths of
// other sequences.
//
// A block of the prefix is read and converted once for up to 256 queries: those of all rows of its
// sequence in the pass and of all heads that share it. If there are more queries, the block is read
// again for the next 256.
class Attention {
 public:
  static constexpr std::size_t kChunkBlocks = 16;

  // `config` and `pool` must outlive this object. The machine must support `set`.
  Attention(const ModelConfig& config, ThreadPool& pool, InstructionSet set);

  // Makes room for the rows of `step`. With `needed_only` the calls that follow compute the outputs
  // of step.needed_rows only. Returns ResourceExhausted if the system has no memory.
  absl::Status Prepare(const Step& step, bool needed_only = false);

  // Rotates the keys by their positions (Rope), rounds the keys and values, and stores them in
  // layer `layer` of `fresh`, which holds the keys and values of the rows of the pass. Then
  // computes, with group g = h / heads_per_group,
  //   out[r, h] = sum over positions p of
  //               softmax(scale rope(query[r, h]) . key[p, g]) value[p, g].
  // With a soft cap, the scaled scores are capped before the softmax (ModelConfig::score_soft_cap).
  // A row of a layer with a window sees only its last positions (ModelConfig::WindowOf).
  // The scale is config.attention_scale, times the temperature of the row's position
  // (ModelConfig::temperature_scale). Layers that do not rotate leave out rope().
  // Shapes: query [rows, heads, key_length], key [rows, kv_heads, key_length], value [rows,
  // kv_heads, value_length], out [rows, heads, value_length]. After Prepare with `needed_only`,
  // query and out have the needed rows alone. The last call of Prepare must have had `step`, and
  // `rope` must have the positions of `step`.
  void operator()(const Step& step, std::size_t layer, const Rope& rope, const float* query,
                  float* key, const float* value, KvRows& fresh, float* out);

  // The factor of the query at `position`; see ModelConfig::temperature_scale. The C library's
  // logarithm may decide its bits.
  float Temperature(std::uint32_t position) const;

 private:
  // Rows of one segment. Their tasks read the prefix once for all of them.
  struct Tile {
    std::size_t segment;
    std::size_t first_row;  // in the pass
    std::size_t rows;
    std::size_t first_output;  // index of first_row in query and out
  };
  // A chunk of a tile's prefix. A separate task computes its state.
  struct Chunk {
    std::size_t tile;
    std::size_t index;
  };
  // The arguments of one call, for its tasks.
  struct Call {
    const Step& step;
    std::size_t layer;
    const Rope& rope;
    const float* query;
    float* key;
    const float* value;
    KvRows& fresh;
    float* out;
    std::size_t window;  // of the layer; 0: none

    // The first position that `row` of the pass sees.
    std::size_t FirstSeen(std::size_t row) const {
      const std::size_t end = step.positions[row] + std::size_t{1};
      return window == 0 || end <= window ? 0 : end - window;
    }
  };
  // The first positions that the rows of a tile see.
  struct SeenFrom {
    std::size_t least;
    std::size_t most;
  };
  // Memory of one task.
  struct Scratch {
    float* queries;            // [tile queries, key_length]; rotated and scaled
    float* keys;               // [key_length, kKvBlockRows]
    float* values;             // [kKvBlockRows, padded value_length]
    float* scores;             // [tile queries, kKvBlockRows]
    float* fresh_scores;       // [tile queries, fresh blocks of a segment * kKvBlockRows]
    float* fresh_values;       // [fresh blocks of a segment * kKvBlockRows, padded value_length]
    float* current;            // [tile queries, state]; the state of the current chunk
    float* total;              // [tile queries, state]; the state of all earlier chunks
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
  static SeenFrom SeenBy(const Call& call, const Tile& tile);
  // Adds blocks [begin, end) of the prefix to `states`, for the rows that see them. All these
  // blocks must be full.
  void AddPrefix(const Call& call, const Tile& tile, std::size_t head, std::size_t begin,
                 std::size_t end, Scratch& scratch, float* states) const;
  // Adds a full block that all rows of the tile see entirely. `next` is the block that is read
  // next.
  void AddBlock(const Call& call, const Tile& tile, std::size_t head, std::size_t block,
                std::size_t next, Scratch& scratch, float* states) const;
  // Adds of a full block the positions that each row sees.
  void AddPartsOfBlock(const Call& call, const Tile& tile, std::size_t head, std::size_t block,
                       Scratch& scratch, float* states) const;
  // Sets scratch.value_rows to the values of a full block.
  void LoadBlockValues(const std::byte* block, Scratch& scratch) const;
  void AddTail(const Call& call, const Tile& tile, std::size_t head, Scratch& scratch) const;
  void AddTailOfRow(const Call& call, const Tile& tile, std::size_t row, std::size_t first_block,
                    const Scratch& scratch) const;

  // Computes the scores of `count` queries at the positions of a block, [count, stride].
  void Scores(const float* queries, std::size_t count, const float* keys, const KvAhead& ahead,
              std::size_t stride, float* scores) const;
  // Caps the scores of `queries` queries at the positions of a block, if the model has a cap.
  void CapScores(std::size_t queries, std::size_t stride, float* scores) const;
  // Keys or values of a block, in rows of `row_numbers` numbers, that are read next.
  KvAhead AheadOf(const std::byte* block, std::size_t row_numbers) const;
  const float* LoadKeys(const std::byte* keys, float* scratch) const;
  // Returns [rows, padded value_length].
  const float* LoadValues(const std::byte* values, std::size_t rows, float* scratch) const;
  void Clear(std::size_t queries, float* states) const;
  void MergeChunk(std::size_t queries, float* current, float* total) const;
  // Merges the states of a chunk that ends before position `end`, for the rows that see it.
  void MergeChunkOfTile(const Call& call, const Tile& tile, std::size_t end, float* current,
                        float* total) const;
  // The states of a chunk that has a separate task.
  float* ChunkStates(std::size_t chunk, std::size_t head);

  const ModelConfig& config_;
  ThreadPool& pool_;
  const VectorKernels& kernels_;
  const std::size_t heads_;          // query heads for each key-value head
  const float scale_;                // of the scores
  const std::size_t value_vectors_;  // of 16 floats
  const std::size_t state_floats_;
  KvType kv_type_ = KvType::kF32;

  std::vector<Tile> tiles_;
  std::vector<Chunk> chunks_;             // empty: no chunk has a separate task
  std::vector<std::size_t> first_chunk_;  // [tiles]; index in chunks_ of a tile's first chunk
  bool one_tile_ = false;
  // [rows]; the first row of the run that ends at this row. In a run of consecutive rows each row
  // is the parent of the next.
  std::vector<std::uint32_t> run_starts_;
  std::size_t tile_queries_ = 0;     // of the largest tile
  std::size_t fresh_rows_ = 0;       // of the largest segment, in whole blocks
  std::size_t scratch_floats_ = 0;   // of one task
  Buffer<float> scratch_;            // [threads, scratch_floats_]
  Buffer<const float*> value_rows_;  // [threads, kKvBlockRows]
  Buffer<std::uint32_t> runs_;       // [threads, fresh_rows_]
  Buffer<float> chunk_states_;       // [chunks, kv_heads, kSplitQueries, state]
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_FORWARD_ATTENTION_H_
