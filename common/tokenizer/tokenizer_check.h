#ifndef RECYCLING_COMMON_TOKENIZER_TOKENIZER_CHECK_H_
#define RECYCLING_COMMON_TOKENIZER_TOKENIZER_CHECK_H_

#include "absl/status/status.h"
#include "common/tokenizer/tokenizer.h"

namespace recycling {

// OK if the parts of `data` fit together: 1 to 2^24 tokens of at most 1 GiB together; scores and
// types empty or one per token; scores are numbers; types known; ids in the vocabulary; add_bos /
// add_eos only with the id. Else InvalidArgument. Whether the model and the pre-tokenizer are
// known is not checked.
absl::Status CheckTokenizerData(const TokenizerData& data);

}  // namespace recycling

#endif  // RECYCLING_COMMON_TOKENIZER_TOKENIZER_CHECK_H_
