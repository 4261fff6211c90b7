// Sends the output of a request as an answer of the OpenAI API.
#ifndef RECYCLING_GATEWAY_HTTP_HTTP_SINK_H_
#define RECYCLING_GATEWAY_HTTP_HTTP_SINK_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "gateway/fleet/served_model.h"
#include "gateway/front/output_sink.h"
#include "gateway/http/http_server.h"
#include "gateway/http/openai_answer.h"
#include "gateway/http/openai_request.h"

namespace recycling::gateway {

// A stream of events, or one JSON object. Threads: any.
class HttpSink final : public OutputSink {
 public:
  // `headers` are part of every answer. `model` is the served model; it is called once a request
  // has begun. `created` is the time of the request.
  HttpSink(std::shared_ptr<HttpReply> reply, bool chat, HttpHeaders headers,
           std::function<std::shared_ptr<const ServedModel>()> model, absl::Time created);

  // How the client wants its answer. Called before Start.
  void Asked(const OpenAiRequest& request);

  void Start(const OutputStart& start) override;
  void Show(const OutputDelta& delta) override;
  void Finish(const OutputSummary& summary) override;
  void End(const absl::Status& status) override;

  void OnGone(std::function<void()> gone) override { reply_->OnGone(std::move(gone)); }
  UnreadOutput Unread() const override { return reply_->Unread(); }
  bool Drop(const absl::Status&) override { return reply_->Drop(); }
  bool done() const override { return reply_->done(); }

 private:
  void Event(const std::string& json);
  // Sends an answer that is no stream.
  void Send(HttpAnswer answer);

  const std::shared_ptr<HttpReply> reply_;
  const HttpHeaders headers_;
  const std::function<std::shared_ptr<const ServedModel>()> model_;

  // One thread at a time calls Asked, Start, Show, Finish and End.
  AnswerHead head_;
  bool stream_ = false;
  bool include_usage_ = false;
  bool logprobs_ = false;
  bool started_ = false;
  TokenTextFn token_text_;
  std::string text_;  // of an answer that is no stream
  std::vector<TokenLogprob> text_logprobs_;
  std::string whole_;  // the answer
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_HTTP_HTTP_SINK_H_
