#include <google/protobuf/util/json_util.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/program/choice_flag.h"
#include "common/tokenizer/utf8.h"
#include "gateway/cli/flags.h"
#include "gateway/cli/json_text.h"

namespace recycling::cli {
namespace {

constexpr std::pair<absl::string_view, gateway::v1::SpeculationMode> kSpeculations[] = {
    {"default", gateway::v1::SPECULATION_MODE_UNSPECIFIED},
    {"auto", gateway::v1::SPECULATION_MODE_ON},
    {"fixed", gateway::v1::SPECULATION_MODE_FIXED},
    {"full", gateway::v1::SPECULATION_MODE_FULL},
    {"off", gateway::v1::SPECULATION_MODE_OFF}};

}  // namespace
}  // namespace recycling::cli

ABSL_FLAG(bool, chat, false,
          "The prompt is a message of a user. The model's chat template turns it into the prompt, "
          "and the model writes the answer.");
ABSL_FLAG(std::optional<float>, temperature, std::nullopt,
          "0 to 100; 0 takes the most probable token each time. Not given: 0.");
ABSL_FLAG(std::optional<std::uint32_t>, top_k, std::nullopt,
          "Draw from the k most probable tokens; 0 draws from all. Not given: 0.");
ABSL_FLAG(std::optional<float>, top_p, std::nullopt,
          "Draw from the smallest set of tokens with at least this probability together; more than "
          "0, at most 1. Not given: 1.");
ABSL_FLAG(std::optional<std::uint64_t>, seed, std::nullopt,
          "Seed of the random draws. Not given: the gateway chooses a seed and returns it.");
ABSL_FLAG(
    std::optional<std::uint32_t>, max_tokens, std::nullopt,
    "Most tokens to write. Not given: the gateway's own limit, usually 512, but at most the room "
    "that the context has left. An output that reaches the limit has the finish reason length.");
ABSL_FLAG(
    recycling::cli::OptionalText, stop, {},
    "Text that ends the output and is not part of it. Write several as a JSON array of strings: "
    "'[\"\\n\\n\", \"The End\"]'.");
ABSL_FLAG(
    recycling::ChoiceFlag<recycling::cli::kSpeculations>, speculation,
    recycling::gateway::v1::SPECULATION_MODE_UNSPECIFIED,
    "How to draft. No choice changes a token. auto: the drafter builds the adaptive tree, which it "
    "expects to give the most tokens per second, and the gateway pauses drafting while it saves no "
    "time. fixed: the drafter builds the whole template tree at every step. full: the drafter "
    "takes "
    "the most probable nodes, as many as the request allows, even if they save no time. off: no "
    "drafts. default: the gateway's setting, usually auto.");
ABSL_FLAG(
    std::string, request, "",
    "The request, or any of its fields, as JSON of the message GenerateRequest "
    "(protos/recycling/gateway/v1/gateway.proto), for example '{\"sampling\": {\"minP\": 0.05, "
    "\"repetitionPenalty\": 1.1}, \"speculation\": {\"nodeBudget\": 16}}'. If another flag "
    "sets the same field, that flag counts.");

namespace recycling::cli {
namespace {

absl::StatusOr<gateway::v1::GenerateRequest> ParseRequest(const std::string& json) {
  gateway::v1::GenerateRequest request;
  if (json.empty()) return request;
  RETURN_IF_ERROR(CheckUtf8("--request", json));
  const auto status = google::protobuf::util::JsonStringToMessage(json, &request);
  if (status.ok()) return request;
  return absl::InvalidArgumentError(absl::StrCat("--request: expected JSON of a GenerateRequest: ",
                                                 std::string(status.message())));
}

void SetSampling(common::v1::SamplingOptions* sampling) {
  const auto set = [sampling](const auto& value, auto setter) {
    if (value.has_value()) (sampling->*setter)(*value);
  };
  using Options = common::v1::SamplingOptions;
  set(absl::GetFlag(FLAGS_temperature), &Options::set_temperature);
  set(absl::GetFlag(FLAGS_top_k), &Options::set_top_k);
  set(absl::GetFlag(FLAGS_top_p), &Options::set_top_p);
  set(absl::GetFlag(FLAGS_seed), &Options::set_seed);
  set(absl::GetFlag(FLAGS_max_tokens), &Options::set_max_tokens);
}

}  // namespace

FlagGroup RequestFlags() {
  return GroupOf("Request", FLAGS_chat, FLAGS_temperature, FLAGS_top_k, FLAGS_top_p, FLAGS_seed,
                 FLAGS_max_tokens, FLAGS_stop, FLAGS_speculation, FLAGS_request);
}

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

absl::StatusOr<gateway::v1::GenerateRequest> RequestFromFlags() {
  ASSIGN_OR_RETURN(gateway::v1::GenerateRequest request,
                   ParseRequest(absl::GetFlag(FLAGS_request)));
  if (absl::GetFlag(FLAGS_chat) && (request.has_prompt_ids() || request.parse_control())) {
    return absl::InvalidArgumentError(
        "got --chat with promptIds or parseControl in --request, expected one of them");
  }
  SetSampling(request.mutable_sampling());
  const auto mode = absl::GetFlag(FLAGS_speculation).value();
  if (mode != gateway::v1::SPECULATION_MODE_UNSPECIFIED) {
    request.mutable_speculation()->set_mode(mode);
  }
  if (const OptionalText stop = absl::GetFlag(FLAGS_stop); stop.given) {
    ASSIGN_OR_RETURN(const std::vector<std::string> texts, ParseStringOrArray("--stop", stop.text));
    request.clear_stop();
    for (const std::string& text : texts) {
      RETURN_IF_ERROR(CheckUtf8("--stop", text));
      request.add_stop(text);
    }
  }
  return request;
}

}  // namespace recycling::cli
