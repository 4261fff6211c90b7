#include "gateway/http/http_sink.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "gateway/http/openai_error.h"

namespace recycling::gateway {

HttpSink::HttpSink(std::shared_ptr<HttpReply> reply, bool chat, HttpHeaders headers,
                   std::function<std::shared_ptr<const ServedModel>()> model, absl::Time created)
    : reply_(std::move(reply)), headers_(std::move(headers)), model_(std::move(model)) {
  head_.chat = chat;
  head_.created = absl::ToUnixSeconds(created);
}

void HttpSink::Asked(const OpenAiRequest& request) {
  stream_ = request.stream;
  include_usage_ = request.include_usage;
  logprobs_ = request.logprobs;
}

void HttpSink::Start(const OutputStart& start) {
  const auto model = model_();
  head_.id = absl::StrCat(head_.chat ? "chatcmpl-" : "cmpl-", start.request_id);
  head_.model = model->info.model.model_id;
  head_.fingerprint = absl::CHexEscape(model->info.numerics_id.substr(0, 16));
  token_text_ = [model](TokenId id) { return model->tokenizer->TokenBytes(id); };
  started_ = true;
  if (!stream_) return;
  HttpAnswer head{.content_type = "text/event-stream", .headers = headers_, .body = ""};
  head.headers.emplace_back("Cache-Control", "no-cache");
  head.headers.emplace_back("X-Accel-Buffering", "no");  // asks proxies not to collect chunks
  reply_->StartStream(std::move(head));
  if (head_.chat) Event(RoleChunk(head_));
}

void HttpSink::Show(const OutputDelta& delta) {
  if (stream_) {
    if (delta.text.empty() && !logprobs_ && !delta.trace.has_value()) return;
    Event(DeltaChunk(head_, delta, logprobs_, token_text_));
    return;
  }
  text_ += delta.text;
  if (logprobs_) {
    text_logprobs_.insert(text_logprobs_.end(), delta.logprobs.begin(), delta.logprobs.end());
  }
}

void HttpSink::Finish(const OutputSummary& summary) {
  if (stream_) {
    Event(FinishChunk(head_, summary.outcome.finish.reason));
    if (include_usage_) Event(UsageChunk(head_, summary));
    return;
  }
  whole_ = WholeAnswer(head_, text_, text_logprobs_, logprobs_, token_text_, summary);
}

void HttpSink::End(const absl::Status& status) {
  if (started_ && stream_) {
    if (!status.ok()) Event(ErrorJson(status));
    reply_->Write("data: [DONE]\n\n");
    reply_->End();
    return;
  }
  Send(status.ok() ? HttpAnswer{.headers = {}, .body = std::move(whole_)} : ErrorAnswer(status));
}

void HttpSink::Send(HttpAnswer answer) {
  answer.headers.insert(answer.headers.end(), headers_.begin(), headers_.end());
  reply_->Send(std::move(answer));
}

void HttpSink::Event(const std::string& json) {
  reply_->Write(absl::StrCat("data: ", json, "\n\n"));
}

}  // namespace recycling::gateway
