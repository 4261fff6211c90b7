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

// What a verifier of the file would be started with.
struct ServingPlan {
  std::uint32_t context_length = 0;  // 0: that of the file
  int max_sequences = 8;
  std::string pretokenizer;  // empty: that of the file
};

// Prints what a file of any architecture holds: its metadata and tensors, a summary of the model
// and its number formats, and the memory that a verifier takes with `plan`. Then prints whether
// the verifier can serve the file. If not, it prints every reason that it finds.
void PrintInfo(const GgufFile& file, const std::string& path, const ServingPlan& plan,
               std::ostream& out);

// Reads `in` up to its end. Returns DataLoss if reading fails.
absl::StatusOr<std::string> ReadAll(std::istream& in);

// Writes one line for each line of `in`: a JSON array of its token ids. If a line cannot be
// encoded, returns InvalidArgument with the number of the line.
absl::Status Tokenize(const Tokenizer& tokenizer, const EncodeOptions& options, std::istream& in,
                      std::ostream& out);

// Each line of `in` is a JSON array of token ids. Writes the text of each line, followed by a line
// break. If a line is not such an array, returns InvalidArgument with the number of the line.
absl::Status Detokenize(const Tokenizer& tokenizer, std::istream& in, std::ostream& out);

// Writes the logits of every position of `ids` to `out`, as little-endian float32 [positions,
// vocab_size]. Then chooses `greedy` further ids, each with the highest logit, and returns them.
// `kv_type` must be that of the transformer. Returns InvalidArgument if `ids` is empty or has too
// many ids, and DataLoss if writing to `out` fails.
absl::StatusOr<std::vector<TokenId>> WriteLogits(Transformer& transformer, KvType kv_type,
                                                 const std::vector<TokenId>& ids, int greedy,
                                                 std::ostream& out);

struct Perplexity {
  std::uint64_t tokens = 0;   // number of scored tokens
  std::uint64_t windows = 0;  // number of windows
  double nats = 0;            // sum of -log p(token | tokens before it in its window)
};

// Cuts `ids` into windows of `context` tokens and scores each token, given the tokens before it in
// its window. With `bos`, each window starts with that token, and all tokens of `ids` are scored.
// Without it, the first token of each window is not scored. Writes progress to `progress` after
// each window, unless it is null. Returns InvalidArgument if `context` is out of range or if no
// token can be scored.
absl::StatusOr<Perplexity> MeasurePerplexity(Transformer& transformer, KvType kv_type,
                                             const std::vector<TokenId>& ids,
                                             std::optional<TokenId> bos, std::uint32_t context,
                                             std::ostream* progress);

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_INSPECT_COMMANDS_H_
