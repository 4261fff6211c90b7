#include <cstdint>
#include <optional>
#include <utility>

#include "absl/flags/flag.h"
#include "absl/flags/marshalling.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/status_macros.h"
#include "common/tokenizer/utf8.h"
#include "gateway/cli/flags.h"
#include "gateway/cli/json_text.h"

ABSL_FLAG(std::optional<float>, temperature, std::nullopt,
          "0 to 100; 0 takes the most probable token each time. Default 0.");
ABSL_FLAG(std::optional<std::uint32_t>, top_k, std::nullopt,
          "Draw from the k most probable tokens; 0 from all. Default 0.");
ABSL_FLAG(std::optional<float>, top_p, std::nullopt,
          "Draw from the smallest set of tokens with at least this probability together; more than "
          "0, at most 1. Default 1.");
ABSL_FLAG(std::optional<float>, min_p, std::nullopt,
          "Drop tokens less probable than this times the most probable one; 0 to 1. Default 0.");
ABSL_FLAG(
    std::optional<float>, repetition_penalty, std::nullopt,
    "Divides positive and multiplies negative logits of tokens seen in prompt or output; more "
    "than 0, at most 100. Default 1.");
ABSL_FLAG(std::optional<float>, frequency_penalty, std::nullopt,
          "Subtracted from a token's logit once per occurrence in the output; -100 to 100. Default "
          "0.");
ABSL_FLAG(std::optional<float>, presence_penalty, std::nullopt,
          "Subtracted from a token's logit if it occurs in the output; -100 to 100. Default 0.");
ABSL_FLAG(std::vector<std::string>, logit_bias, {},
          "Added to logits of single tokens: ID:BIAS,ID:BIAS,... with biases from -1000 to 1000.");
ABSL_FLAG(std::optional<std::uint64_t>, seed, std::nullopt,
          "Seed of the draws. Default: the gateway draws one and says which.");
ABSL_FLAG(
    std::optional<std::uint32_t>, max_tokens, std::nullopt,
    "Most tokens to write. Default: the gateway's own, usually 512; at most what the context has "
    "left. An output that ends there says so: ended by length.");
ABSL_FLAG(std::optional<std::uint32_t>, min_tokens, std::nullopt,
          "Neither the end-of-sequence token nor a stop token before this many tokens. Default 0.");
ABSL_FLAG(recycling::cli::OptionalText, stop, {},
          "Text that ends the output and is not part of it. Several as a JSON array of strings: "
          "'[\"\\n\\n\", \"The End\"]'.");
ABSL_FLAG(std::vector<std::string>, stop_token_ids, {}, "Token ids that end the output: ID,ID,...");
ABSL_FLAG(bool, ignore_eos, false, "Go on after the model's end-of-sequence token.");
ABSL_FLAG(std::string, speculation, "",
          "auto: draft the tree that pays, while one does; fixed: the drafter's whole template at "
          "every step; off: decode plainly. None changes a token. Default: the gateway's, usually "
          "auto.");
ABSL_FLAG(std::optional<std::uint32_t>, node_budget, std::nullopt,
          "Most drafted tokens per step; 0 decodes plainly while the drafter keeps learning. "
          "Default: the gateway's.");
ABSL_FLAG(std::string, matrix_scope, "tenant",
          "Which adjacency matrix to use: request (a fresh one), tenant or shared.");
ABSL_FLAG(bool, learn_from_prompt, false, "Learn the candidates of the prompt's tokens first.");
ABSL_FLAG(std::optional<std::uint32_t>, learn_last, std::nullopt,
          "With --learn_from_prompt, only of the last this many tokens. Default: all.");

