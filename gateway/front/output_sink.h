// The seam between requests and the doors they come in by: a door implements OutputSink, and
// RequestRunner (request_runner.h) writes to it.
#ifndef RECYCLING_GATEWAY_FRONT_OUTPUT_SINK_H_
#define RECYCLING_GATEWAY_FRONT_OUTPUT_SINK_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "gateway/front/slow_readers.h"
#include "gateway/loop/decode_loop.h"
#include "gateway/loop/emission.h"

namespace recycling::gateway {

// What is known when a request begins.
struct OutputStart {
  std::string request_id;
  std::uint32_t prompt_tokens = 0;
  std::uint64_t seed = 0;
};

// What is known when an output has ended well.
struct OutputSummary {
  const DecodeOutcome& outcome;  // outcome.status is OK
  std::uint32_t prompt_tokens = 0;
  std::uint64_t seed = 0;
};

// The client's end of one request. No method blocks: the decode loop never waits for a client, so
// a sink keeps what its client has not taken yet. Threads: any.
class OutputSink {
 public:
  virtual ~OutputSink() = default;

  // What the client is to receive, in this order: [Start Show* [Finish]] End.
  virtual void Start(const OutputStart& start) = 0;
  virtual void Show(const OutputDelta& delta) = 0;
  virtual void Finish(const OutputSummary& summary) = 0;
  // The end, exactly once. `status` may carry a retry delay (common/base/retry_delay.h).
  virtual void End(const absl::Status& status) = 0;

  // `gone` is called when the client cancels, is lost or has passed its deadline; at once if that
  // has happened. It replaces the function given before; null: none.
  virtual void OnGone(std::function<void()> gone) = 0;

  // What the client has not taken yet.
  virtual UnreadOutput Unread() const = 0;

  // Throws away what the client has not taken and ends its call with `why`. Returns false if that
  // was done before or the client has taken everything.
  virtual bool Drop(const absl::Status& why) = 0;

  // The client has taken everything or is gone; nothing more will happen.
  virtual bool done() const = 0;
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_FRONT_OUTPUT_SINK_H_
