#include <algorithm>
#include <cstddef>
#include <deque>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/program/program.h"
#include "common/rpc/status_grpc.h"
#include "gateway/cli/client.h"
#include "gateway/cli/commands.h"
#include "gateway/cli/connection.h"
#include "gateway/cli/draft_view.h"
#include "gateway/cli/flags.h"
#include "gateway/cli/generate_call.h"
#include "recycling/gateway/v1/gateway.grpc.pb.h"

namespace recycling::cli {
namespace {

constexpr char kTreeProgram[] = "recycling tree";
constexpr std::size_t kDrawnSteps = 3;
// The mode and the budget of a request that sets neither. The gateway may pause drafting in the
// mode auto, and the trees would be empty.
constexpr std::uint32_t kUsualNodes = 16;
constexpr std::uint32_t kUsualTokens = 64;

absl::StatusOr<gateway::v1::GenerateRequest> RequestFor(const std::string& prompt) {
  ASSIGN_OR_RETURN(gateway::v1::GenerateRequest request, RequestFromFlags());
  if (request.input_case() != gateway::v1::GenerateRequest::INPUT_NOT_SET) {
    return absl::InvalidArgumentError("got a prompt in --request, expected it as an argument only");
  }
  RETURN_IF_ERROR(CheckUtf8("prompt", prompt));
  request.set_prompt(prompt);
  gateway::v1::SpeculationOptions& speculation = *request.mutable_speculation();
  if (speculation.mode() == gateway::v1::SPECULATION_MODE_UNSPECIFIED) {
    speculation.set_mode(gateway::v1::SPECULATION_MODE_FULL);
    if (!speculation.has_node_budget()) speculation.set_node_budget(kUsualNodes);
  }
  if (!request.sampling().has_max_tokens()) {
    request.mutable_sampling()->set_max_tokens(kUsualTokens);
  }
  speculation.set_trace(true);
  return request;
}

int Draw(const gateway::v1::GenerateRequest& request) {
  const std::string address = absl::GetFlag(FLAGS_gateway);
  const auto channel = Connect("--gateway", address);
  if (!channel.ok()) return FailUsage(kTreeProgram, std::string(channel.status().message()));
  TellIfItWaits(kTreeProgram, address, *channel, absl::GetFlag(FLAGS_timeout));
  const auto stub = gateway::v1::GatewayService::NewStub(*channel);
  InterruptibleCall call(absl::GetFlag(FLAGS_timeout));
  const auto stream = StartGenerate(*stub, call.context(), request);
  const bool colors = StdoutHasColors();
  DraftColors text(colors);
  std::deque<gateway::v1::StepTrace> last;
  std::size_t steps = 0;
  bool ended = false;
  gateway::v1::GenerateResponse response;
  while (stream->Read(&response)) {
    if (!Print(kTreeProgram, text.Show(response.delta()))) {
      call.context()->TryCancel();
      return kExitFailure;
    }
    ended = ended || response.has_final();
    if (!response.delta().has_trace()) continue;
    ++steps;
    last.push_back(response.delta().trace());
    if (last.size() > kDrawnSteps) last.pop_front();
  }
  absl::Status status = FromGrpcStatus(stream->Finish());
  if (status.ok() && !ended) {
    status = absl::InternalError("the stream ended without its final message");
  }
  if (!status.ok()) {
    return Fail(kTreeProgram, absl::StrCat("gateway ", address), Explain(status, address));
  }
  std::string trees = absl::StrCat("\n\n", text.Legend(), "\n");
  for (std::size_t i = 0; i < last.size(); ++i) {
    const gateway::v1::StepTrace& trace = last[i];
    absl::StrAppend(&trees, "\nstep ", steps - last.size() + i + 1, " of ", steps, ": accepted ",
                    trace.accepted_nodes_size(), " of ", trace.tree().tokens_size(), " nodes\n",
                    TreeText(trace, colors));
  }
  return Print(kTreeProgram, trees) ? kExitOk : kExitFailure;
}

}  // namespace

ProgramInfo TreeInfo() {
  return {
      .name = kTreeProgram,
      .summary =
          "Continues a prompt, shows which draft source guessed each token, and draws the draft "
          "trees of the last three steps: each node's token, the drafter's estimate, its sources, "
          "and whether the model accepted it. Without --speculation every step has a tree of 16 "
          "nodes, and without --max_tokens the output has at most 64 tokens.",
      .examples =
          "recycling tree 'Once upon a time'\n"
          "recycling tree 'Once upon a time' --temperature 0.8 --speculation auto\n",
      .flags = WithConnectionFlags({RequestFlags()})};
}

int RunTree(const std::vector<std::string>& words) {
  if (words.size() != 1) {
    return FailUsage(kTreeProgram,
                     absl::StrCat("got ", words.size(), " arguments, expected one: the prompt"));
  }
  const auto request = RequestFor(words[0]);
  if (!request.ok()) return FailUsage(kTreeProgram, std::string(request.status().message()));
  return Draw(*request);
}

}  // namespace recycling::cli
