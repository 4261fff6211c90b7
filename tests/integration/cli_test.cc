// Runs the client program as a user does, against services that give fixed answers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <future>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "common/base/mutex.h"
#include "common/rpc/rpc_server.h"
#include "recycling/drafter/v1/drafter.grpc.pb.h"
#include "recycling/gateway/v1/gateway.grpc.pb.h"
#include "tests/doubles/certificates.h"
#include "tests/integration/subprocess.h"

namespace recycling {
namespace {

using ::recycling::testing::ProcessResult;
using ::recycling::testing::ReadFile;
using ::recycling::testing::Subprocess;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;

// Answers every prompt with "Hello wörld", tokens 1, 2 and 3. With some prompts it fails, waits, or
// gives a different text if drafts are on.
class ScriptedGateway : public gateway::v1::GatewayService::Service {
 public:
  grpc::Status Generate(grpc::ServerContext* context, const gateway::v1::GenerateRequest* request,
                        grpc::ServerWriter<gateway::v1::GenerateResponse>* writer) override {
    const bool plain = request->speculation().mode() == gateway::v1::SPECULATION_MODE_OFF;
    {
      MutexLock lock(mu);
      requests.push_back(*request);
    }
    if (request->prompt() == "refuse") {
      return grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "queue full\n\x1b[31m");
    }
    gateway::v1::GenerateResponse response;
    response.mutable_started()->set_request_id("r");
    response.mutable_started()->set_prompt_tokens(4);
    writer->Write(response);
    WriteDelta("Hello ", {1}, writer);
    if (request->prompt() == "wait") return WaitForCancel(context);
    if (request->prompt() == "hang up") return grpc::Status::OK;
    const bool differ = request->prompt() == "differ" && !plain;
    WriteDelta(differ ? "w0rld" : "w\xc3\xb6rld", {2, differ ? 9U : 3U}, writer);
    *response.mutable_final() = MakeFinal(plain);
    writer->Write(response);
    return grpc::Status::OK;
  }

  grpc::Status GetStats(grpc::ServerContext*, const gateway::v1::GetStatsRequest*,
                        gateway::v1::GetStatsResponse* stats) override {
    stats->set_uptime_micros(5'000'000);
    stats->set_requests_succeeded(7);
    auto* peer = stats->add_peers();
    peer->set_role(gateway::v1::PEER_ROLE_DRAFTER);
    peer->set_address("drafter:1");
    peer->set_detail("no\x1b answer");
    auto* verifier = stats->add_peers();
    verifier->set_role(gateway::v1::PEER_ROLE_VERIFIER);
    verifier->set_address("verifier:1");
    verifier->set_ready(true);
    verifier->set_kernel("avx2 to 4 rows, amx\x1b to 257 rows");
    return grpc::Status::OK;
  }

  Mutex mu;
  std::vector<gateway::v1::GenerateRequest> requests ABSL_GUARDED_BY(mu);
  std::promise<void> waiting;

 private:
  static void WriteDelta(const std::string& text, std::initializer_list<std::uint32_t> ids,
                         grpc::ServerWriter<gateway::v1::GenerateResponse>* writer) {
    gateway::v1::GenerateResponse response;
    response.mutable_delta()->set_text(text);
    for (const std::uint32_t id : ids) response.mutable_delta()->add_token_ids(id);
    writer->Write(response);
  }

  grpc::Status WaitForCancel(grpc::ServerContext* context) {
    waiting.set_value();
    while (!context->IsCancelled()) usleep(1000);
    return grpc::Status::CANCELLED;
  }

