#include "gateway/http/completion_answer.h"

#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/chat/thinking.h"
#include "gateway/http/openai_error.h"

namespace recycling::gateway {

// One choice. One thread at a time calls Start, Show, Finish and End.
class CompletionAnswer::Sink final : public OutputSink {
 public:
  Sink(std::shared_ptr<CompletionAnswer> answer, int index)
      : answer_(std::move(answer)), index_(index) {}

  void Start(const OutputStart& start) override {
    if (start.thinking.has_value()) splitter_.emplace(*start.thinking);
    style_ = answer_->Begin(start.request_id);
    if (style_.stream && style_.head.chat) answer_->Event(RoleChunk(style_.head));
  }

  void Show(const OutputDelta& delta) override {
    chat::AnswerParts parts;
    if (splitter_.has_value()) {
      parts = splitter_->Add(delta.text);
    } else {
      parts.content = delta.text;
    }
    if (style_.stream) {
      if (parts.empty() && !style_.logprobs && !delta.trace.has_value()) return;
      answer_->Event(
          DeltaChunk(style_.head, index_, parts, delta, style_.logprobs, style_.token_text));
      return;
    }
    Keep(parts);
    if (style_.logprobs) {
      whole_.logprobs.insert(whole_.logprobs.end(), delta.logprobs.begin(), delta.logprobs.end());
    }
  }

  void Finish(const OutputSummary& summary) override {
    const chat::AnswerParts last = splitter_.has_value() ? splitter_->End() : chat::AnswerParts();
    whole_.reason = summary.outcome.finish.reason;
    if (style_.stream) {
      if (!last.empty()) {
        answer_->Event(DeltaChunk(style_.head, index_, last, {}, false, style_.token_text));
      }
      answer_->Event(FinishChunk(style_.head, index_, whole_.reason));
    } else {
      Keep(last);
    }
    answer_->Finish(index_, std::move(whole_), summary);
  }

  void End(const absl::Status& status) override { answer_->End(status); }

  void OnGone(std::function<void()> gone) override {
    {
      MutexLock lock(answer_->mutex_);
      answer_->gone_[static_cast<std::size_t>(index_)] = std::move(gone);
    }
    // If the client has gone already, this calls the function at once.
    answer_->reply_->OnGone([answer = std::weak_ptr(answer_)] {
      if (const auto alive = answer.lock()) alive->CallGone();
    });
  }

  // The choices share one reply, so its unread bytes count once.
  UnreadOutput Unread() const override {
    UnreadOutput unread = answer_->reply_->Unread();
    if (index_ > 0) unread.bytes = 0;
    return unread;
  }
  bool Drop(const absl::Status&) override { return answer_->reply_->Drop(); }
  bool done() const override { return answer_->reply_->done(); }

 private:
  void Keep(const chat::AnswerParts& parts) {
    whole_.text.thinking += parts.thinking;
    whole_.text.content += parts.content;
  }

  const std::shared_ptr<CompletionAnswer> answer_;
  const int index_;
  Style style_;
  std::optional<chat::ThinkingSplitter> splitter_;  // absent: the model does not think
  AnswerChoice whole_;                              // of an answer that is no stream
};

CompletionAnswer::CompletionAnswer(std::shared_ptr<HttpReply> reply, bool chat, HttpHeaders headers,
                                   std::function<std::shared_ptr<const ServedModel>()> model,
                                   absl::Time created)
    : reply_(std::move(reply)),
      model_(std::move(model)),
      headers_(std::move(headers)),
      choices_(1),
      gone_(1) {
  style_.head.chat = chat;
  style_.head.created = absl::ToUnixSeconds(created);
}

std::shared_ptr<OutputSink> CompletionAnswer::Choice(int index) {
  return std::make_shared<Sink>(shared_from_this(), index);
}

void CompletionAnswer::Asked(const OpenAiRequest& request) {
  MutexLock lock(mutex_);
  style_.stream = request.stream;
  style_.logprobs = request.logprobs;
  include_usage_ = request.include_usage;
  open_ = 1 + request.more_prompts.size();
  choices_.resize(open_);
  gone_.resize(open_);
}

CompletionAnswer::Style CompletionAnswer::Begin(const std::string& request_id) {
  MutexLock lock(mutex_);
  if (started_) return style_;
  const auto model = model_();
  AnswerHead& head = style_.head;
  head.id = absl::StrCat(head.chat ? "chatcmpl-" : "cmpl-", request_id);
  head.model = model->info.model.model_id;
  head.fingerprint = absl::CHexEscape(model->info.numerics_id.substr(0, 16));
  style_.token_text = [model](TokenId id) { return model->tokenizer->TokenBytes(id); };
  headers_.emplace_back("X-Request-Id", request_id);
  started_ = true;
  if (!style_.stream) return style_;
  HttpAnswer answer{.content_type = "text/event-stream", .headers = headers_, .body = ""};
  answer.headers.emplace_back("Cache-Control", "no-cache");
  answer.headers.emplace_back("X-Accel-Buffering", "no");  // asks proxies not to collect chunks
  reply_->StartStream(std::move(answer));
  return style_;
}

void CompletionAnswer::Finish(int index, AnswerChoice choice, const OutputSummary& summary) {
  MutexLock lock(mutex_);
  choices_[static_cast<std::size_t>(index)] = std::move(choice);
  totals_.Add(summary);
}

void CompletionAnswer::End(const absl::Status& status) {
  MutexLock lock(mutex_);
  if (error_.ok()) error_ = status;
  if (--open_ > 0) return;
  if (started_ && style_.stream) {
    if (!error_.ok()) {
      Event(ErrorJson(error_));
    } else if (include_usage_) {
      Event(UsageChunk(style_.head, totals_));
    }
    reply_->Write("data: [DONE]\n\n");
    reply_->End();
  } else if (!error_.ok()) {
    Send(ErrorAnswer(error_));
  } else {
    Send({.headers = {},
          .body = WholeAnswer(style_.head, choices_, style_.logprobs, style_.token_text, totals_)});
  }
}

void CompletionAnswer::CallGone() {
  std::vector<std::function<void()>> gone;
  {
    MutexLock lock(mutex_);
    gone.resize(gone_.size());
    gone.swap(gone_);
  }
  for (const auto& call : gone) {
    if (call != nullptr) call();
  }
}

void CompletionAnswer::Send(HttpAnswer answer) {
  answer.headers.insert(answer.headers.end(), headers_.begin(), headers_.end());
  reply_->Send(std::move(answer));
}

void CompletionAnswer::Event(const std::string& json) {
  reply_->Write(absl::StrCat("data: ", json, "\n\n"));
}

}  // namespace recycling::gateway
