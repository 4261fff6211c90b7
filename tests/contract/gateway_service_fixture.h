// A gateway with fake verifiers and drafters, all in one process, over real gRPC.
#ifndef RECYCLING_TESTS_CONTRACT_GATEWAY_SERVICE_FIXTURE_H_
#define RECYCLING_TESTS_CONTRACT_GATEWAY_SERVICE_FIXTURE_H_

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "common/base/mutex.h"
#include "common/rpc/rpc_server.h"
#include "common/rpc/status_grpc.h"
#include "common/tokenizer/tokenizer.h"
#include "gateway/gateway.h"
#include "recycling/gateway/v1/gateway.grpc.pb.h"
#include "tests/doubles/fake_drafter_service.h"
#include "tests/doubles/fake_verifier_service.h"
#include "tests/doubles/matchers.h"
#include "tests/doubles/proto_matchers.h"

namespace recycling::gateway {

using doubles::DraftFault;
using doubles::FakeDrafterService;
using doubles::FakeVerifierService;
using doubles::IsOk;
using doubles::ParseProto;
using doubles::StatusIs;
using doubles::VerifierFault;
using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

// The status and the messages of a Generate call.
struct Generated {
  absl::Status status;
  v1::Started started;
  std::vector<v1::Delta> deltas;
  v1::Final final;

  std::string text() const {
    std::string all;
    for (const v1::Delta& delta : deltas) all += delta.text();
    return all;
  }
  std::vector<TokenId> tokens() const {
    std::vector<TokenId> all;
    for (const v1::Delta& delta : deltas) {
      all.insert(all.end(), delta.token_ids().begin(), delta.token_ids().end());
    }
    return all;
  }
  std::uint64_t fallbacks(v1::FallbackReason reason) const {
    for (const v1::Fallback& fallback : final.speculation().fallbacks()) {
      if (fallback.reason() == reason) return fallback.count();
    }
    return 0;
  }
};

// The lines of a log that contain all of `words`.
inline std::vector<std::string> LinesWith(const std::string& log,
                                          const std::vector<std::string>& words) {
  std::vector<std::string> lines;
  std::istringstream text(log);
  for (std::string line; std::getline(text, line);) {
    bool all = true;
    for (const std::string& word : words) all &= line.find(word) != std::string::npos;
    if (all) lines.push_back(line);
  }
  return lines;
}

// Pass waits until another thread calls Open.
class Gate {
 public:
  void Pass() {
    MutexLock lock(mutex_);
    while (!open_) opened_.Wait(mutex_);
  }
  void Open() {
    MutexLock lock(mutex_);
    open_ = true;
    opened_.NotifyAll();
  }

 private:
  Mutex mutex_;
  CondVar opened_;
  bool open_ ABSL_GUARDED_BY(mutex_) = false;
};

// A counter; threads can wait until it reaches a number.
class Counter {
 public:
  void Increment() {
    MutexLock lock(mutex_);
    ++count_;
    changed_.NotifyAll();
  }
  void Await(int count) {
    MutexLock lock(mutex_);
    while (count_ < count) changed_.Wait(mutex_);
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  int count_ ABSL_GUARDED_BY(mutex_) = 0;
};

class GatewayServiceTest : public ::testing::Test {
 protected:
  ~GatewayServiceTest() override { Stop(); }

  // Destroys the gateway and its peers. Then a test may add other peers and call Start again.
  void Stop() {
    if (gateway_ != nullptr) gateway_->OnReady(nullptr);
    if (server_ != nullptr) server_->Shutdown(absl::ZeroDuration());
    gateway_.reset();
    server_.reset();
    servers_.clear();
    verifiers_.clear();
    drafters_.clear();
    options_.verifiers.clear();
    options_.drafters.clear();
  }

  void AddVerifier(std::unique_ptr<FakeVerifierService> service) {
    const std::string address = "verifier-" + std::to_string(verifiers_.size());
    options_.verifiers.push_back({.address = address});
    servers_[address] = *RpcServer::Start({}, {service.get()}, {});
    verifiers_.push_back(std::move(service));
  }
  void AddVerifier(doubles::FakeVerifierOptions options = {}) {
    AddVerifier(std::make_unique<FakeVerifierService>(std::move(options)));
  }

