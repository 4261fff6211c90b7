// Code that the main functions of the fake programs share.
#ifndef RECYCLING_TESTS_DOUBLES_FAKE_PROGRAM_H_
#define RECYCLING_TESTS_DOUBLES_FAKE_PROGRAM_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "absl/status/statusor.h"

namespace grpc {
class Service;
}

namespace recycling::doubles {

// The function that gives the fault of each step: the fault of `mode`, in all steps, or only in
// step `at` if at >= 0. If `modes` does not have `mode`, returns InvalidArgument with the names of
// all.
template <typename Fault>
absl::StatusOr<std::function<Fault(std::uint64_t)>> FaultOfMode(
    const std::string& mode, std::int64_t at,
    const std::map<std::string, std::function<Fault(std::uint64_t)>>& modes) {
  const auto found = modes.find(mode);
  if (found == modes.end()) {
    std::string names;
    for (const auto& [name, unused] : modes) names += " " + name;
    return absl::InvalidArgumentError("--mode: got \"" + mode + "\", expected one of" + names);
  }
  return [at, fault = found->second](std::uint64_t step) {
    if (at >= 0 && step != static_cast<std::uint64_t>(at)) return Fault::kNone;
    return fault(step);
  };
}

// A function that sleeps for --latency_ms if `call` starts with `prefix`. Null if --latency_ms is
// 0.
std::function<void(const std::string& call)> LatencyHook(const std::string& prefix);

// Serves on --listen until SIGINT or SIGTERM, and writes --port_file. Returns the exit code.
int ServeUntilStopped(const std::string& name, grpc::Service& service,
                      const std::string& health_name);

}  // namespace recycling::doubles

#endif  // RECYCLING_TESTS_DOUBLES_FAKE_PROGRAM_H_
