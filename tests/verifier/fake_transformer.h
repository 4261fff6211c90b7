// A model without arithmetic: the logits of a row are a hash of every token on its path, so that a
// wrong path, prefix or row gives other tokens.
#ifndef RECYCLING_TESTS_VERIFIER_FAKE_TRANSFORMER_H_
#define RECYCLING_TESTS_VERIFIER_FAKE_TRANSFORMER_H_

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "verifier/transformer.h"

namespace recycling::verifier {

// A cache whose rows hold one number for the key: the token.
inline std::unique_ptr<KvCache> FakeKvCache(std::uint32_t context_length, int slots) {
  ModelConfig config;
  config.layers = config.kv_heads = config.key_length = config.value_length = 1;
  return *KvCache::Create(config, KvType::kF32, context_length, slots);
}

class FakeTransformer final : public Transformer {
 public:
  // Called at the start of every pass, on the scheduler's thread; an error ends the pass.
  using Hook = std::function<absl::Status(const Segment&, const std::atomic<bool>* cancelled)>;

  FakeTransformer(std::uint32_t vocab_size, std::uint32_t context_length, Hook hook)
      : vocab_size_(vocab_size), context_length_(context_length), hook_(std::move(hook)) {}

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
    const Segment& segment = segments[0];
    if (hook_ != nullptr) {
      if (absl::Status status = hook_(segment, cancelled); !status.ok()) return status;
    }
    kv_ = segment.kv;
    if (absl::Status status = rows_.Reserve(kv_->layout(), segment.tokens.size()); !status.ok()) {
      return status;
    }
    std::vector<std::vector<TokenId>> paths(segment.tokens.size());
    for (std::size_t row = 0; row < paths.size(); ++row) {
      const auto number = static_cast<float>(segment.tokens[row]);
      rows_.Store(VectorKernelsFor(InstructionSet::kPortable), 0, 0, row, &number, &number);
      const std::int32_t parent = segment.parents[row];
      paths[row] = parent < 0 ? Prefix() : paths[static_cast<std::size_t>(parent)];
      paths[row].push_back(segment.tokens[row]);
      if (paths[row].size() > context_length_) {
        return absl::InvalidArgumentError("a row lies beyond the context");
      }
    }
    logits_.clear();
    for (const int row : segment.logit_rows) {
      logits_.push_back(Logits(paths[static_cast<std::size_t>(row)], vocab_size_));
      if (poisoned) logits_.back()[1] = std::numeric_limits<float>::quiet_NaN();
    }
    return absl::OkStatus();
  }

  std::span<const float> logits(int row) const override {
    return logits_.at(static_cast<std::size_t>(row));
  }

  absl::Status Commit(int, std::span<const int> path) override { return kv_->Append(rows_, path); }

  const Model& model() const override { std::abort(); }  // the scheduler has no need of it
  std::uint32_t context_length() const override { return context_length_; }
  std::size_t weight_bytes() const override { return 0; }
  std::string kernel() const override { return "fake"; }
  std::string numerics_id() const override { return "fake"; }

  std::atomic<bool> poisoned = false;  // logits are NaN

 private:
  std::vector<TokenId> Prefix() const {
    std::vector<TokenId> tokens(kv_->length());
    for (std::uint32_t position = 0; position < kv_->length(); ++position) {
      float number = 0;
      std::memcpy(
          &number,
          kv_->Values(0, 0, position / kKvBlockRows) + position % kKvBlockRows * sizeof(number),
          sizeof(number));
      tokens[position] = static_cast<TokenId>(number);
    }
    return tokens;
  }

  const std::uint32_t vocab_size_;
  const std::uint32_t context_length_;
  const Hook hook_;
  KvSequence* kv_ = nullptr;
  KvRows rows_;
  std::vector<std::vector<float>> logits_;
};

}  // namespace recycling::verifier

#endif  // RECYCLING_TESTS_VERIFIER_FAKE_TRANSFORMER_H_
