#include "verifier/model/tokenizer_data.h"

#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"

namespace recycling::verifier {
namespace {

constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

// Reads the id at a key. Returns `fallback` if the key is absent, and no id if the file has the
// number that means none.
absl::StatusOr<std::optional<TokenId>> ReadId(const GgufFile& file, std::string_view key,
                                              std::optional<TokenId> fallback) {
  ASSIGN_OR_RETURN(const std::optional<std::uint32_t> id, file.Uint32(key));
  if (!id) return fallback;
  return *id == kNone ? std::nullopt : id;
}

absl::StatusOr<bool> ReadFlag(const GgufFile& file, std::string_view key, bool fallback) {
  ASSIGN_OR_RETURN(const std::optional<bool> flag, file.Bool(key));
  return flag.value_or(fallback);
}

absl::StatusOr<std::vector<TokenType>> ReadTokenTypes(const GgufFile& file) {
  ASSIGN_OR_RETURN(const auto numbers, file.Int32s("tokenizer.ggml.token_type"));
  std::vector<TokenType> types;
  if (!numbers) return types;
  types.reserve(numbers->size());
  for (const std::int32_t number : *numbers) {
    if (number < static_cast<int>(TokenType::kNormal) ||
        number > static_cast<int>(TokenType::kByte)) {
      return absl::DataLossError(absl::StrCat("GGUF: tokenizer.ggml.token_type: got ", number,
                                              " for token ", types.size(), ", expected 1 to 6"));
    }
    types.push_back(static_cast<TokenType>(number));
  }
  return types;
}

// Llama 3 needs a beginning-of-sequence token, but the key for it is often absent from its files.
bool PreAddsBos(const std::string& pre) {
  return pre == "llama-bpe" || pre == "llama3" || pre == "llama-v3" || pre == "falcon3" ||
         pre == "pixtral" || pre == "tekken";
}

}  // namespace

absl::StatusOr<TokenizerData> ReadTokenizerData(const GgufFile& file,
                                                const std::string& pretokenizer) {
  TokenizerData data;
  ASSIGN_OR_RETURN(auto model, file.String("tokenizer.ggml.model"));
  if (!model) return absl::DataLossError("GGUF: tokenizer.ggml.model is absent");
  data.model = *std::move(model);
  const bool sentencepiece = data.model == "llama";

  ASSIGN_OR_RETURN(auto tokens, file.Strings("tokenizer.ggml.tokens"));
  if (!tokens) return absl::DataLossError("GGUF: tokenizer.ggml.tokens is absent");
  data.tokens = *std::move(tokens);
  ASSIGN_OR_RETURN(auto scores, file.Floats("tokenizer.ggml.scores"));
  if (scores) data.scores = *std::move(scores);
  ASSIGN_OR_RETURN(data.token_types, ReadTokenTypes(file));

  if (sentencepiece && !pretokenizer.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("pre-tokenizer: got \"", pretokenizer,
                     "\", expected none, because a tokenizer of the model \"llama\" has none"));
  }
  if (!sentencepiece) {
    ASSIGN_OR_RETURN(const auto pre, file.String("tokenizer.ggml.pre"));
    data.pre = pretokenizer.empty() ? pre.value_or("default") : pretokenizer;
    ASSIGN_OR_RETURN(auto merges, file.Strings("tokenizer.ggml.merges"));
    if (merges) data.merges = *std::move(merges);
  }

  // Returns the usual SentencePiece id, if the tokenizer is of that kind and its vocabulary has the
  // id.
  const auto usual = [&](TokenId id) {
    return sentencepiece && id < data.tokens.size() ? std::optional<TokenId>(id) : std::nullopt;
  };
  ASSIGN_OR_RETURN(data.bos, ReadId(file, "tokenizer.ggml.bos_token_id", usual(1)));
  ASSIGN_OR_RETURN(data.eos, ReadId(file, "tokenizer.ggml.eos_token_id", usual(2)));
  ASSIGN_OR_RETURN(data.unknown, ReadId(file, "tokenizer.ggml.unknown_token_id", usual(0)));
  ASSIGN_OR_RETURN(data.eot, ReadId(file, "tokenizer.ggml.eot_token_id", std::nullopt));
  ASSIGN_OR_RETURN(data.add_bos, ReadFlag(file, "tokenizer.ggml.add_bos_token",
                                          data.bos && (sentencepiece || PreAddsBos(data.pre))));
  ASSIGN_OR_RETURN(data.add_eos, ReadFlag(file, "tokenizer.ggml.add_eos_token", false));
  ASSIGN_OR_RETURN(data.add_space_prefix,
                   ReadFlag(file, "tokenizer.ggml.add_space_prefix", sentencepiece));
  return data;
}

}  // namespace recycling::verifier
