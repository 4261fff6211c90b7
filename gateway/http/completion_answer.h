// Sends the outputs of requests as one answer of the OpenAI API.
#ifndef RECYCLING_GATEWAY_HTTP_COMPLETION_ANSWER_H_
#define RECYCLING_GATEWAY_HTTP_COMPLETION_ANSWER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/base/mutex.h"
#include "gateway/fleet/served_model.h"
#include "gateway/front/output_sink.h"
#include "gateway/http/http_server.h"
#include "gateway/http/openai_answer.h"
#include "gateway/http/openai_request.h"

namespace recycling::gateway {

// A stream of events, or one JSON object. It has one choice for each prompt. Threads: any.
class CompletionAnswer : public std::enable_shared_from_this<CompletionAnswer> {
 public:
  // `headers` are part of every answer. `model` is the served model; it is called once a request
  // has begun. `created` is the time of the request.
  CompletionAnswer(std::shared_ptr<HttpReply> reply, bool chat, HttpHeaders headers,
                   std::function<std::shared_ptr<const ServedModel>()> model, absl::Time created);

  // The sink of the choice with this index. Each choice must have one, whose End is called. Call
  // this for choice 0 first. Call it for the others after Asked and before choice 0 has begun.
  std::shared_ptr<OutputSink> Choice(int index);

  // How the client wants its answer. Called before any choice has begun.
  void Asked(const OpenAiRequest& request);

 private:
  class Sink;

  // What a choice needs to write its events.
  struct Style {
    AnswerHead head;
    TokenTextFn token_text;
    bool stream = false;
    bool logprobs = false;
  };

  // A choice begins. The first one begins the answer.
  Style Begin(const std::string& request_id);
  // A choice has ended without an error.
  void Finish(int index, AnswerChoice choice, const OutputSummary& summary);
  // A choice has ended. The last one ends the answer.
  void End(const absl::Status& status);

  void Event(const std::string& json);
  // Tells all choices that the client has left.
  void CallGone();
  // Sends an answer that is no stream.
  void Send(HttpAnswer answer) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::shared_ptr<HttpReply> reply_;
  const std::function<std::shared_ptr<const ServedModel>()> model_;

  Mutex mutex_;
  HttpHeaders headers_ ABSL_GUARDED_BY(mutex_);
  Style style_ ABSL_GUARDED_BY(mutex_);
  bool include_usage_ ABSL_GUARDED_BY(mutex_) = false;
  bool started_ ABSL_GUARDED_BY(mutex_) = false;
  std::size_t open_ ABSL_GUARDED_BY(mutex_) = 1;               // choices that have not ended
  absl::Status error_ ABSL_GUARDED_BY(mutex_);                 // the first one
  std::vector<AnswerChoice> choices_ ABSL_GUARDED_BY(mutex_);  // of an answer that is no stream
  AnswerTotals totals_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::function<void()>> gone_ ABSL_GUARDED_BY(mutex_);  // by choice
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_HTTP_COMPLETION_ANSWER_H_
