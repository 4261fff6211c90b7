#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/rpc/status_grpc.h"
#include "gateway/cli/chat_session.h"
#include "gateway/cli/client.h"
#include "gateway/cli/commands.h"
#include "gateway/cli/connection.h"
#include "gateway/cli/flags.h"
#include "gateway/cli/json_text.h"
#include "gateway/cli/line_reader.h"
#include "recycling/gateway/v1/gateway.grpc.pb.h"

namespace recycling::cli {
namespace {

constexpr char kChatProgram[] = "recycling chat";

// Writes a new file. An error has the reason of the system.
absl::Status WriteNewFile(const std::string& path, const std::string& text) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0) return absl::InvalidArgumentError(absl::StrCat(path, ": ", std::strerror(errno)));
  std::FILE* stream = fdopen(file, "w");
  const bool written = std::fwrite(text.data(), 1, text.size(), stream) == text.size();
  if (std::fclose(stream) == 0 && written) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(path, ": cannot be written"));
}

class Chat {
 public:
  Chat(const gateway::v1::GenerateRequest& request, const std::string& address,
       gateway::v1::GatewayService::Stub& stub)
      : session_(request), address_(address), stub_(stub) {}

  int Run() {
    if (reader_.interactive()) {
      InterruptsEndCallsOnly();
      std::fprintf(stderr, "/help lists the commands; Ctrl-D ends.\n");
    }
    int exit_code = kExitOk;
    while (const auto line = reader_.Read("> ")) {
      const absl::StatusOr<ChatSession::Reaction> reaction = session_.Take(*line);
      if (!reaction.ok()) {
        std::fprintf(stderr, "%s\n", std::string(reaction.status().message()).c_str());
        exit_code = kExitFailure;
        continue;
      }
      if (reaction->kind == ChatSession::Reaction::Kind::kQuit) return exit_code;
      const int done = Do(*reaction);
      if (done == kExitInterrupted) return done;
      if (done != kExitOk) exit_code = done;
    }
    if (reader_.interactive()) std::printf("\n");
    // In a terminal, errors were seen. A script learns of them by the exit code.
    return reader_.interactive() ? kExitOk : exit_code;
  }

 private:
  int Do(const ChatSession::Reaction& reaction) {
    switch (reaction.kind) {
      case ChatSession::Reaction::Kind::kShow:
        return Print(kChatProgram, reaction.text) ? kExitOk : kExitFailure;
      case ChatSession::Reaction::Kind::kSave: {
        const absl::Status saved =
            WriteNewFile(reaction.text, MessagesJson(session_.request().conversation()));
        return saved.ok() ? kExitOk : Fail(kChatProgram, "/save", saved);
      }
      case ChatSession::Reaction::Kind::kSend:
        return Send();
      default:
        return kExitOk;
    }
  }

  // Sends the conversation and shows the answer.
  int Send() {
    InterruptibleCall call(absl::GetFlag(FLAGS_timeout));
    const auto stream = stub_.Chat(call.context(), session_.request());
    gateway::v1::GenerateResponse response;
    std::string answer;
    while (stream->Read(&response)) {
      const std::string& text = response.delta().text();
      if (!Print(kChatProgram, text)) call.context()->TryCancel();
      answer += text;
    }
    const absl::Status status = FromGrpcStatus(stream->Finish());
    if (!answer.ends_with('\n') && !answer.empty()) Print(kChatProgram, "\n");
    const bool stopped = absl::IsCancelled(status);
    if (!status.ok() && !(stopped && !answer.empty())) {
      session_.NotAnswered();
    } else {
      session_.Answered(answer);
    }
    if (status.ok()) {
      ShowSpeed(response.final());
      return kExitOk;
    }
    if (stopped && reader_.interactive()) {
      std::fprintf(stderr, "stopped\n");
      return kExitOk;
    }
    return Fail(kChatProgram, absl::StrCat("gateway ", address_), Explain(status, address_));
  }

  static void ShowSpeed(const gateway::v1::Final& final) {
    if (!StderrIsTerminal()) return;
    const double seconds = static_cast<double>(final.timings().decode_micros()) / 1e6;
    const std::uint32_t tokens = final.usage().completion_tokens();
    if (seconds <= 0 || tokens == 0) return;
    std::fprintf(stderr, "%s\n",
                 absl::StrFormat("(%d tokens, %.1f tokens/s, %.2f tokens a step)", tokens,
                                 tokens / seconds, final.speculation().mean_accepted_tokens())
                     .c_str());
  }

  ChatSession session_;
  LineReader reader_;
  const std::string address_;
  gateway::v1::GatewayService::Stub& stub_;
};

}  // namespace

ProgramInfo ChatInfo() {
  return {.name = kChatProgram,
          .summary =
              "Talks with the model. Each line is a message; the model's chat template turns the "
              "conversation into prompts. /help lists the commands.",
          .examples =
              "recycling chat\n"
              "recycling chat --temperature 0.7 --max_tokens 400\n"
              "printf 'Name a colour.\\nAnother one.\\n' | recycling chat\n",
          .flags = WithConnectionFlags({RequestFlags()})};
}

int RunChat(const std::vector<std::string>& words) {
  if (!words.empty()) {
    return FailUsage(kChatProgram, absl::StrCat("got \"", words[0], "\", expected flags only"));
  }
  const absl::StatusOr<gateway::v1::GenerateRequest> request = RequestFromFlags();
  if (!request.ok()) return FailUsage(kChatProgram, std::string(request.status().message()));
  if (request->input_case() != gateway::v1::GenerateRequest::INPUT_NOT_SET) {
    return FailUsage(kChatProgram, "got a prompt in --request, expected messages on stdin");
  }
  const std::string address = absl::GetFlag(FLAGS_gateway);
  const auto channel = Connect("--gateway", address);
  if (!channel.ok()) return FailUsage(kChatProgram, std::string(channel.status().message()));
  TellIfItWaits(kChatProgram, address, *channel, absl::GetFlag(FLAGS_timeout));
  const auto stub = gateway::v1::GatewayService::NewStub(*channel);
  return Chat(*request, address, *stub).Run();
}

}  // namespace recycling::cli
