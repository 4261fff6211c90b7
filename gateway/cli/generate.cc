#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <istream>
#include <optional>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/status_macros.h"
#include "common/program/program.h"
#include "common/rpc/status_grpc.h"
#include "gateway/cli/client.h"
#include "gateway/cli/commands.h"
#include "gateway/cli/connection.h"
#include "gateway/cli/draft_view.h"
#include "gateway/cli/flags.h"
#include "gateway/cli/generate_call.h"
#include "gateway/cli/json_text.h"
#include "gateway/cli/statistics_text.h"
#include "recycling/gateway/v1/gateway.grpc.pb.h"

ABSL_FLAG(
    recycling::cli::OptionalText, prompt, {},
    "The prompt. Without --prompt, and without a prompt in --request, the client reads it from "
    "standard input. A line break at the end is part of the prompt.");
ABSL_FLAG(bool, show_drafts, false,
          "Show which draft source guessed each token, by color. On a terminal without colors, and "
          "if the output is not a terminal, show it by letters. Not with --json.");

namespace recycling::cli {
namespace {

constexpr char kGenerateProgram[] = "recycling generate";
constexpr std::size_t kMaxPromptBytes = 16 << 20;  // the most that a gateway takes in one message

absl::StatusOr<std::string> ReadAll(std::istream& in, const std::string& name) {
  std::string text;
  char buffer[1 << 16];
  while (in.read(buffer, sizeof(buffer)) || in.gcount() > 0) {
    text.append(buffer, static_cast<std::size_t>(in.gcount()));
    if (text.size() > kMaxPromptBytes) {
      return absl::InvalidArgumentError(
          absl::StrCat(name, ": got more than ", kMaxPromptBytes, " bytes, expected a prompt"));
    }
  }
  if (in.bad()) return absl::InvalidArgumentError(absl::StrCat(name, ": cannot be read"));
  return text;
}

absl::Status SetPrompt(gateway::v1::GenerateRequest* request) {
  const OptionalText prompt = absl::GetFlag(FLAGS_prompt);
  if (request->input_case() != gateway::v1::GenerateRequest::INPUT_NOT_SET) {
    if (!prompt.given) return absl::OkStatus();
    return absl::InvalidArgumentError(
        "got --prompt and a prompt in --request, expected one of them");
  }
  if (prompt.given) {
    request->set_prompt(prompt.text);
  } else {
    if (isatty(STDIN_FILENO) == 1) std::fprintf(stderr, "Type a prompt; Ctrl-D ends it.\n");
    ASSIGN_OR_RETURN(*request->mutable_prompt(), ReadAll(std::cin, "stdin"));
  }
  return CheckUtf8("prompt", request->prompt());
}

absl::StatusOr<gateway::v1::GenerateRequest> RequestToSend() {
  ASSIGN_OR_RETURN(gateway::v1::GenerateRequest request, RequestFromFlags());
  if (request.sampling().has_top_logprobs() && !absl::GetFlag(FLAGS_json)) {
    return absl::InvalidArgumentError("topLogprobs in --request: expected --json too");
  }
  if (absl::GetFlag(FLAGS_show_drafts)) {
    if (absl::GetFlag(FLAGS_json)) {
      return absl::InvalidArgumentError("got --show_drafts with --json, expected one of them");
    }
    request.mutable_speculation()->set_trace(true);
  }
  RETURN_IF_ERROR(SetPrompt(&request));
  return request;
}

std::string EventJson(const gateway::v1::GenerateResponse& response) {
  switch (response.event_case()) {
    case gateway::v1::GenerateResponse::kStarted:
      return StartedJson(response.started());
    case gateway::v1::GenerateResponse::kDelta:
      return DeltaJson(response.delta());
    case gateway::v1::GenerateResponse::kFinal:
      return FinalJson(response.final());
    case gateway::v1::GenerateResponse::EVENT_NOT_SET:
      break;
  }
  return "";
}

// `block` with the label at the front of each line in bold.
std::string WithBoldLabels(const std::string& block) {
  std::string bold;
  for (const auto line : absl::StrSplit(block, '\n', absl::SkipEmpty())) {
    const std::string text(line);
    const std::size_t end = text.find(' ');
    absl::StrAppend(&bold, Bold(text.substr(0, end)), text.substr(end), "\n");
  }
  return bold;
}

void PrintEnd(const gateway::v1::Final& final, bool text_ends_line) {
  const bool json = absl::GetFlag(FLAGS_json);
  if (!json && isatty(STDOUT_FILENO) == 1 && !text_ends_line) Print(kGenerateProgram, "\n");
  if (!json) std::fprintf(stderr, "\n%s", WithBoldLabels(FinalText(final)).c_str());
}

int Generate(const gateway::v1::GenerateRequest& request) {
  const std::string address = absl::GetFlag(FLAGS_gateway);
  const bool json = absl::GetFlag(FLAGS_json);
  const auto channel = Connect("--gateway", address);
  if (!channel.ok()) return FailUsage(kGenerateProgram, std::string(channel.status().message()));
  TellIfItWaits(kGenerateProgram, address, *channel, absl::GetFlag(FLAGS_timeout));
  const auto stub = gateway::v1::GatewayService::NewStub(*channel);
  InterruptibleCall call(absl::GetFlag(FLAGS_timeout));
  const auto stream = StartGenerate(*stub, call.context(), request);
  gateway::v1::GenerateResponse response;
  std::optional<gateway::v1::Final> final;
  std::optional<DraftColors> drafts;
  if (absl::GetFlag(FLAGS_show_drafts)) drafts.emplace(StdoutHasColors());
  bool text_ends_line = true;
  while (stream->Read(&response)) {
    const std::string& text = response.delta().text();
    if (!Print(kGenerateProgram, json                 ? EventJson(response)
                                 : drafts.has_value() ? drafts->Show(response.delta())
                                                      : text)) {
      call.context()->TryCancel();
      return kExitFailure;
    }
    if (!text.empty()) text_ends_line = text.back() == '\n';
    if (response.has_final()) final = response.final();
  }
  absl::Status status = FromGrpcStatus(stream->Finish());
  if (status.ok() && !final.has_value()) {
    status = absl::InternalError("the stream ended without its final message");
  }
  if (!status.ok()) {
    if (!json && !text_ends_line) std::fprintf(stderr, "\n");
    return Fail(kGenerateProgram, absl::StrCat("gateway ", address), Explain(status, address));
  }
  if (drafts.has_value()) {
    if (!Print(kGenerateProgram, absl::StrCat("\n\n", drafts->Legend(), "\n"))) {
      return kExitFailure;
    }
    text_ends_line = true;
  }
  PrintEnd(*final, text_ends_line);
  return kExitOk;
}

}  // namespace

ProgramInfo GenerateInfo() {
  return {.name = kGenerateProgram,
          .summary = "Continues a prompt, and prints the text as the gateway sends it.",
          .examples =
              "recycling generate --prompt 'Once upon a time' --max_tokens 100\n"
              "recycling generate --temperature 0.8 --top_p 0.95 --seed 7 < prompt.txt\n"
              "recycling generate --chat --prompt 'Why is the sky blue?'\n"
              "recycling generate --prompt 'Once upon a time' --show_drafts\n"
              "echo 'Dear Sir,' | recycling generate --speculation off --json\n",
          .flags = WithConnectionFlags(
              {GroupOf("Prompt", FLAGS_prompt, FLAGS_show_drafts), RequestFlags()})};
}

int RunGenerate(const std::vector<std::string>& words) {
  if (!words.empty()) {
    return FailUsage(kGenerateProgram, absl::StrCat("got \"", words[0], "\", expected flags only"));
  }
  const absl::StatusOr<gateway::v1::GenerateRequest> request = RequestToSend();
  if (!request.ok()) return FailUsage(kGenerateProgram, std::string(request.status().message()));
  return Generate(*request);
}

}  // namespace recycling::cli
