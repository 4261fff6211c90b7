// Turns what a client asks for into what the decode loop runs: checks every field and fills in
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
#include "gateway/loop/decode_loop.h"

namespace recycling::gateway {

// recycling.gateway.v1.GenerateRequest as the client sent it.
struct GenerateOptions {
  std::variant<std::monostate, std::string, std::vector<TokenId>> prompt;  // text, or ids
  SamplingOptions sampling;
  std::vector<std::string> stop;
  std::optional<Speculation> speculation;
  std::optional<std::uint32_t> node_budget;
  MatrixScope scope = MatrixScope::kTenant;
  bool learn_from_prompt = false;
  std::optional<std::uint32_t> learn_last;
  std::string request_id;  // for logs; empty: the gateway makes one up
};

// What a request gets where it does not say, and the most that it may ask for.
struct RequestDefaults {
  Speculation speculation = Speculation::kAuto;
  int node_budget = 80;            // the paper's tree; what of it pays is decided at every step
  std::uint32_t max_tokens = 512;  // 0: what the context has room for
  // Bytes of a prompt that is text, or 16 for each token of the context if that is more: what is
  // longer cannot fit, and is refused before it is tokenized.
  std::size_t max_prompt_bytes = 1 << 20;
};

// Seeds that the gateway draws are at most this, so that clients whose numbers are doubles
// (JavaScript) read them exactly.
inline constexpr std::uint64_t kLargestDrawnSeed = (std::uint64_t{1} << 53) - 1;

// The request to run. InvalidArgument naming the field: no prompt, a prompt without tokens, longer
// than the defaults allow or the context leaves room for or with unknown ids; a sampling option out
// of its range; max_tokens that does not fit behind the prompt; more than 16 stop strings, an empty
// one or one over 1024 bytes. A request without max_tokens gets the default, or its min_tokens if
// that is more, or what fits behind the prompt if that is less. If it has no seed, it gets the low
// bits of `draw_random()`. The caller sets deadline and arrival.
absl::StatusOr<DecodeRequest> PlanDecode(GenerateOptions options, const Tokenizer& tokenizer,
                                         std::uint32_t context_length,
                                         const RequestDefaults& defaults,
                                         const std::function<std::uint64_t()>& draw_random);

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_FRONT_GENERATE_PLAN_H_
