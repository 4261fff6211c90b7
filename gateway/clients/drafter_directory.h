#ifndef RECYCLING_GATEWAY_CLIENTS_DRAFTER_DIRECTORY_H_
#define RECYCLING_GATEWAY_CLIENTS_DRAFTER_DIRECTORY_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gateway/clients/drafter_client.h"

namespace recycling::gateway {

// Where a request finds its drafter. Threads: any. No method blocks.
class DrafterDirectory {
 public:
  virtual ~DrafterDirectory() = default;

  // The drafter of `tenant` now. It counts as used until the pointer is gone. Unavailable if none
  // is ready. FailedPrecondition if none is ready and one serves another model, and if `scope` is
  // kShared and no drafter that is ready allows that.
  virtual absl::StatusOr<std::shared_ptr<DrafterClient>> Pick(const std::string& tenant,
                                                              MatrixScope scope) = 0;

  // A session at the drafter of this address ended with this error, which the drafter or its
  // connection gave.
  virtual void Report(const std::string& address, const absl::Status& error) = 0;

  // An answer of the drafter of this address was good (OK), or late or not to be used. Returns
  // whether to go on with this drafter.
  virtual bool Judge(const std::string& address, const absl::Status& answer) = 0;
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_CLIENTS_DRAFTER_DIRECTORY_H_
