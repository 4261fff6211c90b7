// Asks a verifier for the model's candidates after each single token of its vocabulary, and encodes
// them as a file that a drafter can load.
#ifndef RECYCLING_GATEWAY_CLI_MATRIX_FILL_H_
#define RECYCLING_GATEWAY_CLI_MATRIX_FILL_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/decoding/model_identity.h"
#include "common/decoding/token_id.h"
#include "recycling/verifier/v1/verifier.grpc.pb.h"

namespace recycling::cli {

// A row for each token of a model.
struct FilledMatrix {
  ModelIdentity model;
  std::uint32_t k = 0;
  // [vocab_size, k] Row t: the model's candidates after token t, the most probable first. Distinct
  // ids of the vocabulary.
  std::vector<TokenId> ids;
};

// Fills a matrix with calls of Verify, one after another. Each call verifies a tree below the same
// first token: the beginning-of-sequence token of the tokenizer, or the first end-of-sequence token
// if there is none, or token 0. The children of the first token are the next tokens of the
// vocabulary. So row t holds the candidates after the first token and t. The calls have no state,
// so the sequence does not grow.
//
// Each call takes at most `timeout` (0: no bound). Calls `progress` with the number of tokens that
// are done, after each call that brought rows. Waits if the verifier has no room, and returns
// its error if it has none for a minute. Needs the key of a peer if the verifier asks for keys.
// Returns FailedPrecondition if the verifier speaks another protocol or verifies no trees, Internal
// if an answer is malformed, and the errors of the calls. Blocks the calling thread.
absl::StatusOr<FilledMatrix> FillMatrix(
    verifier::v1::VerifierService::Stub& stub, absl::Duration timeout,
    const std::function<void(std::uint32_t done, std::uint32_t all)>& progress);

// The snapshot (drafter/store/README.md) that holds these rows and nothing else.
std::string EncodeFilledMatrix(const FilledMatrix& matrix);

}  // namespace recycling::cli

#endif  // RECYCLING_GATEWAY_CLI_MATRIX_FILL_H_
