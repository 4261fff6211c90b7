// The one model that a gateway serves. The first verifier decides it; every other must agree.
#ifndef RECYCLING_GATEWAY_FLEET_SERVED_MODEL_H_
#define RECYCLING_GATEWAY_FLEET_SERVED_MODEL_H_

#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/mutex.h"
#include "common/tokenizer/tokenizer.h"
#include "gateway/clients/verifier_client.h"

namespace recycling::gateway {

// OK if a sequence may run on either of the two: model identity, numerics id, context length and k
// are equal. Otherwise FailedPrecondition saying what, got, expected.
absl::Status CheckSameVerifier(const VerifierInfo& got, const VerifierInfo& expected);

struct ServedModel {
  VerifierInfo info;  // of the first verifier
  std::unique_ptr<const Tokenizer> tokenizer;
};

// Threads: any. Calls of Admit do not wait for each other.
class ModelReference {
 public:
  // Without a model: fetches the tokenizer's data, and serves `info` with that tokenizer from now
  // on, unless another call of Admit was first. With a model: returns CheckSameVerifier against it.
  // An error of `fetch`, or of making the tokenizer, leaves no model.
  absl::Status Admit(const VerifierInfo& info,
                     const std::function<absl::StatusOr<TokenizerData>()>& fetch);

  // Null before the first verifier was admitted; then always the same.
  std::shared_ptr<const ServedModel> Get() const;

 private:
  mutable Mutex mutex_;
  std::shared_ptr<const ServedModel> model_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_FLEET_SERVED_MODEL_H_
