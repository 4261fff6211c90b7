#include "gateway/http/completion_answer.h"

#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/chat/thinking.h"
#include "gateway/http/openai_error.h"

namespace recycling::gateway {
namespace {

// Of all choices of an answer that is no stream.
constexpr std::size_t kMostWholeBytes = 64 << 20;

}  // namespace

// One choice. One thread at a time calls Start, Show, Finish and End.
class CompletionAnswer::Sink final : public OutputSink {
 public:
  Sink(std::shared_ptr<CompletionAnswer> answer, int index)
      : answer_(std::move(answer)), index_(index) {}

  void Start(const OutputStart& start) override {
    if (start.thinking.has_value()) splitter_.emplace(*start.thinking);
    style_ = answer_->Begin(start.request_id);
    if (!style_.stream) {
      whole_.emplace(style_.head.chat, index_, style_.logprobs ? style_.token_text : nullptr);
    } else if (style_.head.chat) {
      answer_->Event(RoleChunk(style_.head));
    }
  }

  void Show(const OutputDelta& delta) override {
    chat::AnswerParts parts;
    if (splitter_.has_value()) {
      parts = splitter_->Add(delta.text);
    } else {
      parts.content = delta.text;
    }
    if (whole_.has_value()) {
      const std::size_t before = whole_->bytes();
      whole_->Add(parts, delta.logprobs);
      answer_->Grow(whole_->bytes() - before);
      return;
    }
    if (parts.empty() && !style_.logprobs && !delta.trace.has_value()) return;
    answer_->Event(
        DeltaChunk(style_.head, index_, parts, delta, style_.logprobs, style_.token_text));
  }

  void Finish(const OutputSummary& summary) override {
    const chat::AnswerParts last = splitter_.has_value() ? splitter_->End() : chat::AnswerParts();
    const FinishReason reason = summary.outcome.finish.reason;
    if (whole_.has_value()) {
      whole_->Add(last, {});
      answer_->Finish(index_, whole_->End(reason), summary);
      return;
    }
    if (!last.empty()) {
      answer_->Event(DeltaChunk(style_.head, index_, last, {}, false, style_.token_text));
    }
    answer_->Event(FinishChunk(style_.head, index_, reason));
    answer_->Finish(index_, "", summary);
  }

  void End(const absl::Status& status) override { answer_->End(status); }

  void OnGone(std::function<void()> gone) override {
    answer_->OnStop(index_, std::move(gone));
    // If the client has gone already, this calls the function at once.
    answer_->reply_->OnGone([answer = std::weak_ptr(answer_)] {
      if (const auto alive = answer.lock()) alive->Stop();
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
  const std::shared_ptr<CompletionAnswer> answer_;
  const int index_;
  Style style_;
  std::optional<chat::ThinkingSplitter> splitter_;  // absent: the model does not think
  std::optional<WholeChoice> whole_;                // of an answer that is no stream
};

CompletionAnswer::CompletionAnswer(std::shared_ptr<HttpReply> reply, bool chat, HttpHeaders headers,
                                   std::function<std::shared_ptr<const ServedModel>()> model,
                                   absl::Time created)
    : reply_(std::move(reply)), model_(std::move(model)), stops_(1) {
  parts_.headers = std::move(headers);
  parts_.style.head.chat = chat;
  parts_.style.head.created = absl::ToUnixSeconds(created);
  parts_.wholes.resize(1);
}

std::shared_ptr<OutputSink> CompletionAnswer::Choice(int index) {
  return std::make_shared<Sink>(shared_from_this(), index);
}

void CompletionAnswer::Asked(const OpenAiRequest& request) {
  MutexLock lock(mutex_);
  parts_.style.stream = request.stream;
  parts_.style.logprobs = request.logprobs;
  parts_.include_usage = request.include_usage;
  open_ = 1 + request.more_prompts.size();
  parts_.wholes.resize(open_);
  stops_.resize(open_);
}

CompletionAnswer::Style CompletionAnswer::Begin(const std::string& request_id) {
  MutexLock lock(mutex_);
  Style& style = parts_.style;
  if (parts_.started) return style;
  const auto model = model_();
  AnswerHead& head = style.head;
  head.id = absl::StrCat(head.chat ? "chatcmpl-" : "cmpl-", request_id);
  head.model = model->info.model.model_id;
  head.fingerprint = absl::CHexEscape(model->info.numerics_id.substr(0, 16));
  style.token_text = [model](TokenId id) { return model->tokenizer->TokenBytes(id); };
  parts_.headers.emplace_back("X-Request-Id", request_id);
  parts_.started = true;
  if (!style.stream) return style;
  HttpAnswer answer{.content_type = "text/event-stream", .headers = parts_.headers, .body = ""};
  answer.headers.emplace_back("Cache-Control", "no-cache");
  answer.headers.emplace_back("X-Accel-Buffering", "no");  // asks proxies not to collect chunks
  reply_->StartStream(std::move(answer));
  return style;
}

void CompletionAnswer::Grow(std::size_t bytes) {
  {
    MutexLock lock(mutex_);
    bytes_ += bytes;
    if (bytes_ <= kMostWholeBytes) return;
  }
  Fail(InvalidField("stream", absl::StrCat("the answer has more than ", kMostWholeBytes,
                                           " bytes; ask for a stream, or for fewer tokens, "
                                           "prompts or log-probabilities")));
}

void CompletionAnswer::Finish(int index, std::string whole, const OutputSummary& summary) {
  MutexLock lock(mutex_);
  parts_.wholes[static_cast<std::size_t>(index)] = std::move(whole);
  parts_.totals.Add(summary);
}

void CompletionAnswer::End(const absl::Status& status) {
  if (!status.ok()) Fail(status);
  Parts parts;
  absl::Status error;
  {
    MutexLock lock(mutex_);
    if (--open_ > 0) return;
    parts = std::move(parts_);
    error = error_;
  }
  if (parts.started && parts.style.stream) {
    if (!error.ok()) {
      Event(ErrorJson(error));
    } else if (parts.include_usage) {
      Event(UsageChunk(parts.style.head, parts.totals));
    }
    reply_->Write("data: [DONE]\n\n");
    return reply_->End();
  }
  HttpAnswer answer =
      error.ok() ? HttpAnswer{.headers = {},
                              .body = WholeAnswer(parts.style.head, parts.wholes, parts.totals)}
                 : ErrorAnswer(error);
  answer.headers.insert(answer.headers.end(), parts.headers.begin(), parts.headers.end());
  reply_->Send(std::move(answer));
}

void CompletionAnswer::Fail(const absl::Status& error) {
  {
    MutexLock lock(mutex_);
    if (error_.ok()) error_ = error;
  }
  Stop();
}

void CompletionAnswer::Stop() {
  std::vector<std::function<void()>> stops;
  {
    MutexLock lock(mutex_);
    stopped_ = true;
    stops.resize(stops_.size());
    stops.swap(stops_);
  }
  for (const auto& stop : stops) {
    if (stop != nullptr) stop();
  }
}

void CompletionAnswer::OnStop(int index, std::function<void()> stop) {
  {
    MutexLock lock(mutex_);
    if (!stopped_ || stop == nullptr) {
      stops_[static_cast<std::size_t>(index)] = std::move(stop);
      return;
    }
  }
  stop();
}

void CompletionAnswer::Event(const std::string& json) {
  reply_->Write(absl::StrCat("data: ", json, "\n\n"));
}

}  // namespace recycling::gateway
