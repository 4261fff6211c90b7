#include "verifier/service/decode_session.h"

#include <utility>

#include "common/base/status_macros.h"
#include "verifier/service/verifier_convert.h"

namespace recycling::verifier {

absl::StatusOr<SequenceOptions> ReadOpen(const v1::OpenSequence& open, const ModelIdentity& model,
                                         const Scheduler& scheduler) {
  RETURN_IF_ERROR(scheduler.CheckPasses());
  const Transformer& transformer = scheduler.transformer();
  RETURN_IF_ERROR(CheckMeansThisVerifier(open, model, transformer.numerics_id()));
  return SequenceOptionsFromProto(open, transformer.context_length());
}

absl::Status DecodeSession::Begin(const v1::DecodeRequest& request, v1::DecodeResponse* response) {
  switch (request.request_case()) {
    case v1::DecodeRequest::kOpen:
      return Open(request.open(), response);
    case v1::DecodeRequest::kVerify:
      return Verify(request.verify(), response);
    case v1::DecodeRequest::REQUEST_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError("decode: got an empty message, expected open or verify");
}

absl::Status DecodeSession::Open(const v1::OpenSequence& open, v1::DecodeResponse* response) {
  if (sequence_.is_open()) {
    return absl::FailedPreconditionError("decode: got a second open, expected verify");
  }
  ASSIGN_OR_RETURN(SequenceOptions options, ReadOpen(open, model_, scheduler_));
  RETURN_IF_ERROR(gate_.Enter(this, [this] { sequence_.Cancel(); }));
  return sequence_.Open(std::move(options), [this, response](absl::StatusOr<OpenResult> result) {
    if (result.ok()) {
      log_.Opened(*result);
      OpenResultToProto(*result, scheduler_.load(), response->mutable_opened());
    }
    answered_(result.status());
  });
}

absl::Status DecodeSession::Verify(const v1::VerifyStep& step, v1::DecodeResponse* response) {
  if (!sequence_.is_open()) {
    return absl::FailedPreconditionError("decode: got verify, expected open first");
  }
  ASSIGN_OR_RETURN(VerifyStep parsed, StepFromProto(step, scheduler_.options().max_tree_nodes));
  return sequence_.Verify(std::move(parsed),
                          [this, &step, response](absl::StatusOr<StepResult> result) {
                            if (result.ok()) {
                              log_.Stepped(*result);
                              StepResultToProto(*result, step.step(), step.base(),
                                                scheduler_.load(), response->mutable_verified());
                            }
                            answered_(result.status());
                          });
}

void DecodeSession::End(const absl::Status& status) {
  sequence_.Close();
  gate_.Leave(this);
  log_.Ended(status);
}

}  // namespace recycling::verifier
