#ifndef RECYCLING_VERIFIER_MODEL_TOKENIZER_DATA_H_
#define RECYCLING_VERIFIER_MODEL_TOKENIZER_DATA_H_

#include <string>

#include "absl/status/statusor.h"
#include "common/tokenizer/tokenizer.h"
#include "verifier/model/gguf_file.h"

namespace recycling::verifier {

// Reads the data of the tokenizer from a file of any architecture, with or without tensors. If
// `pretokenizer` is not empty, it replaces the file's name of the pre-tokenizer
// (tokenizer.ggml.pre); returns InvalidArgument if the tokenizer needs none.
// README.md lists the defaults of absent keys. Returns DataLoss if the model of the tokenizer or
// the tokens are absent, or if a value has the wrong type. Tokenizer::Create checks whether the
// parts are consistent.
absl::StatusOr<TokenizerData> ReadTokenizerData(const GgufFile& file,
                                                const std::string& pretokenizer = "");

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_MODEL_TOKENIZER_DATA_H_
