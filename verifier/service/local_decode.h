#ifndef RECYCLING_VERIFIER_SERVICE_LOCAL_DECODE_H_
#define RECYCLING_VERIFIER_SERVICE_LOCAL_DECODE_H_

#include <memory>

#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/trace_context.h"
#include "common/decoding/model_identity.h"
#include "common/rpc/peer_streams.h"
#include "verifier/schedule/scheduler.h"
#include "verifier/service/drain_gate.h"

namespace recycling::verifier {

// Opens a Decode stream for a caller in this process. Its messages are those of the service, and
// its errors too. Send returns false during an operation. Close cancels the operation, and WaitDone
// then frees the slot. All arguments must outlive the stream.
std::unique_ptr<DecodeStream> OpenLocalDecode(Scheduler& scheduler, const ModelIdentity& model,
                                              DrainGate& gate, absl::Time deadline,
                                              const CallOrigin& origin,
                                              const Clock& clock = RealClock());

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_SERVICE_LOCAL_DECODE_H_
