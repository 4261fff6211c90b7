// Runs `recycling chat` as a user does, with lines on stdin and in a terminal.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <sched.h>
#include <termios.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/mutex.h"
#include "common/rpc/rpc_server.h"
#include "recycling/gateway/v1/gateway.grpc.pb.h"
#include "tests/integration/subprocess.h"

namespace recycling {
namespace {

using ::recycling::testing::BinaryPath;
using ::recycling::testing::ProcessResult;
using ::recycling::testing::ReadFile;
using ::recycling::testing::Subprocess;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Json = nlohmann::json;

// Answers "echo: " and the last message. Refuses the message "refuse". With "wait" it sends half an
// answer and waits until the client cancels.
class EchoGateway final : public gateway::v1::GatewayService::Service {
 public:
  grpc::Status Chat(grpc::ServerContext* context, const gateway::v1::ChatRequest* request,
                    grpc::ServerWriter<gateway::v1::GenerateResponse>* writer) override {
    {
      MutexLock lock(mu);
      requests.push_back(*request);
    }
    const std::string& last = request->conversation().messages().rbegin()->content();
    if (last == "refuse") return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "no");
    gateway::v1::GenerateResponse response;
    response.mutable_delta()->set_text(absl::StrCat("echo: ", last));
    writer->Write(response);
    if (last == "wait") {
      while (!context->IsCancelled()) usleep(1000);
      return grpc::Status::CANCELLED;
    }
    response.mutable_final()->mutable_usage()->set_completion_tokens(2);
    writer->Write(response);
    return grpc::Status::OK;
  }

  Mutex mu;
  std::vector<gateway::v1::ChatRequest> requests ABSL_GUARDED_BY(mu);
};

class ChatCliTest : public ::testing::Test {
 protected:
  ChatCliTest() {
    auto server = RpcServer::Start({.listen = {"127.0.0.1:0"}}, {&gateway_},
                                   {gateway::v1::GatewayService::service_full_name()});
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    server_->SetServing(true);
  }

  std::vector<std::string> Arguments(std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments = {"chat", "--gateway", server_->addresses()[0]};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }

  ProcessResult Run(const std::string& input, std::vector<std::string> more = {}) {
    return Subprocess("recycling", Arguments(std::move(more)), input).Wait();
  }

  // "role: content" of each message of a request.
  std::vector<std::string> Messages(std::size_t request) {
    MutexLock lock(gateway_.mu);
    std::vector<std::string> messages;
    for (const auto& message : gateway_.requests.at(request).conversation().messages()) {
      messages.push_back(absl::StrCat(message.role(), ": ", message.content()));
    }
    return messages;
  }

  gateway::v1::ChatRequest Request(std::size_t request) {
    MutexLock lock(gateway_.mu);
    return gateway_.requests.at(request);
  }

