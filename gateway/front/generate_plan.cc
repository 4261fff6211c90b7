#include "gateway/front/generate_plan.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/constraint/constraint.h"
#include "common/decoding/check_token.h"

namespace recycling::gateway {
namespace {

constexpr std::size_t kMostStops = 16;
constexpr std::size_t kLongestStop = 1024;

absl::StatusOr<std::vector<TokenId>> PromptIds(GenerateOptions* options, const Tokenizer& tokenizer,
                                               std::size_t max_bytes) {
  if (const auto* text = std::get_if<std::string>(&options->prompt); text != nullptr) {
    if (text->size() > max_bytes) {
      return absl::InvalidArgumentError(
          absl::StrCat("prompt: got ", text->size(), " bytes, expected at most ", max_bytes));
    }
    return tokenizer.Encode(*text, {.add_special = true, .parse_control = options->parse_control});
  }
  auto* ids = std::get_if<std::vector<TokenId>>(&options->prompt);
  if (ids == nullptr)
    return absl::InvalidArgumentError("prompt: got neither prompt nor prompt_ids");
  RETURN_IF_ERROR(CheckTokens("prompt_ids", *ids, tokenizer.vocab_size()));
  return std::move(*ids);
}

// How many tokens fit behind `prompt_tokens` into the context, at least 1.
absl::StatusOr<std::uint32_t> RoomBehind(std::size_t prompt_tokens, std::uint32_t context_length) {
  if (prompt_tokens == 0) {
    return absl::InvalidArgumentError("prompt: got no tokens, expected at least 1");
  }
  if (prompt_tokens >= context_length) {
    return absl::InvalidArgumentError(absl::StrCat("prompt: got ", prompt_tokens,
                                                   " tokens, expected at most ", context_length - 1,
                                                   " in a context of ", context_length));
  }
  return context_length - static_cast<std::uint32_t>(prompt_tokens);
}

}  // namespace

std::size_t MaxPromptBytes(const RequestDefaults& defaults, std::uint32_t context_length) {
  return std::max(defaults.max_prompt_bytes, std::size_t{16} * context_length);
}

absl::Status CheckStops(const std::vector<std::string>& stops) {
  if (stops.size() > kMostStops) {
    return absl::InvalidArgumentError(
        absl::StrCat("stop: got ", stops.size(), " strings, expected at most ", kMostStops));
  }
  for (const std::string& stop : stops) {
    if (!stop.empty() && stop.size() <= kLongestStop) continue;
    return absl::InvalidArgumentError(absl::StrCat("stop: got a string of ", stop.size(),
                                                   " bytes, expected 1 to ", kLongestStop));
  }
  return absl::OkStatus();
}

absl::StatusOr<DecodeRequest> PlanDecode(GenerateOptions options, const Tokenizer& tokenizer,
                                         std::uint32_t context_length,
                                         const RequestDefaults& defaults,
                                         const std::function<std::uint64_t()>& draw_random) {
  DecodeRequest request;
  ASSIGN_OR_RETURN(request.prompt_ids,
                   PromptIds(&options, tokenizer, MaxPromptBytes(defaults, context_length)));
  ASSIGN_OR_RETURN(const std::uint32_t room, RoomBehind(request.prompt_ids.size(), context_length));
  request.sampling = std::move(options.sampling);
  if (request.sampling.max_tokens.value_or(room) > room) {
    return absl::InvalidArgumentError(
        absl::StrCat("max_tokens: got ", *request.sampling.max_tokens, ", expected at most ", room,
                     " behind a prompt of ", request.prompt_ids.size(), " tokens in a context of ",
                     context_length));
  }
  if (!request.sampling.max_tokens.has_value()) {
    const std::uint32_t wanted = std::max(defaults.max_tokens, request.sampling.min_tokens);
    const bool fills = options.fill_context || defaults.max_tokens == 0;
    request.sampling.max_tokens = fills ? room : std::min(wanted, room);
  }
  if (!request.sampling.seed.has_value()) {
    request.sampling.seed = draw_random() & kLargestDrawnSeed;
  }
  RETURN_IF_ERROR(ValidateSamplingOptions(request.sampling, tokenizer.vocab_size()));
  if (request.sampling.constraint.has_value()) {
    RETURN_IF_ERROR(constraint::CheckConstraint(*request.sampling.constraint));
  }
  request.max_tokens = *request.sampling.max_tokens;
  RETURN_IF_ERROR(CheckStops(options.stop));
  request.stop = std::move(options.stop);
  request.speculation = options.speculation.value_or(defaults.speculation);
  constexpr std::uint32_t kMostNodes = std::numeric_limits<int>::max();
  request.node_budget = options.node_budget.has_value()
                            ? static_cast<int>(std::min(*options.node_budget, kMostNodes))
                            : defaults.node_budget;
  request.scope = options.scope;
  request.trace = options.trace;
  if (options.learn_from_prompt) {
    request.learn_last = options.learn_last.value_or(std::numeric_limits<std::uint32_t>::max());
  }
  return request;
}

}  // namespace recycling::gateway
