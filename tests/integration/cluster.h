// Runs the services as processes. The system chooses their ports.
#ifndef RECYCLING_TESTS_INTEGRATION_CLUSTER_H_
#define RECYCLING_TESTS_INTEGRATION_CLUSTER_H_

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "recycling/gateway/v1/gateway.grpc.pb.h"
#include "tests/doubles/process.h"

namespace recycling::integration {

// Everything that a Generate call returned.
struct Output {
  grpc::Status status;
  bool started = false;
  std::uint64_t seed = 0;
  std::string text;
  std::vector<std::uint32_t> ids;
  std::vector<std::string> logprobs;  // serialized, so that equal means equal bits
  gateway::v1::Final final;           // empty unless status is OK

  // Whether everything that must not depend on drafting is equal.
  bool SameTokens(const Output& other) const;
  std::uint64_t Fallbacks(gateway::v1::FallbackReason reason) const;
  std::uint64_t Fallbacks() const;
  std::string ForPeople() const;
};

// Calls Generate and reads the stream to its end. Calls `on_delta` (if not null) after each delta
// with the number of deltas so far. The caller may set a deadline in `context` or cancel it.
Output Generate(const std::shared_ptr<grpc::Channel>& gateway,
                const gateway::v1::GenerateRequest& request,
                const std::function<void(int deltas)>& on_delta = nullptr,
                grpc::ClientContext* context = nullptr);

// Starts programs of RECYCLING_BIN_DIR; the destructor ends them. If a program does not start or
// does not become ready, the test fails and the returned address is empty. Use a Cluster only on
// the main thread of the test.
class Cluster {
 public:
  Cluster() = default;
  // Prints the logs of all programs if the test failed.
  ~Cluster();

  // Starts a program of the build, waits until it listens and returns its address. To replace a
  // program that has ended, pass its address as `listen`.
  std::string Start(const std::string& program, std::vector<std::string> flags,
                    const std::string& listen = "127.0.0.1:0");

  // Starts a gateway and waits until it and all these peers are ready. Unless `flags` say
  // otherwise, the gateway drafts at every step, so the output statistics do not depend on the
  // speed of the machine.
  std::string StartGateway(const std::string& verifier, const std::string& drafter,
                           std::vector<std::string> flags = {});

  // The program that listens on `address`.
  doubles::Process& at(const std::string& address) { return *processes_.at(address); }
  void Kill(const std::string& address) { processes_.erase(address); }

  const doubles::TempDir& folder() const { return folder_; }

  // The log so far of the program that was started last.
  std::string LastLog() const;

 private:
  doubles::TempDir folder_;
  int started_ = 0;
  std::map<std::string, std::unique_ptr<doubles::Process>> processes_;
};

std::shared_ptr<grpc::Channel> Connect(const std::string& address);

// Waits until `condition` holds and checks it every few milliseconds. Returns false after a minute.
bool Eventually(const std::function<bool()>& condition);

// Whether the gateway sees every peer ready.
bool AllPeersReady(const std::shared_ptr<grpc::Channel>& gateway);

// The number of open sequences at the verifier, or -1 if it does not answer.
int OpenSequences(const std::shared_ptr<grpc::Channel>& verifier);

}  // namespace recycling::integration

#endif  // RECYCLING_TESTS_INTEGRATION_CLUSTER_H_
