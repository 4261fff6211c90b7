#ifndef RECYCLING_COMMON_TOKENIZER_TOKENIZER_CHECK_H_
#define RECYCLING_COMMON_TOKENIZER_TOKENIZER_CHECK_H_

#include "absl/status/status.h"
#include "common/tokenizer/tokenizer.h"

namespace recycling {

// OK if the parts of `data` fit together. Else InvalidArgument. The rules are:
//  1. There are 1 to 2^24 tokens, of at most 1 GiB together.
//  2. Scores and types are empty or one per token. No score is NaN. Every type is known.
//  3. Ids are in the vocabulary. add_bos needs a bos id, and add_eos an eos id.
// Does not check whether the model and the pre-tokenizer are known.
absl::Status CheckTokenizerData(const TokenizerData& data);

}  // namespace recycling

#endif  // RECYCLING_COMMON_TOKENIZER_TOKENIZER_CHECK_H_