namespace recycling::cli {
namespace {

absl::Status SetLogitBias(common::v1::SamplingOptions* sampling) {
  for (const std::string& entry : absl::GetFlag(FLAGS_logit_bias)) {
    const std::pair<std::string, std::string> parts =
        absl::StrSplit(entry, absl::MaxSplits(':', 1));
    std::uint32_t id = 0;
    float bias = 0;
    if (!absl::SimpleAtoi(parts.first, &id) || !absl::SimpleAtof(parts.second, &bias)) {
      return absl::InvalidArgumentError(
          absl::StrCat("--logit_bias: got \"", entry, "\", expected ID:BIAS"));
    }
    auto* added = sampling->add_logit_bias();
    added->set_token_id(id);
    added->set_bias(bias);
  }
  return absl::OkStatus();
}

absl::Status SetSampling(common::v1::SamplingOptions* sampling) {
  const auto set = [sampling](const auto& value, auto setter) {
    if (value.has_value()) (sampling->*setter)(*value);
  };
  using Options = common::v1::SamplingOptions;
  set(absl::GetFlag(FLAGS_temperature), &Options::set_temperature);
  set(absl::GetFlag(FLAGS_top_k), &Options::set_top_k);
  set(absl::GetFlag(FLAGS_top_p), &Options::set_top_p);
  set(absl::GetFlag(FLAGS_min_p), &Options::set_min_p);
  set(absl::GetFlag(FLAGS_repetition_penalty), &Options::set_repetition_penalty);
  set(absl::GetFlag(FLAGS_frequency_penalty), &Options::set_frequency_penalty);
  set(absl::GetFlag(FLAGS_presence_penalty), &Options::set_presence_penalty);
  set(absl::GetFlag(FLAGS_seed), &Options::set_seed);
  set(absl::GetFlag(FLAGS_max_tokens), &Options::set_max_tokens);
  set(absl::GetFlag(FLAGS_min_tokens), &Options::set_min_tokens);
  if (absl::GetFlag(FLAGS_ignore_eos)) sampling->set_ignore_eos(true);
  ASSIGN_OR_RETURN(const std::vector<std::uint32_t> stop_ids,
                   ParseIds("stop_token_ids", absl::GetFlag(FLAGS_stop_token_ids)));
  sampling->mutable_stop_token_ids()->Assign(stop_ids.begin(), stop_ids.end());
  return SetLogitBias(sampling);
}

absl::StatusOr<gateway::v1::SpeculationMode> ParseSpeculationMode(const std::string& text) {
  if (text.empty()) return gateway::v1::SPECULATION_MODE_UNSPECIFIED;
  if (text == "auto") return gateway::v1::SPECULATION_MODE_ON;
  if (text == "fixed") return gateway::v1::SPECULATION_MODE_FIXED;
  if (text == "off") return gateway::v1::SPECULATION_MODE_OFF;
  return absl::InvalidArgumentError(
      absl::StrCat("--speculation: got \"", text, "\", expected auto, fixed or off"));
}

absl::Status SetSpeculation(gateway::v1::SpeculationOptions* speculation) {
  const std::string scope = absl::GetFlag(FLAGS_matrix_scope);
  ASSIGN_OR_RETURN(const common::v1::MatrixScope parsed, ParseMatrixScope("matrix_scope", scope));
  speculation->set_matrix_scope(parsed);
  ASSIGN_OR_RETURN(const auto mode, ParseSpeculationMode(absl::GetFlag(FLAGS_speculation)));
  speculation->set_mode(mode);
  if (const auto budget = absl::GetFlag(FLAGS_node_budget); budget.has_value()) {
    speculation->set_node_budget(*budget);
  }
  if (absl::GetFlag(FLAGS_learn_from_prompt)) speculation->set_learn_from_prompt(true);
  if (const auto last = absl::GetFlag(FLAGS_learn_last); last.has_value()) {
    speculation->set_learn_last(*last);
  }
  return absl::OkStatus();
}

}  // namespace

bool AbslParseFlag(absl::string_view text, OptionalText* flag, std::string*) {
  *flag = {.given = true, .text = std::string(text)};
  return true;
}

std::string AbslUnparseFlag(const OptionalText& flag) { return flag.text; }

absl::Status CheckUtf8(const std::string& what, const std::string& text) {
  for (Utf8Reader reader(text); !reader.done();) {
    const std::size_t position = reader.position();
    if (reader.Next().has_value()) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(what, ": got a byte that is not UTF-8 at ", position));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::uint32_t>> ParseIds(const std::string& flag,
                                                    const std::vector<std::string>& texts) {
  std::vector<std::uint32_t> ids;
  for (const std::string& text : texts) {
    std::uint32_t id = 0;
    if (!absl::SimpleAtoi(text, &id)) {
      return absl::InvalidArgumentError(
          absl::StrCat("--", flag, ": got \"", text, "\", expected a token id"));
    }
    ids.push_back(id);
  }
  return ids;
}

absl::StatusOr<common::v1::MatrixScope> ParseMatrixScope(const std::string& flag,
                                                         const std::string& text) {
  if (text == "request") return common::v1::MATRIX_SCOPE_REQUEST;
  if (text == "tenant") return common::v1::MATRIX_SCOPE_TENANT;
  if (text == "shared") return common::v1::MATRIX_SCOPE_SHARED;
  return absl::InvalidArgumentError(
      absl::StrCat("--", flag, ": got \"", text, "\", expected request, tenant or shared"));
}

absl::StatusOr<gateway::v1::GenerateRequest> RequestFromFlags() {
  gateway::v1::GenerateRequest request;
  RETURN_IF_ERROR(SetSampling(request.mutable_sampling()));
  RETURN_IF_ERROR(SetSpeculation(request.mutable_speculation()));
  if (const OptionalText stop = absl::GetFlag(FLAGS_stop); stop.given) {
    ASSIGN_OR_RETURN(const std::vector<std::string> texts, ParseStringOrArray("--stop", stop.text));
    for (const std::string& text : texts) {
      RETURN_IF_ERROR(CheckUtf8("--stop", text));
      request.add_stop(text);
    }
  }
  return request;
}

}  // namespace recycling::cli
