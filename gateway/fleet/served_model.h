// The one model a gateway serves: the first verifier says which, every other must agree.
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

// OK if a sequence may run on one as well as on the other: equal model identity, numerics id,
// context length and k. Else FailedPrecondition saying what, got, expected.
absl::Status CheckSameVerifier(const VerifierInfo& got, const VerifierInfo& expected);

struct ServedModel {
  VerifierInfo info;  // of the first verifier
  std::unique_ptr<const Tokenizer> tokenizer;
};

// Threads: Get any, Admit one.
class ModelReference {
 public:
  // The first time: takes `info` for the model to serve, with the tokenizer made of what `fetch`
  // returns; an error of either leaves no model. Later: CheckSameVerifier against the first.
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
