// A model without arithmetic. The logits of a row come from a hash of all tokens on its path. So a
// wrong path, prefix or row gives other tokens.
#ifndef RECYCLING_TESTS_VERIFIER_SCHEDULE_FAKE_TRANSFORMER_H_
#define RECYCLING_TESTS_VERIFIER_SCHEDULE_FAKE_TRANSFORMER_H_

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <future>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "verifier/forward/transformer.h"

namespace recycling::verifier {

// A cache whose rows hold one number as key and value: the token.
inline std::unique_ptr<KvCache> FakeKvCache(std::uint32_t context_length, int slots,
                                            std::uint64_t max_bytes = 0) {
  ModelConfig config;
  config.layers = config.kv_heads = config.key_length = config.value_length = 1;
  return *KvCache::Create(config, KvType::kF32, context_length, slots, max_bytes);
}

class FakeTransformer final : public Transformer {
 public:
  // Forward calls the hook at the start of every pass. If the hook returns an error, Forward
  // returns that error.
  using Hook =
      std::function<absl::Status(std::span<const Segment>, const std::atomic<bool>* cancelled)>;

  FakeTransformer(std::uint32_t vocab_size, std::uint32_t context_length, Hook hook,
                  std::vector<std::string> kernels = {"fake"})
      : vocab_size_(vocab_size),
        context_length_(context_length),
        hook_(std::move(hook)),
        kernels_(std::move(kernels)) {}

  static std::vector<float> Logits(const std::vector<TokenId>& path, std::uint32_t vocab_size) {
    std::uint64_t hash = 1469598103934665603u;
    const auto mix = [&hash](std::uint64_t value) {
      hash = (hash ^ value) * 1099511628211u;
      hash ^= hash >> 29;
    };
    for (const TokenId token : path) mix(token);
    std::vector<float> logits(vocab_size);
    for (float& logit : logits) {
      mix(7);
      logit = static_cast<float>(hash % 4096) / 1024;
    }
    return logits;
  }

  absl::Status Forward(std::span<const Segment> segments,
                       const std::atomic<bool>* cancelled) override {
    placed_.clear();
    logits_.clear();
    if (hook_ != nullptr) {
      if (absl::Status status = hook_(segments, cancelled); !status.ok()) return status;
    }
    std::size_t rows = 0;
    for (const Segment& segment : segments) rows += segment.tokens.size();
    if (absl::Status status = rows_.Reserve(segments[0].kv->layout(), rows); !status.ok()) {
      return status;
    }
    std::size_t first_row = 0;
    for (const Segment& segment : segments) {
      if (absl::Status status = Run(segment, first_row); !status.ok()) return status;
      placed_.push_back({segment.kv, first_row});
      first_row += segment.tokens.size();
    }
    return absl::OkStatus();
  }

  std::span<const float> logits(int row) const override {
    return logits_.at(static_cast<std::size_t>(row));
  }

  absl::Status Commit(int segment, std::span<const int> path) override {
    const Placed& placed = placed_.at(static_cast<std::size_t>(segment));
    std::vector<int> rows(path.begin(), path.end());
    for (int& row : rows) row += static_cast<int>(placed.first_row);
    return placed.kv->Append(rows_, rows);
  }

  const Model& model() const override { std::abort(); }  // the scheduler does not call it
  std::uint32_t context_length() const override { return context_length_; }
  const std::vector<std::string>& kernels() const override { return kernels_; }
  void UseKernels(KernelTable table) override { table_ = std::move(table); }
  // Which kernel a pass of `rows` rows uses.
  std::size_t KernelFor(std::size_t rows) const { return table_.KernelFor(rows); }
  std::string numerics_id() const override { return "fake"; }

  std::atomic<bool> poisoned = false;  // every row gets a NaN logit
  // Every row with this token gets a NaN logit.
  std::atomic<TokenId> poisoned_token = std::numeric_limits<TokenId>::max();

 private:
  struct Placed {
    KvSequence* kv;
    std::size_t first_row;
  };

  absl::Status Run(const Segment& segment, std::size_t first_row) {
    std::vector<std::vector<TokenId>> paths(segment.tokens.size());
    for (std::size_t row = 0; row < paths.size(); ++row) {
      const auto number = static_cast<float>(segment.tokens[row]);
      rows_.Store(VectorKernelsFor(InstructionSet::kPortable), 0, 0, first_row + row, &number,
                  &number);
      const std::int32_t parent = segment.parents[row];
      paths[row] = parent < 0 ? Prefix(*segment.kv) : paths[static_cast<std::size_t>(parent)];
      paths[row].push_back(segment.tokens[row]);
      if (paths[row].size() > context_length_) {
        return absl::InvalidArgumentError("a row lies beyond the context");
      }
    }
    for (const int row : segment.logit_rows) {
      const auto at = static_cast<std::size_t>(row);
      logits_.push_back(Logits(paths[at], vocab_size_));
      if (poisoned || segment.tokens[at] == poisoned_token) {
        logits_.back()[1] = std::numeric_limits<float>::quiet_NaN();
      }
    }
    return absl::OkStatus();
  }

  std::vector<TokenId> Prefix(const KvSequence& kv) const {
    std::vector<TokenId> tokens(kv.length());
    for (std::uint32_t position = 0; position < kv.length(); ++position) {
      float number = 0;
      std::memcpy(
          &number,
          kv.Values(0, 0, position / kKvBlockRows) + position % kKvBlockRows * sizeof(number),
          sizeof(number));
      tokens[position] = static_cast<TokenId>(number);
    }
    return tokens;
  }

  const std::uint32_t vocab_size_;
  const std::uint32_t context_length_;
  const Hook hook_;
  const std::vector<std::string> kernels_;
  KernelTable table_;
  std::vector<Placed> placed_;
  KvRows rows_;
  std::vector<std::vector<float>> logits_;
};

// A hook whose first pass sets `reached` and then ends only when it is cancelled. `reached` must
// outlive the passes.
inline FakeTransformer::Hook Stuck(std::promise<void>& reached) {
  return [&reached, first = true](std::span<const Segment>,
                                  const std::atomic<bool>* cancelled) mutable {
    if (!std::exchange(first, false)) return absl::OkStatus();
    reached.set_value();
    while (!cancelled->load()) std::this_thread::yield();
    return absl::CancelledError("cancelled in the pass");
  };
}

}  // namespace recycling::verifier

#endif  // RECYCLING_TESTS_VERIFIER_SCHEDULE_FAKE_TRANSFORMER_H_
