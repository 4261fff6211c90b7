#include "common/chat/prompt_tokens.h"

#include <algorithm>

#include "common/base/status_macros.h"

namespace recycling::chat {

absl::StatusOr<std::vector<TokenId>> EncodePrompt(const Tokenizer& tokenizer,
                                                  const MarkedText& prompt) {
  ASSIGN_OR_RETURN(
      std::vector<TokenId> ids,
      tokenizer.Encode(prompt.bytes(),
                       {.add_special = false, .parse_control = true, .foreign = prompt.marked()}));
  const TokenizerData& data = tokenizer.data();
  if (data.add_bos && std::find(ids.begin(), ids.end(), *data.bos) == ids.end()) {
    ids.insert(ids.begin(), *data.bos);
  }
  return ids;
}

}  // namespace recycling::chat
