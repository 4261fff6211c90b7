// Turns a client's request into a request for the decode loop: checks every field and fills in
// every default.
#ifndef RECYCLING_GATEWAY_FRONT_GENERATE_PLAN_H_
#define RECYCLING_GATEWAY_FRONT_GENERATE_PLAN_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/decoding/sampling_options.h"
#include "common/tokenizer/tokenizer.h"
#include "gateway/front/chat_prompt.h"
#include "gateway/loop/decode_loop.h"

namespace recycling::gateway {

// recycling.gateway.v1.GenerateRequest as the client sent it.
struct GenerateOptions {
  // Text, ids, or a conversation, which the caller of PlanDecode turns into ids.
  std::variant<std::monostate, std::string, std::vector<TokenId>, ChatPrompt> prompt;
  bool parse_control = false;  // names of control tokens in a text become these tokens
  SamplingOptions sampling;
  std::vector<std::string> stop;
  std::optional<Speculation> speculation;
  std::optional<std::uint32_t> node_budget;
  MatrixScope scope = MatrixScope::kTenant;
  bool learn_from_prompt = false;
  std::optional<std::uint32_t> learn_last;
  bool trace = false;
  std::string request_id;     // for logs; empty: the gateway makes one
  bool fill_context = false;  // without max_tokens: as many tokens as fit, not the default
};

// The values of fields that a request leaves out, and the longest prompt that it may have.
struct RequestDefaults {
  Speculation speculation = Speculation::kAuto;
  // Most drafted nodes of a step. The default is the size of the tree in the paper on Token
  // Recycling. In the mode auto, a step drafts only the nodes that save time.
  int node_budget = 80;
  std::uint32_t max_tokens = 512;  // 0: as many as the context has room for
  // A prompt that is text may have this many bytes, or 16 bytes for each token of the context,
  // whichever is more. A longer text cannot fit, so the gateway refuses it before it tokenizes it.
  std::size_t max_prompt_bytes = 1 << 20;
};

// The largest seed that the gateway draws. A client whose numbers are doubles (JavaScript) holds
// this seed and every smaller one exactly.
inline constexpr std::uint64_t kLargestDrawnSeed = (std::uint64_t{1} << 53) - 1;

// The most bytes that the text of a prompt may have, rendered or not.
std::size_t MaxPromptBytes(const RequestDefaults& defaults, std::uint32_t context_length);

// InvalidArgument if there are more than 16 stop strings, an empty one or one of more than 1024
// bytes.
absl::Status CheckStops(const std::vector<std::string>& stops);

// Returns the request to run. Returns InvalidArgument with the name of the field if
//  - there is no prompt, or it has no tokens, too many bytes, too many tokens or unknown ids;
//  - a sampling option is out of its range;
//  - max_tokens tokens do not fit behind the prompt;
//  - CheckStops refuses the stop strings;
//  - the constraint cannot be compiled.
// A request without max_tokens gets the default or its min_tokens, whichever is more, but not more
// than fits behind the prompt. A request without a seed gets the low bits of `draw_random()`. The
// caller sets deadline and arrival.
absl::StatusOr<DecodeRequest> PlanDecode(GenerateOptions options, const Tokenizer& tokenizer,
                                         std::uint32_t context_length,
                                         const RequestDefaults& defaults,
                                         const std::function<std::uint64_t()>& draw_random);

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_FRONT_GENERATE_PLAN_H_