  static gateway::v1::Final MakeFinal(bool plain) {
    gateway::v1::Final final;
    final.set_finish_reason(gateway::v1::FINISH_REASON_LENGTH);
    final.set_seed(11);
    final.mutable_usage()->set_completion_tokens(3);
    final.mutable_timings()->set_decode_micros(plain ? 3'000'000 : 1'000'000);
    final.mutable_timings()->set_verify_micros(500'000);
    final.mutable_timings()->set_verify_inside_micros(500'000);
    auto* speculation = final.mutable_speculation();
    speculation->set_steps(plain ? 3 : 2);
    if (plain) return final;
    speculation->set_drafted_steps(2);
    speculation->set_draft_tokens(10);
    speculation->set_accepted_tokens(1);
    speculation->add_accepted_per_depth(1);
    auto* fallback = speculation->add_fallbacks();
    fallback->set_reason(gateway::v1::FALLBACK_REASON_TIMEOUT);
    fallback->set_count(2);
    return final;
  }
};

class ScriptedDrafter : public drafter::v1::DrafterService::Service {
 public:
  grpc::Status GetMatrixInfo(grpc::ServerContext*, const drafter::v1::GetMatrixInfoRequest*,
                             drafter::v1::GetMatrixInfoResponse* info) override {
    info->set_drafter_id("d");
    info->add_matrices()->set_rows_filled(42);
    return grpc::Status::OK;
  }
  grpc::Status SaveMatrix(grpc::ServerContext*, const drafter::v1::SaveMatrixRequest* request,
                          grpc::ServerWriter<drafter::v1::SaveMatrixResponse>* writer) override {
    drafter::v1::SaveMatrixResponse response;
    for (const char* chunk : {"snap", "shot"}) {
      response.set_chunk(chunk);
      writer->Write(response);
    }
    if (request->tenant() == "nobody")
      return grpc::Status(grpc::StatusCode::NOT_FOUND, "no matrix");
    return grpc::Status::OK;
  }
  grpc::Status LoadMatrix(grpc::ServerContext*,
                          grpc::ServerReader<drafter::v1::LoadMatrixRequest>* reader,
                          drafter::v1::LoadMatrixResponse* response) override {
    drafter::v1::LoadMatrixRequest request;
    std::string snapshot;
    while (reader->Read(&request)) {
      if (request.has_target())
        *response->mutable_matrix()->mutable_tenant() = request.target().tenant();
      snapshot += request.chunk();
    }
    if (snapshot.size() != 300'000) return grpc::Status(grpc::StatusCode::DATA_LOSS, "corrupt");
    response->mutable_matrix()->set_rows_filled(5);
    return grpc::Status::OK;
  }
};

class CliTest : public ::testing::Test {
 protected:
  static constexpr char kService[] = "recycling.gateway.v1.GatewayService";

  CliTest() {
    RpcServerOptions options;
    options.listen = {"127.0.0.1:0"};
    auto server = RpcServer::Start(options, {&gateway_, &drafter_}, {kService});
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    server_->SetServing(true);
  }

  std::string address() const { return server_->addresses()[0]; }

  std::vector<std::string> AtServer(std::vector<std::string> arguments) const {
    const std::string flag = arguments[0] == "matrix" ? "--drafter" : "--gateway";
    arguments.insert(arguments.end(), {flag, address()});
    return arguments;
  }

  ProcessResult Run(const std::vector<std::string>& arguments, const std::string& input = "",
                    const std::vector<std::string>& environment = {}) {
    return Subprocess("recycling", AtServer(arguments), input, environment).Wait();
  }

  gateway::v1::GenerateRequest LastRequest() {
    MutexLock lock(gateway_.mu);
    return gateway_.requests.empty() ? gateway::v1::GenerateRequest() : gateway_.requests.back();
  }

  std::string WritePrompts(const std::string& lines) {
    const std::string path = folder_ / "prompts.jsonl";
    std::ofstream(path) << lines;
    return path;
  }

  ScriptedGateway gateway_;
  ScriptedDrafter drafter_;
  std::unique_ptr<RpcServer> server_;
  doubles::TempDir folder_;
};

// Parses the lines of `text`. Each must be a JSON object.
std::vector<Json> Lines(const std::string& text) {
  std::vector<Json> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    lines.push_back(Json::parse(line, nullptr, false));
    EXPECT_TRUE(lines.back().is_object()) << line;
  }
  return lines;
}

TEST_F(CliTest, GenerateWritesTheTextToStdoutAndStatisticsToStderr) {
  const ProcessResult result = Run({"generate", "--prompt", "Say hello"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.out, "Hello w\xc3\xb6rld");
  EXPECT_EQ(result.err,
            "\n"
            "tokens       3 written, 0 in the prompt (0 cached); ended by length; seed 11\n"
            "speed        3.0 tokens/s; first token after 0 ms, all in 0.00 s\n"
            "drafting     MAT 1.50 over 2 steps; accepted 1 of 10 drafted tokens (10.0%)\n"
            "time         draft 0.0%, verify 50.0%, wire 0.0%, rest 50.0% of 1.00 s decoding\n"
            "fallbacks    2 timeout\n");
}

TEST_F(CliTest, GenerateTakesThePromptFromFlagStdinOrRequest) {
  Run({"generate", "--prompt", ""});
  EXPECT_EQ(LastRequest().input_case(), gateway::v1::GenerateRequest::kPrompt);
  EXPECT_EQ(LastRequest().prompt(), "");
  Run({"generate"}, "from\nstdin\n");
  EXPECT_EQ(LastRequest().prompt(), "from\nstdin\n");
  Run({"generate", "--request", R"({"promptIds": {"ids": [5, 7]}})"}, "not this");
  EXPECT_THAT(LastRequest().prompt_ids().ids(), ElementsAre(5, 7));
  Run({"generate"}, "", {"RECYCLING_PROMPT=from the environment"});
  EXPECT_EQ(LastRequest().prompt(), "from the environment");
}

TEST_F(CliTest, GenerateSendsOnlyTheGivenOptions) {
  Run({"generate", "--prompt", "x"});
  EXPECT_EQ(LastRequest().ShortDebugString(), "prompt: \"x\" sampling { }");
  Run({"generate", "--prompt", "x", "--temperature=0.5", "--top_k=40", "--top_p=0.75",
       "--seed=18446744073709551615", "--max_tokens=9", "--json", "--speculation=off", "--request",
       R"({"sampling": {"minP": 0.25, "repetitionPenalty": 1.5, "frequencyPenalty": -1,
                        "presencePenalty": 2, "maxTokens": 1,
                        "logitBias": [{"tokenId": 3, "bias": -100}, {"tokenId": 4, "bias": 2.5}],
                        "minTokens": 1, "stopTokenIds": [8, 6], "ignoreEos": true,
                        "topLogprobs": 2},
           "speculation": {"mode": "SPECULATION_MODE_FIXED", "nodeBudget": 0,
                           "matrixScope": "MATRIX_SCOPE_REQUEST", "learnFromPrompt": true,
                           "learnLast": 64},
           "stop": ["not this"], "requestId": "me"})",
       "--stop", "[\"\\n\", \"a, b\"]"});
  EXPECT_EQ(
      LastRequest().ShortDebugString(),
      "prompt: \"x\" sampling { temperature: 0.5 top_k: 40 top_p: 0.75 min_p: 0.25 "
      "repetition_penalty: 1.5 frequency_penalty: -1 presence_penalty: 2 "
      "logit_bias { token_id: 3 bias: -100 } logit_bias { token_id: 4 bias: 2.5 } "
      "seed: 18446744073709551615 max_tokens: 9 min_tokens: 1 stop_token_ids: 8 "
      "stop_token_ids: 6 ignore_eos: true top_logprobs: 2 } "
      "speculation { mode: SPECULATION_MODE_OFF node_budget: 0 matrix_scope: MATRIX_SCOPE_REQUEST "
      "learn_from_prompt: true learn_last: 64 } stop: \"\\n\" stop: \"a, b\" request_id: \"me\"");
}

TEST_F(CliTest, GenerateJsonHasOneObjectPerLineAndTheStatisticsLast) {
  const ProcessResult result = Run({"generate", "--prompt", "x", "--json"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.err, "");
  const std::vector<Json> lines = Lines(result.out);
  ASSERT_EQ(lines.size(), 4U);
  EXPECT_EQ(lines[0]["event"], "started");
  EXPECT_EQ(lines[0]["prompt_tokens"], 4);
  EXPECT_EQ(lines[1]["text"], "Hello ");
  EXPECT_EQ(lines[2]["token_ids"], Json({2, 3}));
  EXPECT_EQ(lines[3]["event"], "final");
  EXPECT_EQ(lines[3]["finish_reason"], "length");
  EXPECT_EQ(lines[3]["usage"]["completion_tokens"], 3);
  EXPECT_EQ(lines[3]["timings"]["decode_micros"], 1'000'000);
  EXPECT_EQ(lines[3]["speculation"]["accepted_per_depth"], Json({1}));
  EXPECT_EQ(lines[3]["speculation"]["fallbacks"], Json({{"timeout", 2}}));
}

TEST_F(CliTest, AGatewayErrorPrintsOneLineAndExitsWithOne) {
  ProcessResult result = Run({"generate", "--prompt", "refuse"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(result.err, "recycling generate: gateway " + address() +
                            ": RESOURCE_EXHAUSTED: queue full\\n\\x1b[31m\n");
  result = Run({"generate", "--prompt", "hang up"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("ended without its final message"));
  result =
      Run({"bench", "--prompts", WritePrompts("{\"prompt\":\"a\"}\n{\"prompt\":\"refuse\"}\n")});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("RESOURCE_EXHAUSTED: prompt 1: queue full"));
  result =
      Run({"bench", "--concurrency", "2", "--prompts", WritePrompts("{\"prompt\":\"hang up\"}\n")});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("ended without its final message"));
}

TEST_F(CliTest, AnUnreachableGatewayPrintsOneLineAndExitsWithOne) {
  const std::string nowhere = "unix:" + (folder_ / "nowhere");
  for (const char* command : {"generate", "stats", "health"}) {
    const ProcessResult result =
        Subprocess("recycling", {command, "--gateway", nowhere}, "prompt").Wait();
    const std::string lines = result.out + result.err;
    EXPECT_EQ(result.exit_code, 1) << lines;
    EXPECT_THAT(lines, HasSubstr(nowhere + ": "));
    EXPECT_THAT(lines, HasSubstr("UNAVAILABLE: "));
    EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 1) << lines;
  }
}

TEST_F(CliTest, CommandsSayThatTheServerDoesNotSpeakTls) {
  const std::string authority = folder_ / "authority.crt";
  doubles::ReplaceFile(authority, doubles::CertificateAuthority("authority").certificate());
  for (const char* command : {"generate", "stats", "health", "matrix"}) {
    std::vector<std::string> words = AtServer({command, "--tls_ca", authority});
    if (words[0] == "matrix") words.insert(words.begin() + 1, "info");
    const ProcessResult result = Subprocess("recycling", words, "prompt").Wait();
    EXPECT_EQ(result.exit_code, 1);
    EXPECT_THAT(result.out + result.err,
                HasSubstr("the server at " + address() + " does not speak TLS"))
        << command;
  }
}

TEST_F(CliTest, AnInterruptCancelsTheCallAndExitsWith130) {
  Subprocess process("recycling", AtServer({"generate", "--prompt", "wait"}));
  gateway_.waiting.get_future().wait();
  process.Signal(SIGINT);
  const ProcessResult result = process.Wait();
  EXPECT_EQ(result.exit_code, 130);
  EXPECT_EQ(result.out.substr(0, 6), std::string("Hello ").substr(0, result.out.size()));
  EXPECT_THAT(result.err, HasSubstr("interrupted"));
}

TEST_F(CliTest, ATimeoutGivesDeadlineExceeded) {
  const ProcessResult result = Run({"generate", "--prompt", "wait", "--timeout", "50ms"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("DEADLINE_EXCEEDED"));
}

TEST_F(CliTest, WrongFlagsAreNamedAndExitWithTwo) {
  const std::string bad_prompts = WritePrompts("{\"prompt\": \"a\"}\n\n{\"text\": \"b\"}\n");
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"generat"}, "unknown command \"generat\""},
      {{"generate", "--repeat=2"}, "unknown flag --repeat"},
      {{"generate", "words"}, "got \"words\", expected flags only"},
      {{"generate", "--prompt", "x", "--seed=-1"}, "--seed: cannot take \"-1\""},
      {{"generate", "--prompt", "x", "--request", R"({"prompt": "y"})"}, "expected one of"},
      {{"generate", "--request", "{"}, "--request: expected JSON of a GenerateRequest: "},
      {{"generate", "--request", R"({"sampling": {"minq": 1}})"}, "Cannot find field"},
      {{"generate", "--request", "{\"prompt\": \"a\xff\"}"},
       "--request: got a byte that is not UTF-8"},
      {{"generate", "--prompt", "a\xff"}, "prompt: got a byte that is not UTF-8 at 1"},
      {{"generate", "--prompt", "x", "--request", R"({"sampling": {"topLogprobs": 1}})"},
       "topLogprobs in --request: expected --json"},
      {{"generate", "--prompt", "x", "--stop", "[1]"}, "--stop: got"},
      {{"generate", "--prompt", "x", "--speculation=no"},
       "--speculation: cannot take \"no\"; expected default, auto, fixed, full, off"},
      {{"bench"}, "--prompts: got no file"},
      {{"bench", "--prompts", "/nonexistent"}, "cannot open"},
      {{"bench", "--prompts", bad_prompts}, "line 3: expected a string \"prompt\""},
      {{"bench", "--prompts", bad_prompts, "--repeat=0"}, "--repeat: got 0, expected 1 to 1000000"},
      {{"matrix", "drop"}, "expected info, save FILE, load FILE or fill"},
      {{"bench", "--prompts", bad_prompts, "--request", R"({"prompt": "y"})"},
       "--request: got a prompt"},
      {{"matrix", "info", "--scope=request"},
       "--scope: cannot take \"request\"; expected tenant, shared"},
      {{"key", "new", "--role=boss"},
       "--role: cannot take \"boss\"; expected inference, peer, admin"},
  };
  for (const auto& [arguments, message] : cases) {
    const ProcessResult result = Run(arguments, "prompt");
    EXPECT_EQ(result.exit_code, 2) << message;
    EXPECT_THAT(result.err, HasSubstr(message));
    EXPECT_EQ(result.out, "");
  }
}

