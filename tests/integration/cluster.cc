#include "tests/integration/cluster.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "recycling/verifier/v1/verifier.grpc.pb.h"

namespace recycling::integration {
namespace {

namespace pb = gateway::v1;

constexpr absl::Duration kPatience = absl::Minutes(1);

}  // namespace

bool Output::SameTokens(const Output& other) const {
  return status.error_code() == other.status.error_code() && ids == other.ids &&
         text == other.text && logprobs == other.logprobs &&
         final.finish_reason() == other.final.finish_reason() &&
         final.matched_stop() == other.final.matched_stop() &&
         final.usage().completion_tokens() == other.final.usage().completion_tokens();
}

std::uint64_t Output::Fallbacks(pb::FallbackReason reason) const {
  std::uint64_t count = 0;
  for (const auto& fallback : final.speculation().fallbacks()) {
    if (fallback.reason() == reason) count += fallback.count();
  }
  return count;
}

std::uint64_t Output::Fallbacks() const {
  std::uint64_t count = 0;
  for (const auto& fallback : final.speculation().fallbacks()) count += fallback.count();
  return count;
}

std::string Output::ForPeople() const {
  return absl::StrCat("status ", status.error_code(), " ", status.error_message(), "\nids ",
                      absl::StrJoin(ids, " "), "\ntext \"", text, "\"\n", final.DebugString());
}

Output Generate(const std::shared_ptr<grpc::Channel>& gateway, const pb::GenerateRequest& request,
                const std::function<void(int deltas)>& on_delta, grpc::ClientContext* context) {
  grpc::ClientContext own;
  const auto stub = pb::GatewayService::NewStub(gateway);
  const auto reader = stub->Generate(context == nullptr ? &own : context, request);
  Output output;
  pb::GenerateResponse response;
  int deltas = 0;
  while (reader->Read(&response)) {
    if (response.has_started()) {
      output.started = true;
      output.seed = response.started().seed();
    }
    if (response.has_final()) output.final = response.final();
    if (!response.has_delta()) continue;
    const pb::Delta& delta = response.delta();
    output.text += delta.text();
    output.ids.insert(output.ids.end(), delta.token_ids().begin(), delta.token_ids().end());
    for (const auto& logprob : delta.logprobs()) {
      output.logprobs.push_back(logprob.SerializeAsString());
    }
    if (on_delta != nullptr) on_delta(++deltas);
  }
  output.status = reader->Finish();
  return output;
}

Cluster::~Cluster() {
  processes_.clear();
  if (!testing::Test::HasFailure()) return;
  for (int i = 0; i < started_; ++i) {
    std::cerr << "--- log of program " << i << "\n"
              << std::ifstream(folder_ / absl::StrCat(i, ".log")).rdbuf();
    std::cerr.clear();  // writing an empty log sets the fail bit
  }
}

std::string Cluster::Start(const std::string& program, std::vector<std::string> flags,
                           const std::string& listen) {
  const char* bin = std::getenv("RECYCLING_BIN_DIR");
  const std::string port_file = folder_ / absl::StrCat(started_, ".port");
  flags.insert(flags.begin(), {absl::StrCat(bin == nullptr ? "." : bin, "/", program),
                               "--listen=" + listen, "--port_file=" + port_file});
  auto process = doubles::Process::Start(flags, folder_ / absl::StrCat(started_, ".log"));
  ++started_;
  if (!process.ok()) {
    ADD_FAILURE() << process.status();
    return "";
  }
  const auto lines = (*process)->WaitForLines(port_file, kPatience);
  if (!lines.ok() || lines->empty()) {
    ADD_FAILURE() << lines.status();
    return "";
  }
  processes_[lines->front()] = *std::move(process);
  return lines->front();
}

std::string Cluster::LastLog() const {
  std::ifstream file(folder_ / absl::StrCat(started_ - 1, ".log"));
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string Cluster::StartGateway(const std::string& verifier, const std::string& drafter,
                                  std::vector<std::string> flags) {
  // A later --speculation in `flags` overrides this one.
  flags.insert(flags.begin(), "--speculation=fixed");
  flags.push_back("--verifiers=" + verifier);
  flags.push_back("--drafters=" + drafter);
  const std::string address = Start("recycling-gateway", std::move(flags));
  const auto channel = Connect(address);
  EXPECT_TRUE(Eventually([&] { return AllPeersReady(channel); })) << "gateway " << address;
  return address;
}

std::shared_ptr<grpc::Channel> Connect(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 100);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

bool Eventually(const std::function<bool()>& condition) {
  const absl::Time deadline = absl::Now() + kPatience;
  while (!condition()) {
    if (absl::Now() > deadline) return false;
    absl::SleepFor(absl::Milliseconds(5));
  }
  return true;
}

bool AllPeersReady(const std::shared_ptr<grpc::Channel>& gateway) {
  grpc::ClientContext context;
  pb::GetStatsResponse stats;
  const auto status = pb::GatewayService::NewStub(gateway)->GetStats(&context, {}, &stats);
  for (const auto& peer : stats.peers()) {
    if (!peer.ready()) return false;
  }
  return status.ok() && stats.peers_size() > 0;
}

int OpenSequences(const std::shared_ptr<grpc::Channel>& verifier) {
  grpc::ClientContext context;
  verifier::v1::HandshakeResponse response;
  const auto stub = verifier::v1::VerifierService::NewStub(verifier);
  if (!stub->Handshake(&context, {}, &response).ok()) return -1;
  return static_cast<int>(response.load().open_sequences());
}

}  // namespace recycling::integration
