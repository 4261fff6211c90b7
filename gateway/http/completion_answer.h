// Sends the outputs of requests as one answer of the OpenAI API.
#ifndef RECYCLING_GATEWAY_HTTP_COMPLETION_ANSWER_H_
#define RECYCLING_GATEWAY_HTTP_COMPLETION_ANSWER_H_

#include <cstddef>
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

// A stream of events, or one JSON object. It has one choice for each prompt. If a choice fails, the
// others are stopped, and the answer ends with the error of the first. Threads: any.
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

  // What a choice needs to know.
  struct Style {
    AnswerHead head;
    TokenTextFn token_text;
    bool stream = false;
    bool logprobs = false;
  };

  struct Parts {
    HttpHeaders headers;
    Style style;
    bool include_usage = false;
    bool started = false;             // a choice has begun
    std::vector<std::string> wholes;  // JSON by choice, of an answer that is no stream
    AnswerTotals totals;
  };

  // A choice begins. The first one begins the answer.
  Style Begin(const std::string& request_id);
  // The choices of an answer that is no stream have grown by `bytes`. Fails if they are too large.
  void Grow(std::size_t bytes);
  // A choice has ended without an error. `whole` is its JSON in an answer that is no stream.
  void Finish(int index, std::string whole, const OutputSummary& summary);
  // A choice has ended. The last one ends the answer.
  void End(const absl::Status& status);

  // The answer will be the first error. Stops all choices.
  void Fail(const absl::Status& error);
  // Stops all choices.
  void Stop();
  // `stop` stops this choice. It is called at once if the choices have been stopped.
  void OnStop(int index, std::function<void()> stop);

  void Event(const std::string& json);

  const std::shared_ptr<HttpReply> reply_;
  const std::function<std::shared_ptr<const ServedModel>()> model_;

  Mutex mutex_;
  Parts parts_ ABSL_GUARDED_BY(mutex_);            // the last choice to end takes them
  std::size_t open_ ABSL_GUARDED_BY(mutex_) = 1;   // choices that have not ended
  std::size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;  // that Grow has counted
  absl::Status error_ ABSL_GUARDED_BY(mutex_);     // the first one
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::function<void()>> stops_ ABSL_GUARDED_BY(mutex_);  // by choice
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_HTTP_COMPLETION_ANSWER_H_
