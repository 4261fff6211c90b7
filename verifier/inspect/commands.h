// What recycling-inspect does, apart from flags: reads a model file without any server.
#ifndef RECYCLING_VERIFIER_INSPECT_COMMANDS_H_
#define RECYCLING_VERIFIER_INSPECT_COMMANDS_H_

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/tokenizer/tokenizer.h"
#include "verifier/forward/transformer.h"
#include "verifier/model/gguf_file.h"

namespace recycling::verifier {

// Metadata, tensors and memory of a file of any architecture; says why if it cannot be served.
void PrintInfo(const GgufFile& file, const std::string& path, std::ostream& out);

// Everything up to the end of `in`. DataLoss if reading fails.
absl::StatusOr<std::string> ReadAll(std::istream& in);

// Inputs and outputs stand one behind the other, each ended by a line break, or, if `separator` is
// not empty, by a line that holds it (a line break, the separator, a line break).
struct TextFraming {
  std::string separator;
};

// Writes one JSON array of ids for each text of `in`.
absl::Status Tokenize(const Tokenizer& tokenizer, const EncodeOptions& options,
                      const TextFraming& framing, std::istream& in, std::ostream& out);

// Writes the text of each line of `in`, a JSON array of ids.
absl::Status Detokenize(const Tokenizer& tokenizer, const TextFraming& framing, std::istream& in,
                        std::ostream& out);

// Writes the logits of every position of `ids` to `out`, little-endian float32 [positions,
// vocab_size]. Returns `greedy` ids that follow. `kv_type` is the transformer's. InvalidArgument if
// ids is empty or does not fit, DataLoss if `out` fails.
absl::StatusOr<std::vector<TokenId>> WriteLogits(Transformer& transformer, KvType kv_type,
                                                 const std::vector<TokenId>& ids, int greedy,
                                                 std::ostream& out);

struct Perplexity {
  std::uint64_t tokens = 0;   // scored
  std::uint64_t windows = 0;  // fresh sequences
  double nats = 0;            // sum of -log p(token | window before it)
};

// Cuts `ids` into windows of `context` tokens that know nothing of each other and scores each token
// from those before it in its window. With `bos` a window starts behind that token, and all of its
// tokens are scored; without, all but the first are. `progress`, if not null, hears of each window.
absl::StatusOr<Perplexity> MeasurePerplexity(Transformer& transformer, KvType kv_type,
                                             const std::vector<TokenId>& ids,
                                             std::optional<TokenId> bos, std::uint32_t context,
                                             std::ostream* progress);

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_INSPECT_COMMANDS_H_
