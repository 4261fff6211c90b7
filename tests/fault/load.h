// Clients: concurrent streams of seeded requests, each compared with what it should be.
#ifndef RECYCLING_TESTS_FAULT_LOAD_H_
#define RECYCLING_TESTS_FAULT_LOAD_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/mutex.h"
#include "tests/fault/fleet.h"
#include "tests/fault/progress.h"
#include "tests/integration/cluster.h"

namespace recycling::fault {

// A request and what it must give.
struct Expected {
  gateway::v1::GenerateRequest request;
  integration::Output output;
};

// Requests with the seeds [first_seed, first_seed + count): every option, every speculation mode,
// prompts of which many begin alike, outputs of up to `longest` tokens.
std::vector<gateway::v1::GenerateRequest> MixedRequests(std::uint64_t first_seed, int count,
                                                        std::uint32_t longest);

// Each with the output that `gateway` gives undisturbed and without drafting. Internal if one
// fails.
absl::StatusOr<std::vector<Expected>> MakeReferences(
    const std::string& gateway, std::vector<gateway::v1::GenerateRequest> requests);

struct LoadOptions {
  int streams = 32;
  std::uint64_t seed = 0;
  absl::Duration deadline = absl::Minutes(1);  // of each request
  double vanishing = 0.05;                     // share of the clients that cancel on the way
};

struct LoadFigures {
  std::uint64_t finished = 0;     // outputs that came to their end and were right
  std::uint64_t vanished = 0;     // cancelled by the client
  std::uint64_t retried = 0;      // attempts that ended with their gateway, and were made again
  std::uint64_t mismatches = 0;   // wrong tokens, of whole or partial outputs
  std::uint64_t unexplained = 0;  // errors without a fault of the gateway
  std::uint64_t late = 0;         // of those, deadlines that passed
  std::uint64_t tokens = 0;
  std::uint64_t drafted_steps = 0;              // of finished requests, as the next ones
  std::uint64_t fallbacks = 0;                  // steps that wanted a draft and went without
  std::uint64_t moves = 0;                      // to another verifier
  absl::Duration longest;                       // request, retries not counted
  std::map<std::string, std::uint64_t> errors;  // explained ones, by text
  std::vector<std::string> trouble;             // the first few mismatches and unexplained errors
};

// Runs from construction to Stop. `fleet`, `expected` and `progress` must outlive it; `progress`
// moves with every message and every end of an attempt.
class Load {
 public:
  Load(const Fleet& fleet, const std::vector<Expected>& expected, const LoadOptions& options,
       Progress& progress);
  ~Load();

  // No new requests; returns when the running ones have ended.
  LoadFigures Stop();

  // Requests that ended so far.
  std::uint64_t ended() const { return ended_.load(); }

 private:
  using Channels = std::vector<std::shared_ptr<grpc::Channel>>;

  void RunStream(std::uint64_t seed);
  void RunRequest(const Expected& expected, std::mt19937_64& random, Channels& channels);
  // Whether the client is done with its request.
  bool Settle(const Expected& expected, const integration::Output& output, const Member& gateway,
              bool vanished, bool disturbed, absl::Duration took);
  void Judge(const Expected& expected, const integration::Output& output, bool vanished)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Trouble(const std::string& what) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Fleet& fleet_;
  const std::vector<Expected>& expected_;
  const LoadOptions options_;
  Progress& progress_;
  std::atomic<bool> stop_ = false;
  std::atomic<std::uint64_t> next_ = 0;
  std::atomic<std::uint64_t> ended_ = 0;
  Mutex mutex_;
  LoadFigures figures_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_;
};

}  // namespace recycling::fault

#endif  // RECYCLING_TESTS_FAULT_LOAD_H_