  EchoGateway gateway_;
  std::unique_ptr<RpcServer> server_;
  doubles::TempDir folder_;
};

TEST_F(ChatCliTest, EachLineContinuesTheConversation) {
  const ProcessResult result = Run("one\n\ntwo\n", {"--max_tokens", "5"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out, "echo: one\necho: two\n");
  EXPECT_THAT(Messages(0), ElementsAre("user: one"));
  EXPECT_THAT(Messages(1), ElementsAre("user: one", "assistant: echo: one", "user: two"));
  EXPECT_EQ(Request(0).sampling().max_tokens(), 5u);
}

TEST_F(ChatCliTest, CommandsChangeTheConversationAndTheSettings) {
  const std::string saved = folder_ / "saved.json";
  const ProcessResult result = Run(absl::StrCat(
      "/system be brief\none\n/set temperature 0.5\n/set stop_token_ids [7]\ntwo\n/save ", saved,
      "\n/reset\nthree\n/system\n//four\\\nlines\n/set\n/help\n/quit\nfive\n"));
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(Messages(0), ElementsAre("system: be brief", "user: one"));
  EXPECT_FALSE(Request(0).sampling().has_temperature());
  EXPECT_EQ(Request(1).sampling().temperature(), 0.5f);
  EXPECT_EQ(Request(1).sampling().stop_token_ids_size(), 1);
  EXPECT_THAT(Messages(2), ElementsAre("system: be brief", "user: three"));
  EXPECT_THAT(Messages(3),
              ElementsAre("user: three", "assistant: echo: three", "user: /four\nlines"));
  EXPECT_THAT(result.out, HasSubstr("\"temperature\":0.5"));
  EXPECT_THAT(result.out, HasSubstr("/reset "));
  MutexLock lock(gateway_.mu);
  EXPECT_EQ(gateway_.requests.size(), 4u) << "nothing is sent after /quit";
  const Json file = Json::parse(ReadFile(saved), nullptr, false);
  ASSERT_TRUE(file.is_object());
  EXPECT_EQ(file["messages"].size(), 5u);
  EXPECT_EQ(file["messages"][4]["content"], "echo: two");
}

TEST_F(ChatCliTest, WrongCommandsSayWhatWasExpectedAndChangeNothing) {
  const std::string existing = folder_ / "existing";
  std::ofstream(existing) << "mine";
  const ProcessResult result =
      Run(absl::StrCat("/frobnicate\n/set heat 1\n/set temperature warm\n/set top_k\n/save\n/save ",
                       existing, "\nrefuse\none\n"));
  EXPECT_EQ(result.exit_code, 1);
  for (const char* message :
       {"unknown command /frobnicate", "unknown option heat", "/set temperature: got \"warm\"",
        "/set top_k: got \"\"", "/save: expected the name", "existing: File exists",
        "INVALID_ARGUMENT: no"}) {
    EXPECT_THAT(result.err, HasSubstr(message));
  }
  EXPECT_EQ(ReadFile(existing), "mine");
  EXPECT_THAT(Messages(1), ElementsAre("user: one")) << "the refused message is forgotten";
}

TEST_F(ChatCliTest, RefusesAPromptAndWords) {
  EXPECT_EQ(Run("", {"hello"}).exit_code, 2);
  EXPECT_EQ(Run("", {"--request", "{\"prompt\": \"x\"}"}).exit_code, 2);
  EXPECT_EQ(Run("", {"--request", "{\"parseControl\": true}", "--chat"}).exit_code, 2);
}

// A program in a terminal of its own.
class Terminal {
 public:
  explicit Terminal(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), BinaryPath("recycling"));
    struct winsize size = {.ws_row = 24, .ws_col = 200, .ws_xpixel = 0, .ws_ypixel = 0};
    pid_ = forkpty(&terminal_, nullptr, nullptr, &size);
    if (pid_ != 0) return;
    setenv("TERM", "xterm", 1);
    std::vector<char*> pointers;
    for (std::string& argument : arguments) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    execv(pointers[0], pointers.data());
    _exit(127);
  }
  ~Terminal() {
    if (pid_ > 0) kill(pid_, SIGKILL);
    if (pid_ > 0) waitpid(pid_, nullptr, 0);
    close(terminal_);
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  void Type(const std::string& keys) {
    EXPECT_EQ(write(terminal_, keys.data(), keys.size()), static_cast<ssize_t>(keys.size()));
  }

  // Reads until `text` has come after what earlier calls waited for. Fails at the end of the
  // output.
  void Await(const std::string& text) {
    while (output_.find(text, seen_) == std::string::npos) {
      if (!Read()) {
        FAIL() << "expected \"" << text << "\" after " << output_.substr(seen_);
      }
    }
    seen_ = output_.find(text, seen_) + text.size();
  }

  // Waits for the prompt, and until the line editor takes single keys. Before that the system would
  // take Ctrl-D and Ctrl-C.
  void AwaitPrompt() {
    Await("> ");
    struct termios settings = {};
    do {
      sched_yield();
      ASSERT_EQ(tcgetattr(terminal_, &settings), 0);
    } while ((settings.c_lflag & ICANON) != 0);
  }

  void Signal(int signal) { kill(pid_, signal); }

  // Whether the terminal shows what is typed, as it does outside of a line editor.
  bool Echoes() const {
    struct termios settings = {};
    return tcgetattr(terminal_, &settings) == 0 && (settings.c_lflag & ECHO) != 0;
  }

  int Wait() {
    while (Read()) {
    }
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  bool Read() {
    char buffer[4096];
    const ssize_t got = read(terminal_, buffer, sizeof(buffer));
    if (got > 0) output_.append(buffer, static_cast<std::size_t>(got));
    return got > 0;
  }

  pid_t pid_ = -1;
  int terminal_ = -1;
  std::string output_;
  std::size_t seen_ = 0;
};

TEST_F(ChatCliTest, LinesCanBeEditedAndRecalled) {
  Terminal terminal(Arguments());
  terminal.AwaitPrompt();
  terminal.Type(
      "onx\x7f"
      "e\r");  // backspace
  terminal.Await("echo: one");
  terminal.AwaitPrompt();
  terminal.Type("\x1b[A!\r");  // the last line again, and one character more
  terminal.Await("echo: one!");
  terminal.AwaitPrompt();
  terminal.Type("thrown away\x03two\r");  // Ctrl-C empties the line
  terminal.Await("echo: two");
  terminal.AwaitPrompt();
  terminal.Type("\x04");  // Ctrl-D
  EXPECT_EQ(terminal.Wait(), 0);
  EXPECT_EQ(Messages(1).back(), "user: one!");
  EXPECT_EQ(Messages(2).back(), "user: two");
}

TEST_F(ChatCliTest, CtrlCStopsTheAnswerAndNotTheProgram) {
  Terminal terminal(Arguments());
  terminal.AwaitPrompt();
  for (int i = 0; i < 2; ++i) {
    terminal.Type("wait\r");
    terminal.Await("echo: wait");
    terminal.Type("\x03");
    terminal.Await("stopped");
    terminal.AwaitPrompt();
  }
  terminal.Type("one\r");
  terminal.Await("echo: one");
  terminal.AwaitPrompt();
  terminal.Type("\x04");
  EXPECT_EQ(terminal.Wait(), 0);
  EXPECT_THAT(Messages(2), ElementsAre("user: wait", "assistant: echo: wait", "user: wait",
                                       "assistant: echo: wait", "user: one"))
      << "the part of an answer that came is kept";
}

TEST_F(ChatCliTest, SigtermEndsTheProgramAndRestoresTheTerminal) {
  for (const bool answering : {false, true}) {
    Terminal terminal(Arguments());
    terminal.AwaitPrompt();
    if (answering) {
      terminal.Type("wait\r");
      terminal.Await("echo: wait");
    }
    terminal.Signal(SIGTERM);
    EXPECT_EQ(terminal.Wait(), 130);
    EXPECT_TRUE(terminal.Echoes());
  }
}

}  // namespace
}  // namespace recycling
