#include "common/tokenizer/tokenizer_check.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"

namespace recycling {
namespace {

constexpr std::size_t kMaxTokens = std::size_t{1} << 24;
constexpr std::size_t kMaxBytes = std::size_t{1} << 30;

absl::Status CheckLength(const char* what, std::size_t got, std::size_t tokens) {
  if (got == 0 || got == tokens) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("tokenizer: got ", got, " ", what, " for ", tokens, " tokens"));
}

absl::Status CheckId(const char* what, const std::optional<TokenId>& id, std::size_t tokens) {
  if (!id.has_value() || *id < tokens) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("tokenizer: got ", what, " id ", *id, ", expected less than ", tokens));
}

}  // namespace

absl::Status CheckTokenizerData(const TokenizerData& data) {
  const std::size_t tokens = data.tokens.size();
  if (tokens < 1 || tokens > kMaxTokens) {
    return absl::InvalidArgumentError(
        absl::StrCat("tokenizer: got ", tokens, " tokens, expected 1 to ", kMaxTokens));
  }
  std::size_t bytes = 0;
  for (const std::string& token : data.tokens) bytes += token.size();
  if (bytes > kMaxBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("tokenizer: got ", bytes, " bytes of tokens, expected at most ", kMaxBytes));
  }
  RETURN_IF_ERROR(CheckLength("scores", data.scores.size(), tokens));
  RETURN_IF_ERROR(CheckLength("token types", data.token_types.size(), tokens));
  for (std::size_t id = 0; id < data.scores.size(); ++id) {
    if (std::isnan(data.scores[id])) {
      return absl::InvalidArgumentError(
          absl::StrCat("tokenizer: the score of token ", id, " is not a number"));
    }
  }
  for (std::size_t id = 0; id < data.token_types.size(); ++id) {
    const int type = static_cast<int>(data.token_types[id]);
    if (type < 1 || type > 6) {
      return absl::InvalidArgumentError(
          absl::StrCat("tokenizer: got type ", type, " for token ", id, ", expected 1 to 6"));
    }
  }
  RETURN_IF_ERROR(CheckId("bos", data.bos, tokens));
  RETURN_IF_ERROR(CheckId("eos", data.eos, tokens));
  RETURN_IF_ERROR(CheckId("eot", data.eot, tokens));
  RETURN_IF_ERROR(CheckId("unknown", data.unknown, tokens));
  if (data.add_bos && !data.bos.has_value()) {
    return absl::InvalidArgumentError("tokenizer: add_bos is set, but there is no bos id");
  }
  if (data.add_eos && !data.eos.has_value()) {
    return absl::InvalidArgumentError("tokenizer: add_eos is set, but there is no eos id");
  }
  return absl::OkStatus();
}

}  // namespace recycling
