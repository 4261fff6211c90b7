// Tokenizer data on the wire: one message, sent as a stream of chunks.
#ifndef RECYCLING_COMMON_RPC_TOKENIZER_PROTO_H_
#define RECYCLING_COMMON_RPC_TOKENIZER_PROTO_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/tokenizer/tokenizer.h"
#include "recycling/verifier/v1/verifier.pb.h"

namespace recycling {

inline constexpr std::size_t kTokenizerChunkBytes = std::size_t{1} << 20;
// The most bytes of all chunks together.
inline constexpr std::size_t kMaxTokenizerBytes = std::size_t{64} << 20;
// The most fields of the serialized message. Nearly all fields are tokens and merges. An empty
// token takes two bytes on the wire and dozens in memory, so a bound on bytes alone would not bound
// the memory.
inline constexpr std::size_t kMaxTokenizerFields = std::size_t{1} << 22;

void TokenizerDataToProto(const TokenizerData& data, verifier::v1::TokenizerData* proto);

// InvalidArgument if the parts do not fit together (CheckTokenizerData). Tokenizer::Create checks
// merges and names.
absl::StatusOr<TokenizerData> TokenizerDataFromProto(const verifier::v1::TokenizerData& proto);

// The serialized message in chunks of kTokenizerChunkBytes; the last may be shorter, none is empty.
// InvalidArgument if the message exceeds the bounds above.
absl::StatusOr<std::vector<std::string>> SplitTokenizerData(const TokenizerData& data);

// Joins chunks into the message. Call Append for each chunk, then Finish. Threads: one.
class TokenizerDataJoiner {
 public:
  // InvalidArgument if the chunk exceeds kTokenizerChunkBytes, or if all chunks together exceed
  // kMaxTokenizerBytes. The chunk is then not added.
  absl::Status Append(std::string_view chunk);

  // Parses the message and leaves the joiner empty. InvalidArgument if the chunks are no
  // TokenizerData message. Other errors as TokenizerDataFromProto.
  absl::StatusOr<TokenizerData> Finish();

 private:
  std::string bytes_;
};

}  // namespace recycling

#endif  // RECYCLING_COMMON_RPC_TOKENIZER_PROTO_H_
