#include "gateway/fleet/served_model.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"

namespace recycling::gateway {
namespace {

void SetChatTemplate(const std::shared_ptr<const chat::ChatTemplate>& own, ServedModel& model) {
  model.chat_template = own;
  if (own != nullptr) return;
  if (model.info.chat_template.empty()) {
    model.no_chat_template = absl::FailedPreconditionError(
        "the model file has no chat template; --chat_template of the gateway sets one");
    return;
  }
  absl::StatusOr<chat::ChatTemplate> parsed = chat::ChatTemplate::Parse(model.info.chat_template);
  if (parsed.ok()) {
    model.chat_template = std::make_shared<const chat::ChatTemplate>(*std::move(parsed));
    return;
  }
  model.no_chat_template = absl::FailedPreconditionError(absl::StrCat(
      "the chat template of the model file does not parse: ", parsed.status().message(),
      "; --chat_template of the gateway sets another"));
}

}  // namespace

absl::Status CheckSameVerifier(const VerifierInfo& got, const VerifierInfo& expected) {
  RETURN_IF_ERROR(CheckSameModel(got.model, expected.model));
  const auto differs = [](absl::string_view what, const auto& a, const auto& b) {
    return absl::FailedPreconditionError(absl::StrCat(what, ": got ", a, ", expected ", b));
  };
  if (got.numerics_id != expected.numerics_id) {
    return differs("numerics_id", absl::CEscape(got.numerics_id),
                   absl::CEscape(expected.numerics_id));
  }
  if (got.context_length != expected.context_length) {
    return differs("context_length", got.context_length, expected.context_length);
  }
  if (got.k != expected.k) return differs("k", got.k, expected.k);
  return absl::OkStatus();
}

absl::Status ModelReference::Admit(const VerifierInfo& info,
                                   const std::function<absl::StatusOr<TokenizerData>()>& fetch) {
  if (const auto model = Get(); model != nullptr) return CheckSameVerifier(info, model->info);
  ASSIGN_OR_RETURN(TokenizerData data, fetch());
  auto model = std::make_shared<ServedModel>();
  model->info = info;
  ASSIGN_OR_RETURN(model->tokenizer, Tokenizer::Create(std::move(data)));
  if (model->tokenizer->vocab_size() != info.model.vocab_size) {
    return absl::FailedPreconditionError(absl::StrCat("tokenizer: got ",
                                                      model->tokenizer->vocab_size(),
                                                      " tokens, expected ", info.model.vocab_size));
  }
  SetChatTemplate(chat_template_, *model);
  {
    MutexLock lock(mutex_);
    if (model_ == nullptr) {
      model_ = std::move(model);
      return absl::OkStatus();
    }
  }
  return CheckSameVerifier(info, Get()->info);
}

std::shared_ptr<const ServedModel> ModelReference::Get() const {
  MutexLock lock(mutex_);
  return model_;
}

}  // namespace recycling::gateway
