#ifndef RECYCLING_VERIFIER_MODEL_TOKENIZER_DATA_H_
#define RECYCLING_VERIFIER_MODEL_TOKENIZER_DATA_H_

#include "absl/status/statusor.h"
#include "common/tokenizer/tokenizer.h"
#include "verifier/model/gguf_file.h"

namespace recycling::verifier {

// Reads the tokenizer's data from a file of any architecture, with or without tensors. README.md
// says what an absent key means. DataLoss if the tokenizer's model or the tokens are absent, or a
// value has the wrong type. Tokenizer::Create checks whether the parts fit together.
absl::StatusOr<TokenizerData> ReadTokenizerData(const GgufFile& file);

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_MODEL_TOKENIZER_DATA_H_
