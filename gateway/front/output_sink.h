// The interface between requests and transports: a transport implements OutputSink, and
// RequestRunner (request_runner.h) writes to it.
#ifndef RECYCLING_GATEWAY_FRONT_OUTPUT_SINK_H_
#define RECYCLING_GATEWAY_FRONT_OUTPUT_SINK_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "common/chat/thinking.h"
#include "gateway/front/slow_readers.h"
#include "gateway/loop/decode_loop.h"
#include "gateway/loop/emission.h"

namespace recycling::gateway {

// The values that are known when a request begins.
struct OutputStart {
  std::string request_id;
  std::uint32_t prompt_tokens = 0;
  std::uint64_t seed = 0;
  // How the answer to a conversation marks its thoughts. Absent if it has none.
  std::optional<chat::ThinkingStart> thinking;
};

// The values that are known when an output has ended without an error.
struct OutputSummary {
  const DecodeOutcome& outcome;  // outcome.status is OK
  std::uint32_t prompt_tokens = 0;
  std::uint64_t seed = 0;
};

// Sends the output of one request to its client. No method blocks, because the decode loop never
// waits for a client. So a sink keeps the messages that its client has not read yet. Threads: any.
class OutputSink {
 public:
  virtual ~OutputSink() = default;

  // The messages to the client. Call order: [Start Show* [Finish]] End.
  virtual void Start(const OutputStart& start) = 0;
  virtual void Show(const OutputDelta& delta) = 0;
  virtual void Finish(const OutputSummary& summary) = 0;
  // Ends the output; called exactly once. `status` may carry a retry delay
  // (common/base/retry_delay.h).
  virtual void End(const absl::Status& status) = 0;

  // The sink calls `gone` when the client cancels, is lost or has passed its deadline. If that has
  // happened already, it calls `gone` at once. `gone` replaces the function of the last call; null
  // removes it.
  virtual void OnGone(std::function<void()> gone) = 0;

  // The messages that the client has not read yet.
  virtual UnreadOutput Unread() const = 0;

  // Throws away the messages that the client has not read, and ends its call with `why`. Returns
  // false if that was done before or the client has read everything.
  virtual bool Drop(const absl::Status& why) = 0;

  // Whether the client has read everything or is gone. Then nothing more happens.
  virtual bool done() const = 0;
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_FRONT_OUTPUT_SINK_H_
