// The commands of recycling-inspect, which reads a model file without any server.
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

// Prints metadata, tensors and memory of a file of any architecture, and whether it can be served;
// if not, why.
void PrintInfo(const GgufFile& file, const std::string& path, std::ostream& out);

// Reads everything up to the end of `in`. DataLoss if reading fails.
absl::StatusOr<std::string> ReadAll(std::istream& in);

// Writes one JSON array of ids for each line of `in`, a line each. InvalidArgument naming the line
// that cannot be encoded.
absl::Status Tokenize(const Tokenizer& tokenizer, const EncodeOptions& options, std::istream& in,
                      std::ostream& out);

// Writes the text of each line of `in`, a JSON array of ids, and a line break behind it.
// InvalidArgument naming the line that is none.
absl::Status Detokenize(const Tokenizer& tokenizer, std::istream& in, std::ostream& out);

// Writes the logits of every position of `ids` to `out`, little-endian float32 [positions,
// vocab_size]. Returns `greedy` ids that follow. `kv_type` is the transformer's. InvalidArgument if
// ids is empty or does not fit, DataLoss if `out` fails.
absl::StatusOr<std::vector<TokenId>> WriteLogits(Transformer& transformer, KvType kv_type,
                                                 const std::vector<TokenId>& ids, int greedy,
                                                 std::ostream& out);

struct Perplexity {
  std::uint64_t tokens = 0;   // scored
  std::uint64_t windows = 0;  // fresh sequences
  double nats = 0;            // sum of -log p(token | tokens before it in its window)
};

// Cuts `ids` into windows of `context` tokens and scores each token, given the tokens before it in
// its window. With `bos`, each window follows that token and all its tokens are scored. Without it,
// all but the first token are scored. Writes progress to `progress` after each window, unless it is
// null. InvalidArgument if `context` is out of range or no token can be scored.
absl::StatusOr<Perplexity> MeasurePerplexity(Transformer& transformer, KvType kv_type,
                                             const std::vector<TokenId>& ids,
                                             std::optional<TokenId> bos, std::uint32_t context,
                                             std::ostream* progress);

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_INSPECT_COMMANDS_H_
