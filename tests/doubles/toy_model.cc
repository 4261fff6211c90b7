#include "tests/doubles/toy_model.h"

#include <algorithm>
#include <numeric>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace recycling::doubles {
namespace {

constexpr TokenId kUnknown = 0;
constexpr TokenId kBos = 1;
constexpr TokenId kEos = 2;
constexpr TokenId kFirstByte = 3;
constexpr TokenId kSpace = kFirstByte + 256;
constexpr TokenId kFirstWord = kSpace + 1;
constexpr char kSpaceMark[] = "\xE2\x96\x81";  // SentencePiece writes a space as U+2581
constexpr std::uint32_t kDefaultSampledTokens = 4;

// The ids of the k highest logits, highest first; of equal logits the lower id first.
std::vector<TokenId> Highest(const std::vector<float>& logits, std::uint32_t k) {
  std::vector<TokenId> ids(logits.size());
  std::iota(ids.begin(), ids.end(), TokenId{0});
  const auto end =
      ids.begin() + std::min<std::ptrdiff_t>(k, static_cast<std::ptrdiff_t>(ids.size()));
  std::partial_sort(ids.begin(), end, ids.end(), [&](TokenId a, TokenId b) {
    return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
  });
  ids.erase(end, ids.end());
  return ids;
}

// Words of two-letter syllables: 0 is " ba", 100 is " baba".
std::string Word(std::uint32_t index) {
  constexpr char kConsonants[] = "bcdfghjklmnpqrstvwxz";
  constexpr char kVowels[] = "aeiou";
  std::string word = kSpaceMark;
  do {
    word += {kConsonants[index % 20], kVowels[index / 20 % 5]};
    index /= 100;
  } while (index > 0);
  return word;
}

}  // namespace

std::uint64_t ToyHash(std::uint64_t a, std::uint64_t b) {
  std::uint64_t x = a * 0x9E3779B97F4A7C15u + b;
  for (int round = 0; round < 2; ++round) {
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    x ^= x >> 31;
  }
  return x;
}

ToyModel::ToyModel(ToyModelOptions options)
    : options_(std::move(options)),
      first_word_(options_.vocab_size > kFirstWord ? kFirstWord : 0) {}

std::vector<TokenId> ToyModel::EndOfSequenceIds() const {
  if (first_word_ == 0) return {};
  return {kEos};
}

std::vector<float> ToyModel::Logits(TokenId token, std::uint32_t position) const {
  const std::uint64_t row = ToyHash(ToyHash(options_.variant, token), position % options_.period);
  std::vector<float> logits(options_.vocab_size);
  for (TokenId id = 0; id < logits.size(); ++id) {
    // 24 bits fit a float exactly.
    const float value = static_cast<float>(ToyHash(row, id) >> 40) / static_cast<float>(1 << 24);
    logits[id] = id >= first_word_ ? value : value - 9.0f;
  }
  if (const auto scripted = options_.script.find(position + 1); scripted != options_.script.end()) {
    logits[scripted->second] = 10;
  }
  return logits;
}

std::vector<TokenId> ToyModel::TopK(TokenId token, std::uint32_t position, std::uint32_t k) const {
  return Highest(Logits(token, position), k);
}

TokenId ToyModel::Choose(TokenId token, std::uint32_t position, const SamplingOptions& options,
                         std::uint32_t generated) const {
  std::vector<float> logits = Logits(token, position);
  for (const auto& [id, bias] : options.logit_bias) logits[id] += bias;
  if (generated < options.min_tokens) {
    for (TokenId id = 0; id < logits.size(); ++id) {
      if (EndsSequence(id, options)) logits[id] = -1e30f;
    }
  }
  if (options.temperature == 0) return Highest(logits, 1)[0];
  const std::uint32_t kept = options.top_k == 0 ? kDefaultSampledTokens : options.top_k;
  const std::vector<TokenId> ids = Highest(logits, kept);
  return ids[ToyHash(options.seed.value_or(0), position + 1) % ids.size()];
}

std::vector<TokenId> ToyModel::Continue(const std::vector<TokenId>& path, int count) const {
  std::vector<TokenId> tokens;
  TokenId last = path.back();
  for (std::size_t position = path.size() - 1; count > 0; ++position, --count) {
    last = Choose(last, static_cast<std::uint32_t>(position), {}, 0);
    tokens.push_back(last);
  }
  return tokens;
}

bool ToyModel::EndsSequence(TokenId token, const SamplingOptions& options) const {
  const auto& stops = options.stop_token_ids;
  if (std::find(stops.begin(), stops.end(), token) != stops.end()) return true;
  return !options.ignore_eos && first_word_ != 0 && token == kEos;
}

TokenizerData ToyModel::MakeTokenizerData() const {
  TokenizerData data;
  data.model = "llama";
  data.tokens.reserve(options_.vocab_size);
  for (TokenId id = 0; id < first_word_; ++id) {
    if (id < kFirstByte) {
      constexpr const char* kNames[] = {"<unk>", "<s>", "</s>"};
      data.tokens.emplace_back(kNames[id]);
      data.token_types.push_back(id == kUnknown ? TokenType::kUnknown : TokenType::kControl);
    } else if (id == kSpace) {
      data.tokens.emplace_back(kSpaceMark);
      data.token_types.push_back(TokenType::kNormal);
    } else {
      constexpr char kHex[] = "0123456789ABCDEF";
      const TokenId byte = id - kFirstByte;
      data.tokens.push_back({'<', '0', 'x', kHex[byte / 16], kHex[byte % 16], '>'});
      data.token_types.push_back(TokenType::kByte);
    }
    data.scores.push_back(0);
  }
  for (TokenId id = first_word_; id < options_.vocab_size; ++id) {
    data.tokens.push_back(Word(id - first_word_));
    data.token_types.push_back(TokenType::kNormal);
    data.scores.push_back(-static_cast<float>(id));
  }
  if (first_word_ != 0) {
    data.unknown = kUnknown;
    data.bos = kBos;
    data.eos = kEos;
    data.add_bos = true;
    data.add_space_prefix = true;
  }
  return data;
}

ModelIdentity ToyModel::Identity() const {
  ModelIdentity identity;
  identity.model_id = absl::StrCat("toy-", options_.vocab_size, "-", options_.variant);
  identity.vocab_size = options_.vocab_size;
  identity.tokenizer_digest = TokenizerDigest(MakeTokenizerData());
  return identity;
}

}  // namespace recycling::doubles
