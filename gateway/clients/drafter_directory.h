#ifndef RECYCLING_GATEWAY_CLIENTS_DRAFTER_DIRECTORY_H_
#define RECYCLING_GATEWAY_CLIENTS_DRAFTER_DIRECTORY_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gateway/clients/drafter_client.h"

namespace recycling::gateway {

// Finds drafters for requests. Threads: any. No method blocks.
class DrafterDirectory {
 public:
  virtual ~DrafterDirectory() = default;

  // Returns the drafter that `tenant` uses now. The drafter counts as in use until the pointer is
  // destroyed. Returns Unavailable if no drafter is ready. Returns FailedPrecondition if no drafter
  // is ready and one of them serves another model, or if `scope` is kShared and no ready drafter
  // allows that scope.
  virtual absl::StatusOr<std::shared_ptr<DrafterClient>> Pick(const std::string& tenant,
                                                              MatrixScope scope) = 0;

  // The caller reports that its session at the drafter `address` ended with `error`. The error must
  // come from the drafter or from its connection.
  virtual void Report(const std::string& address, const absl::Status& error) = 0;

  // The caller reports whether an answer of the drafter `address` was usable: OK, or an error if it
  // was late or malformed. Returns whether the caller may go on with this drafter.
  virtual bool Judge(const std::string& address, const absl::Status& answer) = 0;
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_CLIENTS_DRAFTER_DIRECTORY_H_