  void AddDrafter(std::unique_ptr<FakeDrafterService> service) {
    const std::string address = "drafter-" + std::to_string(drafters_.size());
    options_.drafters.push_back({.address = address});
    servers_[address] = *RpcServer::Start({}, {service.get()}, {});
    drafters_.push_back(std::move(service));
  }
  void AddDrafter(doubles::FakeDrafterOptions options = {}) {
    AddDrafter(std::make_unique<FakeDrafterService>(std::move(options)));
  }

  // Starts the gateway. If `wait_until_ready`, waits until every peer is ready or has failed its
  // handshake with FAILED_PRECONDITION.
  void Start(bool wait_until_ready = true) {
    options_.channel = [this](const std::string& address) {
      return servers_.at(address)->InProcessChannel();
    };
    options_.draft_deadline = draft_deadline_;
    auto gateway = CreateGateway(options_);
    ASSERT_THAT(gateway, IsOk());
    gateway_ = *std::move(gateway);
    server_ = *RpcServer::Start({.listen = listen_, .max_message_bytes = max_message_bytes_},
                                {gateway_->service()}, {});
    stub_ = v1::GatewayService::NewStub(server_->InProcessChannel());
    if (!wait_until_ready) return;
    AwaitStats([this](const v1::GetStatsResponse& stats) {
      bool all_greeted = static_cast<std::size_t>(stats.peers_size()) == servers_.size();
      for (const v1::Peer& peer : stats.peers()) {
        all_greeted &= peer.ready() || peer.detail().starts_with("FAILED_PRECONDITION");
      }
      return all_greeted;
    });
  }

  v1::GetStatsResponse Stats() {
    grpc::ClientContext context;
    if (as_admin_) as_admin_(&context);
    v1::GetStatsResponse response;
    EXPECT_TRUE(stub_->GetStats(&context, {}, &response).ok());
    return response;
  }

  std::uint64_t Refusals(v1::RefusalReason reason) {
    const v1::GetStatsResponse stats = Stats();
    for (const v1::Refusal& refusal : stats.refusals()) {
      if (refusal.reason() == reason) return refusal.count();
    }
    return 0;
  }

  // Asks for statistics until `wanted` returns true. If it never does, the test ends by its time
  // limit.
  void AwaitStats(const std::function<bool(const v1::GetStatsResponse&)>& wanted) {
    while (!wanted(Stats())) {
    }
  }

  // Calls Generate and reads the stream to its end. Calls `read` with each message.
  Generated Generate(const std::string& request, grpc::ClientContext* context = nullptr,
                     const std::function<void(const v1::GenerateResponse&)>& read = nullptr) {
    grpc::ClientContext own;
    if (context == nullptr) context = &own;
    const auto reader = stub_->Generate(context, ParseProto<v1::GenerateRequest>(request));
    Generated generated;
    v1::GenerateResponse response;
    while (reader->Read(&response)) {
      if (read) read(response);
      if (response.has_started()) generated.started = response.started();
      if (response.has_delta()) generated.deltas.push_back(response.delta());
      if (response.has_final()) generated.final = response.final();
    }
    generated.status = FromGrpcStatus(reader->Finish());
    return generated;
  }

  std::vector<TokenId> Plain(int count) { return doubles::ToyModel().Continue({5, 6, 7}, count); }

  GatewayOptions options_;
  std::function<void(grpc::ClientContext*)>
      as_admin_;                                       // adds the key of an administrator to a call
  absl::Duration draft_deadline_ = absl::Seconds(10);  // long, so that no draft is late
  int max_message_bytes_ = 1 << 16;
  std::vector<std::string> listen_;  // addresses beside the in-process channel
  std::vector<std::unique_ptr<FakeVerifierService>> verifiers_;
  std::vector<std::unique_ptr<FakeDrafterService>> drafters_;
  std::map<std::string, std::unique_ptr<RpcServer>> servers_;
  std::unique_ptr<GatewayServer> gateway_;
  std::unique_ptr<RpcServer> server_;
  std::unique_ptr<v1::GatewayService::Stub> stub_;
};

}  // namespace recycling::gateway

#endif  // RECYCLING_TESTS_CONTRACT_GATEWAY_SERVICE_FIXTURE_H_
