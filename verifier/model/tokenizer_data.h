#ifndef RECYCLING_VERIFIER_MODEL_TOKENIZER_DATA_H_
#define RECYCLING_VERIFIER_MODEL_TOKENIZER_DATA_H_

#include "absl/status/statusor.h"
#include "common/tokenizer/tokenizer.h"
#include "verifier/model/gguf_file.h"

namespace recycling::verifier {

// The tokenizer's part of a file of any architecture, with or without tensors. What an absent key
// means stands in the table of README.md. DataLoss if the model or the tokens are absent or a value
// has the wrong type; whether the parts fit together is Tokenizer::Create's to check.
absl::StatusOr<TokenizerData> ReadTokenizerData(const GgufFile& file);

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_MODEL_TOKENIZER_DATA_H_
