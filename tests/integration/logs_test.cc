// Checks the log lines that each service writes about a request, and that they share a trace id.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "tests/doubles/proto_matchers.h"
#include "tests/integration/cluster.h"
#include "tests/integration/models.h"

namespace recycling::integration {
namespace {

namespace pb = gateway::v1;
using doubles::ParseProto;
using nlohmann::json;
using ::testing::SizeIs;

constexpr char kTrace[] = "0af7651916cd43dd8448eb211c80319c";
constexpr char kSpan[] = "b7ad6b7169203331";

class LogsTest : public testing::Test {
 protected:
  void SetUp() override {
    const std::vector<std::string> flags = {"--log_level=debug", "--log_format=json"};
    auto verifier_flags = flags;
    verifier_flags.push_back("--model=" + TinyModel(cluster_.folder().path()));
    verifier_flags.push_back("--threads=1");
    verifier_ = cluster_.Start("recycling-verifier", verifier_flags);
    drafter_ = cluster_.Start("recycling-drafter", flags);
    gateway_ = Connect(cluster_.StartGateway(verifier_, drafter_, flags));
  }

  Output Ask(const std::string& request_id, const std::vector<std::string>& traceparents) {
    auto request = ParseProto<pb::GenerateRequest>(
        "prompt: 'the way of the' sampling { max_tokens: 30 ignore_eos: true }");
    request.set_request_id(request_id);
    grpc::ClientContext context;
    for (const std::string& parent : traceparents) context.AddMetadata("traceparent", parent);
    return Generate(gateway_, request, nullptr, &context);
  }

  // Returns the log lines with this message and request id. `number` tells the program: 0 is the
  // one that started first. Every line of the log must be a JSON object.
  std::vector<json> Lines(int number, const std::string& message, const std::string& request_id) {
    std::ifstream log(cluster_.folder() / absl::StrCat(number, ".log"));
    std::vector<json> lines;
    for (std::string text; std::getline(log, text);) {
      const json line = json::parse(text, nullptr, /*allow_exceptions=*/false);
      if (log.eof() && line.is_discarded()) break;  // the program still writes this line
      EXPECT_TRUE(line.is_object()) << text;
      if (!line.is_object() || line.value("message", "") != message) continue;
      if (line.value("request_id", "") == request_id) lines.push_back(line);
    }
    return lines;
  }

  // Waits for the log line of a request and returns it. The log must have only one such line.
  json Line(int number, const std::string& message, const std::string& request_id) {
    std::vector<json> lines;
    EXPECT_TRUE(Eventually([&] {
      lines = Lines(number, message, request_id);
      return !lines.empty();
    })) << message;
    EXPECT_THAT(lines, SizeIs(1));
    return lines.empty() ? json::object() : lines[0];
  }

  static constexpr int kVerifier = 0, kDrafter = 1, kGateway = 2;
  Cluster cluster_;
  std::string verifier_, drafter_;
  std::shared_ptr<grpc::Channel> gateway_;
};

TEST_F(LogsTest, EveryServiceLogsOneLinePerRequestWithTheTraceOfTheCaller) {
  // A request id with a line break must not start a new log line.
  const std::string id = "first\n{\"message\":\"forged\"} \xc3\xa9";
  const Output output = Ask(id, {absl::StrCat("00-", kTrace, "-", kSpan, "-01")});
  ASSERT_TRUE(output.status.ok()) << output.ForPeople();
  ASSERT_GT(output.final.speculation().drafted_steps(), 0u);

  const json gateway = Line(kGateway, "generate", id);
  const json verifier = Line(kVerifier, "sequence", id);
  const json drafter = Line(kDrafter, "session", id);
  EXPECT_EQ(gateway["trace_id"], kTrace);
  EXPECT_EQ(gateway["parent_span_id"], kSpan);
  for (const json& line : {verifier, drafter}) {
    EXPECT_EQ(line["trace_id"], kTrace);
    EXPECT_EQ(line["parent_span_id"], gateway["span_id"]);
    EXPECT_NE(line["span_id"], gateway["span_id"]);
    EXPECT_EQ(line["level"], "debug");
    EXPECT_EQ(line["end"], "closed");
  }
  EXPECT_NE(verifier["span_id"], drafter["span_id"]);

  const auto& final = output.final;
  EXPECT_EQ(gateway["level"], "info");
  EXPECT_EQ(gateway["tenant"], "default");
  EXPECT_EQ(gateway["end"], "length");
  EXPECT_EQ(gateway["completion_tokens"], "30");
  EXPECT_EQ(gateway["prompt_tokens"], absl::StrCat(final.usage().prompt_tokens()));
  EXPECT_EQ(gateway["steps"], absl::StrCat(final.speculation().steps()));
  EXPECT_EQ(gateway["drafted"], absl::StrCat(final.speculation().draft_tokens()));
  EXPECT_EQ(gateway["accepted"], absl::StrCat(final.speculation().accepted_tokens()));
  EXPECT_EQ(gateway["verifier"], verifier_);
  EXPECT_EQ(gateway["drafter"], drafter_);
  EXPECT_EQ(verifier["steps"], absl::StrCat(final.speculation().steps()));
}

TEST_F(LogsTest, WithoutAValidTraceTheGatewayBeginsANewOne) {
  const std::string good = absl::StrCat("00-", kTrace, "-", kSpan, "-01");
  ASSERT_TRUE(Ask("absent", {}).status.ok());
  ASSERT_TRUE(Ask("bad", {"00-nonsense"}).status.ok());
  ASSERT_TRUE(Ask("twice", {good, good}).status.ok());
  for (const char* id : {"absent", "bad", "twice"}) {
    const json gateway = Line(kGateway, "generate", id);
    EXPECT_THAT(gateway["trace_id"].get<std::string>(), SizeIs(32)) << id;
    EXPECT_NE(gateway["trace_id"], kTrace) << id;
    EXPECT_EQ(gateway["parent_span_id"], "") << id;
    EXPECT_EQ(Line(kVerifier, "sequence", id)["trace_id"], gateway["trace_id"]) << id;
    EXPECT_EQ(Line(kDrafter, "session", id)["trace_id"], gateway["trace_id"]) << id;
  }
}

TEST_F(LogsTest, TheGatewayLogsRefusedRequests) {
  gateway_ = Connect(cluster_.StartGateway(
      verifier_, drafter_, {"--log_format=json", "--tenant_limits=rate=0.0001 burst=1"}));
  constexpr int kLimited = kGateway + 1;
  ASSERT_TRUE(Ask("first", {}).status.ok());
  EXPECT_EQ(Ask("second", {absl::StrCat("00-", kTrace, "-", kSpan, "-01")}).status.error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
  const json first = Line(kLimited, "generate", "first");
  const json second = Line(kLimited, "generate", "second");
  EXPECT_EQ(first["end"], "length");
  EXPECT_FALSE(first.contains("reason"));
  EXPECT_EQ(second["level"], "info");
  EXPECT_EQ(second["trace_id"], kTrace);
  EXPECT_EQ(second["parent_span_id"], kSpan);
  EXPECT_EQ(second["tenant"], "default");
  EXPECT_EQ(second["end"].get<std::string>().substr(0, 20), "RESOURCE_EXHAUSTED: ");
  EXPECT_EQ(second["reason"], "rate");
  EXPECT_EQ(second["seconds"], "0.000");
}

}  // namespace
}  // namespace recycling::integration
