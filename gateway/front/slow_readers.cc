#include "gateway/front/slow_readers.h"

#include <algorithm>
#include <map>
#include <string_view>

namespace recycling::gateway {

namespace {

// How long the end of an output may wait before the output counts as one that is not read.
constexpr absl::Duration kUsualDelay = absl::Seconds(1);

}  // namespace

std::vector<std::size_t> SlowReaders(std::span<const UnreadOutput> outputs,
                                     const ReaderLimits& limits, absl::Duration now) {
  std::vector<std::size_t> slow, others;
  int ended = 0;
  std::uint64_t bytes = 0;
  std::map<std::string_view, std::uint64_t> connections;  // their bytes
  const auto counts = [now](const UnreadOutput& output) {
    return output.ended && now - output.end >= kUsualDelay;
  };
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const UnreadOutput& output = outputs[i];
    if (output.bytes == 0) continue;
    if (now - output.since >= limits.timeout ||
        (output.ended && now - output.end >= limits.timeout)) {
      slow.push_back(i);
      continue;
    }
    others.push_back(i);
    bytes += output.bytes;
    connections[output.connection] += output.bytes;
    if (counts(output)) ++ended;
  }
  std::stable_sort(others.begin(), others.end(), [&](std::size_t a, std::size_t b) {
    return outputs[a].since < outputs[b].since;
  });
  for (const std::size_t i : others) {
    const bool too_many = ended > limits.max_outputs && counts(outputs[i]);
    std::uint64_t& of_connection = connections[outputs[i].connection];
    const bool too_large = bytes > limits.max_bytes || of_connection > limits.max_connection_bytes;
    if (!too_many && !too_large) continue;
    slow.push_back(i);
    bytes -= outputs[i].bytes;
    of_connection -= outputs[i].bytes;
    if (counts(outputs[i])) --ended;
  }
  return slow;
}

}  // namespace recycling::gateway