TEST_F(CliTest, BenchComparesRunsWithAndWithoutDrafts) {
  const std::string prompts = WritePrompts("{\"prompt\": \"a\"}\n{\"turns\": [\"b\", \"c\"]}\n");
  const ProcessResult result = Run({"bench", "--prompts", prompts, "--repeat=2", "--max_tokens=7"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("2 prompts, 2 runs each way, at most 7 tokens"));
  EXPECT_THAT(result.out, HasSubstr("only the first turn was taken of 1 prompts"));
  EXPECT_THAT(result.out, HasSubstr("   all        12        1.0        3.0    3.00   1.50"));
  EXPECT_THAT(result.out, HasSubstr("accepted per depth, of drafted steps: 50.0%\n"));
  EXPECT_THAT(result.out, HasSubstr("outputs: all equal\n"));
  MutexLock lock(gateway_.mu);
  std::vector<std::string> order;
  for (const auto& request : gateway_.requests) {
    const bool plain = request.speculation().mode() == gateway::v1::SPECULATION_MODE_OFF;
    order.push_back(request.prompt() + (plain ? " plain" : " recycled"));
    EXPECT_EQ(request.sampling().seed(), 0U);
    EXPECT_TRUE(request.sampling().has_seed());
  }
  EXPECT_THAT(order, ElementsAre("a plain", "a recycled", "b recycled", "b plain", "a recycled",
                                 "a plain", "b plain", "b recycled"));
}

TEST_F(CliTest, BenchSaysWhereOutputsDifferAndExitsWithOne) {
  const std::string prompts = WritePrompts("{\"prompt\": \"a\"}\n{\"prompt\": \"differ\"}\n");
  ProcessResult result = Run({"bench", "--prompts", prompts});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("prompt 1, run 0, plain: token 2 is 3, expected 9; texts "
                                    "differ from byte 7"));
  EXPECT_THAT(result.out, HasSubstr("outputs: 1 of 4 differ"));
  result = Run({"bench", "--prompts", prompts, "--json"});
  EXPECT_EQ(result.exit_code, 1);
  const std::vector<Json> lines = Lines(result.out);
  ASSERT_EQ(lines.size(), 5U);
  EXPECT_EQ(lines[0]["mode"], "plain");
  EXPECT_FALSE(lines[0].contains("difference"));
  EXPECT_TRUE(lines[3].contains("difference"));
  EXPECT_EQ(lines[4]["event"], "summary");
  EXPECT_EQ(lines[4]["equal"], false);
  EXPECT_EQ(lines[4]["ratio"], 3.0);
  EXPECT_EQ(lines[4]["recycled"]["speculation"]["mean_accepted_tokens"], 1.5);
}

