// GgufFile::Parse must refuse the bytes or return a file whose values and tensors can be read. If
// the file is a small model, a row must have the same logit bits alone and in a pass with other
// rows.
#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

#include "tests/fuzz/proto_fuzz.h"
#include "verifier/forward/transformer.h"
#include "verifier/model/tokenizer_data.h"
#include "verifier/sampling/sampler.h"

namespace {

using namespace recycling::verifier;  // NOLINT(google-build-using-namespace)

// All seeds are smaller than this. A pass of such a model takes less than a millisecond.
constexpr std::uint64_t kMaxNumbers = 20000;
constexpr std::uint32_t kMaxContext = 16;

bool IsSmall(const ModelConfig& c) {
  return std::uint64_t{c.heads} * (c.key_length + c.value_length) + c.hidden_size + c.feed_forward +
             c.vocab_size <
         kMaxNumbers;
}

// Samples one token from `logits`. min_tokens masks the end-of-sequence ids of the file.
void ChooseOnce(const Model& model, std::span<const float> logits) {
  std::vector<recycling::TokenId> eos;
  for (const auto& id : {model.tokenizer_data().eos, model.tokenizer_data().eot}) {
    if (id.has_value()) eos.push_back(*id);
  }
  recycling::SamplingOptions options;
  options.min_tokens = 1;
  const auto rules = SamplingRules::Create(options, eos, model.config().vocab_size);
  FUZZ_CHECK(rules.ok());
  SamplerScratch scratch;
  const auto token = ChooseToken(logits, {}, *rules, /*position=*/1, scratch);
  FUZZ_CHECK(!token.ok() || *token < model.config().vocab_size);
}

// A NaN stands for an error, and which NaN it is depends on the order of operands that the compiler
// has chosen for each number of rows. All other numbers have the same bits.
bool SameNumber(float a, float b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b);
}

void RunOnePass(const std::shared_ptr<const Model>& model) {
  const auto transformer =
      Transformer::Create(model, {.max_rows = 3, .context_length = kMaxContext});
  FUZZ_CHECK(transformer.ok());
  const auto cache = KvCache::Create(model->config(), KvType::kF32, kMaxContext, 2);
  FUZZ_CHECK(cache.ok());
  const auto kv = *(*cache)->Open();
  const auto other = *(*cache)->Open();

  const std::vector<recycling::TokenId> tokens = {0, model->config().vocab_size - 1, 0};
  const std::vector<std::int32_t> parents = {-1, 0, 0};
  const std::vector<int> rows = {0};
  const Segment tree = {.kv = kv.get(), .tokens = tokens, .parents = parents, .logit_rows = rows};
  FUZZ_CHECK((*transformer)->Forward({&tree, 1}, nullptr).ok());
  const auto logits = (*transformer)->logits(0);
  const std::vector<float> beside(logits.begin(), logits.end());
  ChooseOnce(*model, beside);
  FUZZ_CHECK((*transformer)->Commit(0, std::vector<int>{0, 2}).ok());

  const Segment alone = {.kv = other.get(),
                         .tokens = std::span(tokens).first(1),
                         .parents = std::span(parents).first(1),
                         .logit_rows = rows};
  FUZZ_CHECK((*transformer)->Forward({&alone, 1}, nullptr).ok());
  FUZZ_CHECK(std::ranges::equal(beside, (*transformer)->logits(0), SameNumber));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto file = GgufFile::Parse(std::as_bytes(std::span(data, size)));
  if (!file.ok()) return 0;
  for (const auto& [key, value] : (*file)->values()) {
    FUZZ_CHECK(GgufValueText(value, 50).size() < 50 + 6 * size);
  }
  for (const auto& [name, tensor] : (*file)->tensors()) {
    // Read the first and the last byte of the tensor.
    FUZZ_CHECK(!tensor.bytes.empty());
    volatile std::byte sink = tensor.bytes.front();
    sink = tensor.bytes.back();
    static_cast<void>(sink);
  }
  const bool has_tokenizer = ReadTokenizerData(**file).ok();
  const auto model = Model::FromFile(*std::move(file), "fuzz");
  if (!model.ok()) return 0;
  FUZZ_CHECK(has_tokenizer);
  FUZZ_CHECK(recycling::ValidateModelIdentity((*model)->identity()).ok());
  FUZZ_CHECK(!(*model)->Description().empty());
  if (IsSmall((*model)->config())) RunOnePass(*model);
  return 0;
}
