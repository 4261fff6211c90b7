// The tokens of a rendered chat template.
#ifndef RECYCLING_COMMON_CHAT_PROMPT_TOKENS_H_
#define RECYCLING_COMMON_CHAT_PROMPT_TOKENS_H_

#include <vector>

#include "absl/status/statusor.h"
#include "common/chat/marked_text.h"
#include "common/decoding/token_id.h"
#include "common/tokenizer/tokenizer.h"

namespace recycling::chat {

// The ids of `prompt`. Control tokens are read only where every byte is unmarked, and the text
// between two of them is encoded as one piece, marked or not. If the tokenizer adds bos and the
// template did not write it, bos comes first; there are never two. eos is not added, because the
// model shall continue. InvalidArgument as Tokenizer::Encode.
absl::StatusOr<std::vector<TokenId>> EncodePrompt(const Tokenizer& tokenizer,
                                                  const MarkedText& prompt);

}  // namespace recycling::chat

#endif  // RECYCLING_COMMON_CHAT_PROMPT_TOKENS_H_
