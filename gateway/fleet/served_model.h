// The one model that a gateway serves. The first verifier decides it; every other must agree.
#ifndef RECYCLING_GATEWAY_FLEET_SERVED_MODEL_H_
#define RECYCLING_GATEWAY_FLEET_SERVED_MODEL_H_

#include <functional>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/mutex.h"
#include "common/chat/chat_template.h"
#include "common/tokenizer/tokenizer.h"
#include "gateway/clients/verifier_client.h"

namespace recycling::gateway {

// Returns OK if a sequence may run on both verifiers: model identity, numerics id, context length
// and k are equal. Otherwise returns FailedPrecondition with the name, the value and the expected
// value of the field that differs.
absl::Status CheckSameVerifier(const VerifierInfo& got, const VerifierInfo& expected);

struct ServedModel {
  VerifierInfo info;  // of the first verifier
  std::unique_ptr<const Tokenizer> tokenizer;
  // Of the operator, else of the first verifier. Null: `no_chat_template` says why.
  std::shared_ptr<const chat::ChatTemplate> chat_template;
  absl::Status no_chat_template;
};

// Threads: any. Calls of Admit do not wait for each other.
class ModelReference {
 public:
  // `chat_template` replaces that of the model file, unless it is null.
  explicit ModelReference(std::shared_ptr<const chat::ChatTemplate> chat_template = nullptr)
      : chat_template_(std::move(chat_template)) {}

  // The first call that succeeds fetches the tokenizer's data with `fetch`, and sets the model:
  // `info` with this tokenizer. A call that finds a model, also one that another call has set
  // meanwhile, returns CheckSameVerifier(info, that model). If `fetch` fails or the tokenizer
  // cannot be made, the call returns the error and sets no model.
  absl::Status Admit(const VerifierInfo& info,
                     const std::function<absl::StatusOr<TokenizerData>()>& fetch);

  // Null before the first verifier was admitted; then always the same.
  std::shared_ptr<const ServedModel> Get() const;

 private:
  const std::shared_ptr<const chat::ChatTemplate> chat_template_;
  mutable Mutex mutex_;
  std::shared_ptr<const ServedModel> model_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_FLEET_SERVED_MODEL_H_
