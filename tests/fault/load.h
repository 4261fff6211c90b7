// Concurrent clients that send random requests and compare each output with its reference.
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

// A request and its expected output.
struct Expected {
  gateway::v1::GenerateRequest request;
  integration::Output output;
};

// Returns random requests for the seeds first_seed to first_seed + count - 1. They use every option
// and every speculation mode, and many prompts have the same beginning. An output has at most
// `longest` tokens.
std::vector<gateway::v1::GenerateRequest> MixedRequests(std::uint64_t first_seed, int count,
                                                        std::uint32_t longest);

// Runs each request at `gateway` without drafting and returns the requests with their outputs.
// Internal if a request fails.
absl::StatusOr<std::vector<Expected>> MakeReferences(
    const std::string& gateway, std::vector<gateway::v1::GenerateRequest> requests);

struct LoadOptions {
  int streams = 32;
  std::uint64_t seed = 0;
  absl::Duration deadline = absl::Minutes(1);  // of each request
  double vanishing = 0.05;                     // part of the requests that the client cancels
};

struct LoadFigures {
  std::uint64_t finished = 0;     // requests with status OK and the right output
  std::uint64_t vanished = 0;     // requests that the client cancelled
  std::uint64_t retried = 0;      // attempts that failed during a fault of their gateway
  std::uint64_t mismatches = 0;   // wrong outputs, complete or partial
  std::uint64_t unexplained = 0;  // attempts that failed without a fault of their gateway
  std::uint64_t late = 0;         // unexplained errors with DEADLINE_EXCEEDED
  std::uint64_t tokens = 0;
  std::uint64_t drafted_steps = 0;  // of requests with status OK, like the next two
  std::uint64_t fallbacks = 0;      // steps that asked for a draft and got none that they could use
  std::uint64_t moves = 0;          // of a sequence to another verifier
  absl::Duration longest;           // longest attempt
  std::map<std::string, std::uint64_t> errors;  // of retried attempts, by text
  std::vector<std::string> trouble;             // the first few mismatches and unexplained errors
};

// The clients run from the constructor to Stop(). `fleet`, `expected` and `progress` must outlive
// the Load. It adds 1 to `progress` for every received message and every end of an attempt.
class Load {
 public:
  Load(const Fleet& fleet, const std::vector<Expected>& expected, const LoadOptions& options,
       Progress& progress);
  ~Load();

  // Lets the running requests end, starts no new ones, and returns the figures.
  LoadFigures Stop();

  // The number of requests that have ended.
  std::uint64_t ended() const { return ended_.load(); }

 private:
  using Channels = std::vector<std::shared_ptr<grpc::Channel>>;

  void RunStream(std::uint64_t seed);
  void RunRequest(const Expected& expected, std::mt19937_64& random, Channels& channels);
  // Counts the result of an attempt. Returns whether the client is done with the request.
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
