#include <algorithm>
#include <cmath>
#include <numeric>
#include <ostream>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "verifier/inspect/commands.h"
#include "verifier/kv/kv_cache.h"

namespace recycling::verifier {
namespace {

constexpr std::size_t kChunk = 64;  // limits the rows of a pass, and so the memory of their logits

// One sequence on a transformer.
class Sequence {
 public:
  static absl::StatusOr<Sequence> Open(Transformer& transformer, KvType kv_type) {
    ASSIGN_OR_RETURN(auto cache, KvCache::Create(transformer.model().config(), kv_type,
                                                 transformer.context_length(), 1));
    ASSIGN_OR_RETURN(auto kv, cache->Open());
    return Sequence(transformer, std::move(cache), std::move(kv));
  }

  // Appends `ids` and calls `use` with the logits of each id, in order.
  absl::Status Append(std::span<const TokenId> ids,
                      absl::FunctionRef<void(std::span<const float>)> use) {
    while (!ids.empty()) {
      const auto chunk = ids.first(std::min(kChunk, ids.size()));
      std::vector<std::int32_t> parents(chunk.size());
      std::iota(parents.begin(), parents.end(), -1);
      std::vector<int> rows(chunk.size());
      std::iota(rows.begin(), rows.end(), 0);
      const Segment segment = {
          .kv = kv_.get(), .tokens = chunk, .parents = parents, .logit_rows = rows};
      RETURN_IF_ERROR(transformer_->Forward({&segment, 1}, nullptr));
      for (const int row : rows) use(transformer_->logits(row));
      RETURN_IF_ERROR(transformer_->Commit(0, rows));
      ids = ids.subspan(chunk.size());
    }
    return absl::OkStatus();
  }

  absl::Status Clear() { return kv_->Truncate(0); }

 private:
  Sequence(Transformer& transformer, std::unique_ptr<KvCache> cache, std::unique_ptr<KvSequence> kv)
      : transformer_(&transformer), cache_(std::move(cache)), kv_(std::move(kv)) {}

  Transformer* transformer_;
  std::unique_ptr<KvCache> cache_;
  std::unique_ptr<KvSequence> kv_;
};

// The id of the highest logit; the lowest such id if there are several.
TokenId Best(std::span<const float> logits) {
  return static_cast<TokenId>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

// -log softmax(logits)[id]
double Nats(std::span<const float> logits, TokenId id) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - largest);
  return std::log(sum) + largest - logits[id];
}

}  // namespace

absl::StatusOr<std::vector<TokenId>> WriteLogits(Transformer& transformer, KvType kv_type,
                                                 const std::vector<TokenId>& ids, int greedy,
                                                 std::ostream& out) {
  const std::size_t total = ids.size() + static_cast<std::size_t>(std::max(greedy, 1)) - 1;
  if (ids.empty() || total > transformer.context_length()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "got ", ids.size(), " ids and ", greedy, " greedy ids, expected at least 1 id and at most ",
        transformer.context_length(), " positions in all"));
  }
  ASSIGN_OR_RETURN(Sequence sequence, Sequence::Open(transformer, kv_type));
  TokenId best = 0;
  RETURN_IF_ERROR(sequence.Append(ids, [&](std::span<const float> logits) {
    out.write(reinterpret_cast<const char*>(logits.data()),
              static_cast<std::streamsize>(logits.size_bytes()));
    best = Best(logits);
  }));
  if (!out.flush()) return absl::DataLossError("not all logits could be written");
  std::vector<TokenId> followed;
  for (int i = 0; i < greedy; ++i) {
    followed.push_back(best);
    if (i + 1 == greedy) break;
    RETURN_IF_ERROR(sequence.Append({&followed.back(), 1},
                                    [&](std::span<const float> logits) { best = Best(logits); }));
  }
  return followed;
}

absl::StatusOr<Perplexity> MeasurePerplexity(Transformer& transformer, KvType kv_type,
                                             const std::vector<TokenId>& ids,
                                             std::optional<TokenId> bos, std::uint32_t context,
                                             std::ostream* progress) {
  const std::uint32_t least = bos ? 1 : 2;
  if (context < least || context > transformer.context_length()) {
    return absl::InvalidArgumentError(absl::StrCat("context: got ", context, ", expected ", least,
                                                   " to ", transformer.context_length()));
  }
  ASSIGN_OR_RETURN(Sequence sequence, Sequence::Open(transformer, kv_type));
  Perplexity result;
  for (std::size_t start = 0; start < ids.size(); start += context) {
    const auto window =
        std::span(ids).subspan(start, std::min<std::size_t>(context, ids.size() - start));
    std::vector<TokenId> inputs(window.begin(), window.end() - 1);
    auto scored = bos ? window : window.subspan(1);
    if (bos) inputs.insert(inputs.begin(), *bos);
    RETURN_IF_ERROR(sequence.Clear());
    RETURN_IF_ERROR(sequence.Append(inputs, [&](std::span<const float> logits) {
      result.nats += Nats(logits, scored.front());
      scored = scored.subspan(1);
      ++result.tokens;
    }));
    ++result.windows;
    if (progress != nullptr) {
      *progress << "\r" << start + window.size() << " of " << ids.size() << " tokens" << std::flush;
    }
  }
  if (progress != nullptr) *progress << "\n";
  if (result.tokens == 0) return absl::InvalidArgumentError("the text has no token to score");
  return result;
}

}  // namespace recycling::verifier