TEST_F(CliTest, StatsShowsTotalsAndPeers) {
  const ProcessResult result = Run({"stats"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.out, HasSubstr("0 running of 0, 0 waiting, 7 succeeded, 0 failed"));
  EXPECT_THAT(result.out, HasSubstr("drafter:1: not ready, 0 running: no\\x1b answer\n"));
  EXPECT_THAT(result.out, HasSubstr("verifier:1: ready, 0 running; "
                                    "kernel avx2 to 4 rows, amx\\x1b to 257 rows\n"));
  const std::vector<Json> lines = Lines(Run({"stats", "--json"}).out);
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0]["requests_succeeded"], 7);
  EXPECT_EQ(lines[0]["peers"][0]["role"], "drafter");
  EXPECT_EQ(lines[0]["peers"][1]["kernel"], "avx2 to 4 rows, amx\x1b to 257 rows");
}

TEST_F(CliTest, HealthShowsAliveAndReadyAndExitsWithOneUnlessAllAreReady) {
  const std::string named = absl::StrCat(" (", kService, ")\n");
  ProcessResult result = Run({"health"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.out, address() + ": alive, ready" + named);
  result = Run({"health", address(), "unix:" + (folder_ / "nowhere")});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.out, HasSubstr(address() + ": alive, ready" + named));
  EXPECT_THAT(result.out, HasSubstr("nowhere: not alive: UNAVAILABLE"));

  server_->SetServing(false);
  result = Run({"health"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(result.out, address() + ": alive, not ready" + named);
  result = Run({"health", "--live"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.out, address() + ": alive\n");
  result = Run({"health", "--service", "unknown"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.out, HasSubstr("alive, not ready: NOT_FOUND"));
}

TEST_F(CliTest, HealthJsonHasServingAliveAndReady) {
  server_->SetServing(false);
  const std::vector<Json> lines = Lines(Run({"health", "--json"}).out);
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0], (Json{{"address", address()},
                            {"service", kService},
                            {"serving", false},
                            {"alive", true},
                            {"ready", false}}));
}

TEST_F(CliTest, GenerateSaysThatItWaitsForAVerifierAndCanBeInterrupted) {
  EXPECT_THAT(Run({"generate", "--prompt", "Say hello"}).err, Not(HasSubstr("waiting")));
  server_->SetServing(false);
  Subprocess process("recycling", AtServer({"generate", "--prompt", "wait"}));
  gateway_.waiting.get_future().wait();
  process.Signal(SIGINT);
  const ProcessResult result = process.Wait();
  EXPECT_EQ(result.exit_code, 130);
  EXPECT_THAT(result.err, HasSubstr("waiting for a verifier at the gateway " + address()));
}

TEST_F(CliTest, MatrixInfoSaveAndLoad) {
  EXPECT_THAT(Run({"matrix", "info"}).out, HasSubstr("42"));
  EXPECT_EQ(Lines(Run({"matrix", "info", "--json"}).out).at(0)["matrices"][0]["rows_filled"], 42);

  const std::string path = folder_ / "matrix";
  EXPECT_EQ(Run({"matrix", "save", path}).exit_code, 0);
  EXPECT_EQ(ReadFile(path), "snapshot");

  std::ofstream(path) << std::string(300'000, 'x');
  const ProcessResult loaded = Run({"matrix", "load", path, "--tenant", "t", "--json"});
  EXPECT_EQ(loaded.exit_code, 0) << loaded.err;
  EXPECT_EQ(Lines(loaded.out).at(0)["tenant"], "t");
}

TEST_F(CliTest, AFailedMatrixCommandDoesNotChangeTheFile) {
  const std::string path = folder_ / "matrix";
  std::ofstream(path) << "old";
  ProcessResult result = Run({"matrix", "save", path, "--tenant", "nobody"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("NOT_FOUND: no matrix"));
  EXPECT_EQ(ReadFile(path), "old");
  EXPECT_FALSE(std::filesystem::exists(path + ".tmp"));
  result = Run({"matrix", "load", path});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("DATA_LOSS: corrupt"));
  result = Run({"matrix", "save", folder_ / "absent/matrix"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("No such file"));
}

TEST_F(CliTest, HelpDescribesEveryCommandWithExamples) {
  for (const char* command : {"generate", "bench", "stats", "health", "matrix"}) {
    const ProcessResult help = Subprocess("recycling", {"help", command}).Wait();
    EXPECT_EQ(help.exit_code, 0);
    EXPECT_THAT(help.out, HasSubstr("Examples:\n  recycling " + std::string(command)));
    EXPECT_EQ(Subprocess("recycling", {command, "--help"}).Wait().out, help.out);
    EXPECT_THAT(Subprocess("recycling", {"help"}).Wait().out, HasSubstr(command));
  }
  EXPECT_THAT(Subprocess("recycling", {"health", "--help"}).Wait().out,
              Not(HasSubstr("--temperature")));
  const std::string all = Subprocess("recycling", {"--help=all"}).Wait().out;
  EXPECT_THAT(all, AllOf(HasSubstr("--temperature"), HasSubstr("--role"), HasSubstr("--watch")));
  EXPECT_THAT(Subprocess("recycling", {"--help=man"}).Wait().out, HasSubstr(".TH RECYCLING 1"));
  EXPECT_EQ(Subprocess("recycling", {}).Wait().exit_code, 2);
  EXPECT_THAT(Subprocess("recycling", {"--version"}).Wait().out, HasSubstr("recycling "));
}

}  // namespace
}  // namespace recycling
