#include "verifier/forward/attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "common/base/status_macros.h"
#include "verifier/kernels/array_views.h"

namespace recycling::verifier {
namespace {

constexpr std::size_t kTileQueries = 256;  // most queries of a tile, unless one row has more
constexpr std::size_t kSplitQueries = 32;  // most queries of a tile that is split into chunks
constexpr std::size_t kLanes = 16;

// The number of floats, rounded up to a multiple of a cache line.
constexpr std::size_t Lines(std::size_t floats) { return (floats + kLanes - 1) / kLanes * kLanes; }

const std::uint16_t* Halves(const std::byte* numbers) {
  return reinterpret_cast<const std::uint16_t*>(numbers);
}

// How many positions of the block that begins at `begin` are before `first_seen`.
constexpr std::size_t HiddenOf(std::size_t first_seen, std::size_t begin) {
  return first_seen <= begin ? 0 : std::min(first_seen - begin, kKvBlockRows);
}

constexpr std::size_t Blocks(std::size_t rows) { return (rows + kKvBlockRows - 1) / kKvBlockRows; }

}  // namespace

Attention::Attention(const ModelConfig& config, ThreadPool& pool, InstructionSet set)
    : config_(config),
      pool_(pool),
      kernels_(VectorKernelsFor(set)),
      heads_(config.heads_per_group()),
      scale_(config.attention_scale != 0 ? config.attention_scale
                                         : 1.0F / std::sqrt(static_cast<float>(config.key_length))),
      value_vectors_((config.value_length + kLanes - 1) / kLanes),
      state_floats_(AttentionState::Floats(value_vectors_)) {}

absl::Status Attention::Prepare(const Step& step, bool needed_only) {
  const std::size_t most_rows = std::max<std::size_t>(1, kTileQueries / heads_);
  tiles_.clear();
  std::size_t tile_rows = 0;
  std::size_t outputs = 0;
  fresh_rows_ = 0;
  for (std::size_t s = 0; s < step.segments.size(); ++s) {
    const StepSegment& segment = step.segments[s];
    for (std::size_t r = needed_only ? segment.needed_from : 0; r < segment.rows; r += most_rows) {
      const std::size_t rows = std::min(most_rows, segment.rows - r);
      tiles_.push_back({s, segment.first_row + r, rows, outputs});
      tile_rows = std::max(tile_rows, rows);
      outputs += rows;
    }
    const std::size_t first_block = segment.first_row / kKvBlockRows;
    const std::size_t blocks = Blocks(segment.first_row + segment.rows) - first_block;
    fresh_rows_ = std::max(fresh_rows_, blocks * kKvBlockRows);
  }
  one_tile_ = tiles_.size() == 1 && step.segments.size() == 1;
  tile_queries_ = tile_rows * heads_;
  run_starts_.resize(step.rows());
  for (std::size_t r = 0; r < step.rows(); ++r) {
    const bool follows = r > 0 && step.parents[r] == static_cast<std::int32_t>(r) - 1;
    run_starts_[r] = follows ? run_starts_[r - 1] : static_cast<std::uint32_t>(r);
  }
  PlanSplit(step);
  return ReserveScratch();
}

// If there are few tiles and a prefix is long, makes a separate task for each chunk.
void Attention::PlanSplit(const Step& step) {
  chunks_.clear();
  first_chunk_.assign(tiles_.size(), 0);
  const bool few = tiles_.size() * config_.kv_heads < 4 * pool_.threads();
  if (pool_.threads() == 1 || !few || tile_queries_ > kSplitQueries) return;
  for (std::size_t t = 0; t < tiles_.size(); ++t) {
    first_chunk_[t] = chunks_.size();
    const std::size_t blocks = step.segments[tiles_[t].segment].prefix / kKvBlockRows;
    for (std::size_t c = 0; c < blocks / kChunkBlocks; ++c) chunks_.push_back({t, c});
  }
}

absl::Status Attention::ReserveScratch() {
  const std::size_t padded = value_vectors_ * kLanes;
  scratch_floats_ = Lines(tile_queries_ * config_.key_length) +  // queries
                    config_.key_length * kKvBlockRows +          // keys
                    padded * kKvBlockRows +                      // values
                    tile_queries_ * kKvBlockRows +               // scores
                    tile_queries_ * fresh_rows_ +                // fresh_scores
                    fresh_rows_ * padded +                       // fresh_values
                    2 * tile_queries_ * state_floats_;           // current, total
  const std::size_t threads = pool_.threads();
  RETURN_IF_ERROR(scratch_.Reserve(threads * scratch_floats_, "attention"));
  RETURN_IF_ERROR(value_rows_.Reserve(threads * kKvBlockRows, "attention"));
  RETURN_IF_ERROR(runs_.Reserve(threads * fresh_rows_, "attention"));
  return chunk_states_.Reserve(chunks_.size() * config_.kv_heads * kSplitQueries * state_floats_,
                               "attention");
}

Attention::Scratch Attention::ScratchOf(std::size_t worker) {
  float* at = scratch_.data() + worker * scratch_floats_;
  const auto take = [&at](std::size_t floats) {
    float* const taken = at;
    at += floats;
    return taken;
  };
  const std::size_t padded = value_vectors_ * kLanes;
  Scratch scratch;
  scratch.queries = take(Lines(tile_queries_ * config_.key_length));
  scratch.keys = take(config_.key_length * kKvBlockRows);
  scratch.values = take(padded * kKvBlockRows);
  scratch.scores = take(tile_queries_ * kKvBlockRows);
  scratch.fresh_scores = take(tile_queries_ * fresh_rows_);
  scratch.fresh_values = take(fresh_rows_ * padded);
  scratch.current = take(tile_queries_ * state_floats_);
  scratch.total = take(tile_queries_ * state_floats_);
  scratch.value_rows = value_rows_.data() + worker * kKvBlockRows;
  scratch.runs = runs_.data() + worker * fresh_rows_;
  return scratch;
}

void Attention::operator()(const Step& step, std::size_t layer, const Rope& rope,
                           const float* query, float* key, const float* value, KvRows& fresh,
                           float* out) {
  const Call call = {step, layer, rope, query, key, value, fresh, out, config_.WindowOf(layer)};
  kv_type_ = fresh.layout().type;
  const std::size_t kv_heads = config_.kv_heads;
  if (!one_tile_) {  // with one tile, its tasks store the keys and values themselves
    pool_.Run(step.segments.size() * kv_heads, [&](std::size_t task, std::size_t) {
      StoreFresh(call, task / kv_heads, task % kv_heads);
    });
  }
  if (!chunks_.empty()) {
    pool_.Run(chunks_.size() * kv_heads, [&](std::size_t task, std::size_t worker) {
      Scratch scratch = ScratchOf(worker);
      RunChunk(call, task / kv_heads, task % kv_heads, scratch);
    });
  }
  pool_.Run(tiles_.size() * kv_heads, [&](std::size_t task, std::size_t worker) {
    Scratch scratch = ScratchOf(worker);
    const std::size_t tile = task / kv_heads;
    const std::size_t head = task % kv_heads;
    if (one_tile_) StoreFresh(call, tiles_[tile].segment, head);
    RunTile(call, tile, head, scratch);
  });
}

void Attention::StoreFresh(const Call& call, std::size_t segment, std::size_t head) const {
  const StepSegment& s = call.step.segments[segment];
  for (std::size_t row = s.first_row; row < s.first_row + s.rows; ++row) {
    const std::size_t at = row * config_.kv_heads + head;
    float* const key = call.key + at * config_.key_length;
    if (config_.Rotates(call.layer)) call.rope.Turn(row, 1, config_.key_length, key);
    call.fresh.Store(kernels_, call.layer, head, row, key, call.value + at * config_.value_length);
  }
}

float Attention::Temperature(std::uint32_t position) const {
  if (config_.temperature_scale == 0) return 1;
  const std::uint32_t contexts = position / config_.rope_scaling.original_context;
  return static_cast<float>(1 + config_.temperature_scale * std::log1p(contexts));
}

void Attention::PackQueries(const Call& call, const Tile& tile, std::size_t head,
                            float* queries) const {
  const std::size_t length = config_.key_length;
  for (std::size_t r = 0; r < tile.rows; ++r) {
    const std::size_t from = (tile.first_output + r) * config_.heads + head * heads_;
    RowView<float> packed = AsRow(queries + r * heads_ * length, heads_ * length);
    packed = AsRow(call.query + from * length, heads_ * length);
    const std::size_t row = tile.first_row + r;
    if (config_.Rotates(call.layer)) call.rope.Turn(row, heads_, length, packed.data());
    packed *= scale_ * Temperature(call.step.positions[row]);
  }
}

void Attention::RunChunk(const Call& call, std::size_t chunk, std::size_t head, Scratch& scratch) {
  const Tile& tile = tiles_[chunks_[chunk].tile];
  const std::size_t begin = chunks_[chunk].index * kChunkBlocks;
  if (SeenBy(call, tile).least >= (begin + kChunkBlocks) * kKvBlockRows) return;
  float* const states = ChunkStates(chunk, head);
  PackQueries(call, tile, head, scratch.queries);
  Clear(tile.rows * heads_, states);
  AddPrefix(call, tile, head, begin, begin + kChunkBlocks, scratch, states);
}

void Attention::RunTile(const Call& call, std::size_t tile_index, std::size_t head,
                        Scratch& scratch) {
  const Tile& tile = tiles_[tile_index];
  const std::size_t queries = tile.rows * heads_;
  const std::size_t blocks = call.step.segments[tile.segment].prefix / kKvBlockRows;
  const std::size_t chunks = blocks / kChunkBlocks;
  PackQueries(call, tile, head, scratch.queries);
  Clear(queries, scratch.total);
  const std::size_t first_seen = SeenBy(call, tile).least;
  for (std::size_t c = first_seen / (kChunkBlocks * kKvBlockRows); c < chunks; ++c) {
    float* states = scratch.current;
    if (chunks_.empty()) {
      Clear(queries, states);
      AddPrefix(call, tile, head, c * kChunkBlocks, (c + 1) * kChunkBlocks, scratch, states);
    } else {
      states = ChunkStates(first_chunk_[tile_index] + c, head);
    }
    MergeChunkOfTile(call, tile, (c + 1) * kChunkBlocks * kKvBlockRows, states, scratch.total);
  }
  Clear(queries, scratch.current);
  AddPrefix(call, tile, head, chunks * kChunkBlocks, blocks, scratch, scratch.current);
  AddTail(call, tile, head, scratch);
  for (std::size_t q = 0; q < queries; ++q) {
    const std::size_t row = tile.first_output + q / heads_;
    const std::size_t out = row * config_.heads + head * heads_ + q % heads_;
    kernels_.finish(scratch.total + q * state_floats_, config_.value_length,
                    call.out + out * config_.value_length);
  }
}

Attention::SeenFrom Attention::SeenBy(const Call& call, const Tile& tile) {
  SeenFrom seen = {call.FirstSeen(tile.first_row), call.FirstSeen(tile.first_row)};
  for (std::size_t r = 1; call.window != 0 && r < tile.rows; ++r) {
    const std::size_t first = call.FirstSeen(tile.first_row + r);
    seen.least = std::min(seen.least, first);
    seen.most = std::max(seen.most, first);
  }
  return seen;
}

void Attention::AddPrefix(const Call& call, const Tile& tile, std::size_t head, std::size_t begin,
                          std::size_t end, Scratch& scratch, float* states) const {
  const SeenFrom seen = SeenBy(call, tile);
  for (std::size_t block = std::max(begin, seen.least / kKvBlockRows); block < end; ++block) {
    const std::size_t next = std::min(block + 1, end - 1);
    if (seen.most <= block * kKvBlockRows) {
      AddBlock(call, tile, head, block, next, scratch, states);
    } else {
      AddPartsOfBlock(call, tile, head, block, scratch, states);
    }
  }
}

void Attention::AddBlock(const Call& call, const Tile& tile, std::size_t head, std::size_t block,
                         std::size_t next, Scratch& scratch, float* states) const {
  const KvSequence& kv = *call.step.segments[tile.segment].kv;
  const std::size_t queries = tile.rows * heads_;
  const KvAhead keys_ahead = AheadOf(kv.Keys(call.layer, head, next), kKvBlockRows);
  const KvAhead values_ahead = AheadOf(kv.Values(call.layer, head, next), config_.value_length);
  if (kv_type_ == KvType::kF16 && queries <= kFewQueries &&
      config_.value_length == value_vectors_ * kLanes) {
    kernels_.scores_half(scratch.queries, queries, config_.key_length,
                         Halves(kv.Keys(call.layer, head, block)), keys_ahead, scratch.scores,
                         kKvBlockRows);
    CapScores(queries, kKvBlockRows, scratch.scores);
    kernels_.attend_half(scratch.scores, kKvBlockRows, queries,
                         Halves(kv.Values(call.layer, head, block)), value_vectors_, values_ahead,
                         states, state_floats_);
    return;
  }
  const float* const keys = LoadKeys(kv.Keys(call.layer, head, block), scratch.keys);
  Scores(scratch.queries, queries, keys, keys_ahead, kKvBlockRows, scratch.scores);
  LoadBlockValues(kv.Values(call.layer, head, block), scratch);
  kernels_.attend(scratch.scores, kKvBlockRows, queries, scratch.value_rows, kKvBlockRows,
                  value_vectors_, values_ahead, states, state_floats_);
}

void Attention::AddPartsOfBlock(const Call& call, const Tile& tile, std::size_t head,
                                std::size_t block, Scratch& scratch, float* states) const {
  const KvSequence& kv = *call.step.segments[tile.segment].kv;
  const float* const keys = LoadKeys(kv.Keys(call.layer, head, block), scratch.keys);
  LoadBlockValues(kv.Values(call.layer, head, block), scratch);
  for (std::size_t r = 0; r < tile.rows; ++r) {
    const std::size_t first = call.FirstSeen(tile.first_row + r);
    const std::size_t hidden = HiddenOf(first, block * kKvBlockRows);
    if (hidden == kKvBlockRows) continue;
    Scores(scratch.queries + r * heads_ * config_.key_length, heads_, keys, {}, kKvBlockRows,
           scratch.scores);
    kernels_.attend(scratch.scores + hidden, kKvBlockRows, heads_, scratch.value_rows + hidden,
                    kKvBlockRows - hidden, value_vectors_, {}, states + r * heads_ * state_floats_,
                    state_floats_);
  }
}

void Attention::LoadBlockValues(const std::byte* block, Scratch& scratch) const {
  const float* const values = LoadValues(block, kKvBlockRows, scratch.values);
  for (std::size_t p = 0; p < kKvBlockRows; ++p) {
    scratch.value_rows[p] = values + p * value_vectors_ * kLanes;
  }
}

// Adds the positions after the full blocks of the prefix: the rest of the prefix and the rows of
// the pass. Computes the scores of all rows of the segment up to the last row of the tile. Each
// query then uses the scores of the rows on its path.
void Attention::AddTail(const Call& call, const Tile& tile, std::size_t head,
                        Scratch& scratch) const {
  const StepSegment& segment = call.step.segments[tile.segment];
  const std::size_t queries = tile.rows * heads_;
  const std::size_t padded = value_vectors_ * kLanes;
  const std::size_t block = segment.prefix / kKvBlockRows;
  if (const std::size_t rest = segment.prefix % kKvBlockRows; rest > 0) {
    const float* keys = LoadKeys(segment.kv->Keys(call.layer, head, block), scratch.keys);
    Scores(scratch.queries, queries, keys, {}, kKvBlockRows, scratch.scores);
    const float* values =
        LoadValues(segment.kv->Values(call.layer, head, block), rest, scratch.values);
    if (values != scratch.values) {
      std::memcpy(scratch.values, values, rest * padded * sizeof(float));
    }
  }
  const std::size_t first = segment.first_row / kKvBlockRows;
  const std::size_t end = Blocks(tile.first_row + tile.rows);
  for (std::size_t b = first; b < end; ++b) {
    const float* keys = LoadKeys(call.fresh.Keys(call.layer, head, b), scratch.keys);
    const std::size_t at = (b - first) * kKvBlockRows;
    Scores(scratch.queries, queries, keys, {}, fresh_rows_, scratch.fresh_scores + at);
    float* const to = scratch.fresh_values + at * padded;
    const std::size_t rows = std::min(tile.first_row + tile.rows - b * kKvBlockRows, kKvBlockRows);
    const float* values = LoadValues(call.fresh.Values(call.layer, head, b), rows, to);
    if (values != to) std::memcpy(to, values, rows * padded * sizeof(float));
  }
  for (std::size_t r = 0; r < tile.rows; ++r) AddTailOfRow(call, tile, r, first, scratch);
}

// `row` is an index in the tile. `first_block` is the first block of the segment in `fresh`.
void Attention::AddTailOfRow(const Call& call, const Tile& tile, std::size_t row,
                             std::size_t first_block, const Scratch& scratch) const {
  const Step& step = call.step;
  const std::size_t prefix = step.segments[tile.segment].prefix;
  const std::size_t padded = value_vectors_ * kLanes;
  const std::size_t first_fresh = first_block * kKvBlockRows;
  // The path from the row up to the root is a list of runs of consecutive rows. scratch.runs has
  // the last row of each run.
  std::size_t runs = 0;
  for (auto at = static_cast<std::int32_t>(tile.first_row + row); at >= 0;
       at = step.parents[run_starts_[static_cast<std::size_t>(at)]]) {
    scratch.runs[runs++] = static_cast<std::uint32_t>(at);
  }
  float* const current = scratch.current + row * heads_ * state_floats_;
  float* const total = scratch.total + row * heads_ * state_floats_;
  const float* const fresh_scores = scratch.fresh_scores + row * heads_ * fresh_rows_;
  float* const scores = scratch.scores + row * heads_ * kKvBlockRows;  // has the prefix scores

  const std::size_t end = step.positions[tile.first_row + row] + std::size_t{1};
  const std::size_t first_seen = call.FirstSeen(tile.first_row + row);
  std::size_t run_row = run_starts_[scratch.runs[runs - 1]];  // the next row of the path
  for (std::size_t begin = prefix / kKvBlockRows * kKvBlockRows; begin < end;
       begin += kKvBlockRows) {
    const std::size_t count = std::min(kKvBlockRows, end - begin);
    std::size_t p = begin < prefix ? prefix - begin : 0;
    for (std::size_t i = 0; i < p; ++i) scratch.value_rows[i] = scratch.values + i * padded;
    while (p < count) {
      const std::size_t last = scratch.runs[runs - 1];
      const std::size_t taken = std::min(last + 1 - run_row, count - p);
      const std::size_t from = run_row - first_fresh;
      AsRows(scores + p, heads_, taken, kKvBlockRows) =
          AsRows(fresh_scores + from, heads_, taken, fresh_rows_);
      for (std::size_t i = 0; i < taken; ++i) {
        scratch.value_rows[p + i] = scratch.fresh_values + (from + i) * padded;
      }
      p += taken;
      run_row += taken;
      if (run_row > last && --runs > 0) run_row = run_starts_[scratch.runs[runs - 1]];
    }
    const std::size_t hidden = HiddenOf(first_seen, begin);
    if (hidden == kKvBlockRows) continue;
    kernels_.attend(scores + hidden, kKvBlockRows, heads_, scratch.value_rows + hidden,
                    count - hidden, value_vectors_, {}, current, state_floats_);
    if ((begin / kKvBlockRows + 1) % kChunkBlocks == 0) {
      MergeChunk(heads_, current, total);
      Clear(heads_, current);
    }
  }
  if (Blocks(end) % kChunkBlocks != 0) MergeChunk(heads_, current, total);
}

void Attention::Scores(const float* queries, std::size_t count, const float* keys,
                       const KvAhead& ahead, std::size_t stride, float* scores) const {
  kernels_.scores(queries, count, config_.key_length, keys, ahead, scores, stride);
  CapScores(count, stride, scores);
}

void Attention::CapScores(std::size_t queries, std::size_t stride, float* scores) const {
  if (config_.score_soft_cap == 0) return;
  for (std::size_t q = 0; q < queries; ++q) {
    kernels_.soft_cap(config_.score_soft_cap, kKvBlockRows, scores + q * stride);
  }
}

KvAhead Attention::AheadOf(const std::byte* block, std::size_t row_numbers) const {
  const std::size_t bytes = kv_type_ == KvType::kF32 ? sizeof(float) : sizeof(std::uint16_t);
  return {block, row_numbers * bytes, bytes};
}

const float* Attention::LoadKeys(const std::byte* keys, float* scratch) const {
  if (kv_type_ == KvType::kF32) return reinterpret_cast<const float*>(keys);
  kernels_.from_half(Halves(keys), config_.key_length * kKvBlockRows, scratch);
  return scratch;
}

const float* Attention::LoadValues(const std::byte* values, std::size_t rows,
                                   float* scratch) const {
  const std::size_t length = config_.value_length;
  const std::size_t padded = value_vectors_ * kLanes;
  RowsView<float> to = AsRows(scratch, rows, padded);
  if (kv_type_ == KvType::kF32) {
    const auto* floats = reinterpret_cast<const float*>(values);
    if (padded == length) return floats;
    to.leftCols(AsIndex(length)) = AsRows(floats, rows, length);
    to.rightCols(AsIndex(padded - length)).setZero();
    return scratch;
  }
  const std::uint16_t* const halves = Halves(values);
  if (padded == length) {
    kernels_.from_half(halves, rows * length, scratch);
    return scratch;
  }
  for (std::size_t r = 0; r < rows; ++r) {
    kernels_.from_half(halves + r * length, length, scratch + r * padded);
  }
  to.rightCols(AsIndex(padded - length)).setZero();
  return scratch;
}

void Attention::Clear(std::size_t queries, float* states) const {
  RowsView<float> rows = AsRows(states, queries, state_floats_);
  rows.setZero();
  rows.col(AttentionState::kMaximum).setConstant(-std::numeric_limits<float>::infinity());
}

void Attention::MergeChunk(std::size_t queries, float* current, float* total) const {
  for (std::size_t q = 0; q < queries; ++q) {
    kernels_.merge(current + q * state_floats_, value_vectors_, total + q * state_floats_);
  }
}

void Attention::MergeChunkOfTile(const Call& call, const Tile& tile, std::size_t end,
                                 float* current, float* total) const {
  if (SeenBy(call, tile).most < end) return MergeChunk(tile.rows * heads_, current, total);
  for (std::size_t r = 0; r < tile.rows; ++r) {
    if (call.FirstSeen(tile.first_row + r) >= end) continue;
    const std::size_t at = r * heads_ * state_floats_;
    MergeChunk(heads_, current + at, total + at);
  }
}

float* Attention::ChunkStates(std::size_t chunk, std::size_t head) {
  return chunk_states_.data() + (chunk * config_.kv_heads + head) * kSplitQueries * state_floats_;
}

}  // namespace recycling::verifier
