#include "gateway/http/openai_answer.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "absl/time/time.h"
#include "common/tokenizer/utf8.h"

namespace recycling::gateway {
namespace {

using Json = nlohmann::ordered_json;

std::string Line(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json Object(const AnswerHead& head, bool is_chunk) {
  const char* object = !head.chat ? "text_completion"
                       : is_chunk ? "chat.completion.chunk"
                                  : "chat.completion";
  return {{"id", head.id},
          {"object", object},
          {"created", head.created},
          {"model", head.model},
          {"system_fingerprint", head.fingerprint}};
}

// A chunk with one choice, whose text is `text` if it is not null.
Json Chunk(const AnswerHead& head, Json delta, const Json& finish_reason) {
  Json choice = {{"index", 0}};
  if (head.chat) {
    choice["delta"] = std::move(delta);
  } else {
    choice["text"] = delta.contains("content") ? delta["content"] : Json("");
  }
  choice["logprobs"] = nullptr;
  choice["finish_reason"] = finish_reason;
  Json chunk = Object(head, true);
  chunk["choices"] = Json::array({std::move(choice)});
  return chunk;
}

Json Bytes(const std::string& text) {
  Json bytes = Json::array();
  for (const char byte : text) bytes.push_back(static_cast<unsigned char>(byte));
  return bytes;
}

Json ChatLogprobs(const std::vector<TokenLogprob>& logprobs, const TokenTextFn& token_text) {
  const auto entry = [&](TokenId token, float logprob) {
    const std::string text = token_text(token);
    return Json{{"token", ReplaceInvalidUtf8(text)}, {"logprob", logprob}, {"bytes", Bytes(text)}};
  };
  Json content = Json::array();
  for (const TokenLogprob& logprob : logprobs) {
    Json token = entry(logprob.token, logprob.logprob);
    token["top_logprobs"] = Json::array();
    for (const auto& [other, value] : logprob.top) {
      token["top_logprobs"].push_back(entry(other, value));
    }
    content.push_back(std::move(token));
  }
  return {{"content", std::move(content)}};
}

Json CompletionLogprobs(const std::vector<TokenLogprob>& logprobs, const TokenTextFn& token_text) {
  Json result = {{"tokens", Json::array()},
                 {"token_logprobs", Json::array()},
                 {"top_logprobs", Json::array()}};
  for (const TokenLogprob& logprob : logprobs) {
    result["tokens"].push_back(ReplaceInvalidUtf8(token_text(logprob.token)));
    result["token_logprobs"].push_back(logprob.logprob);
    Json top = Json::object();
    for (const auto& [other, value] : logprob.top)
      top[ReplaceInvalidUtf8(token_text(other))] = value;
    result["top_logprobs"].push_back(std::move(top));
  }
  return result;
}

Json Logprobs(const AnswerHead& head, const std::vector<TokenLogprob>& logprobs,
              const TokenTextFn& token_text) {
  return head.chat ? ChatLogprobs(logprobs, token_text) : CompletionLogprobs(logprobs, token_text);
}

const char* ReasonText(FinishReason reason) {
  return reason == FinishReason::kLength ? "length" : "stop";
}

Json UsageOf(const OutputSummary& summary) {
  const DecodeOutcome& outcome = summary.outcome;
  const SpeculationStats& speculation = outcome.speculation;
  return {
      {"prompt_tokens", summary.prompt_tokens},
      {"completion_tokens", outcome.completion_tokens},
      {"total_tokens", summary.prompt_tokens + outcome.completion_tokens},
      {"prompt_tokens_details", {{"cached_tokens", outcome.cached_prompt_tokens}}},
      {"completion_tokens_details",
       {{"accepted_prediction_tokens", speculation.accepted_tokens},
        {"rejected_prediction_tokens", speculation.draft_tokens - speculation.accepted_tokens}}}};
}

Json TimingsOf(const OutputSummary& summary) {
  const DecodeOutcome& outcome = summary.outcome;
  const double prompt_ms = absl::ToDoubleMilliseconds(outcome.timings.prefill);
  const double decode_ms = absl::ToDoubleMilliseconds(outcome.timings.decode);
  const auto per_second = [](double count, double ms) { return ms > 0 ? count * 1000 / ms : 0; };
  const std::uint32_t prompt = summary.prompt_tokens - outcome.cached_prompt_tokens;
  return {{"prompt_n", prompt},
          {"prompt_ms", prompt_ms},
          {"prompt_per_second", per_second(prompt, prompt_ms)},
          {"predicted_n", outcome.completion_tokens},
          {"predicted_ms", decode_ms},
          {"predicted_per_second", per_second(outcome.completion_tokens, decode_ms)},
          {"draft_n", outcome.speculation.draft_tokens},
          {"draft_n_accepted", outcome.speculation.accepted_tokens}};
}

Json Trace(const StepTrace& trace) {
  Json pieces = Json::array();
  for (const std::string& piece : trace.pieces) pieces.push_back(ReplaceInvalidUtf8(piece));
  Json sources = Json::array();
  for (const DraftSourceSet set : trace.tree.sources) sources.push_back(static_cast<unsigned>(set));
  return {{"parents", trace.tree.parents},
          {"tokens", trace.tree.tokens},
          {"pieces", std::move(pieces)},
          {"sources", std::move(sources)},
          {"probabilities", trace.tree.probabilities},
          {"accepted", trace.accepted_nodes},
          {"next", trace.next}};
}

}  // namespace

std::string RoleChunk(const AnswerHead& head) {
  return Line(Chunk(head, {{"role", "assistant"}, {"content", ""}}, nullptr));
}

std::string DeltaChunk(const AnswerHead& head, const OutputDelta& delta, bool logprobs,
                       const TokenTextFn& token_text) {
  Json chunk = Chunk(head, {{"content", delta.text}}, nullptr);
  if (logprobs) chunk["choices"][0]["logprobs"] = Logprobs(head, delta.logprobs, token_text);
  if (delta.trace.has_value()) chunk["speculation"] = Trace(*delta.trace);
  return Line(chunk);
}

std::string FinishChunk(const AnswerHead& head, FinishReason reason) {
  return Line(Chunk(head, Json::object(), ReasonText(reason)));
}

std::string UsageChunk(const AnswerHead& head, const OutputSummary& summary) {
  Json chunk = Object(head, true);
  chunk["choices"] = Json::array();
  chunk["usage"] = UsageOf(summary);
  chunk["timings"] = TimingsOf(summary);
  return Line(chunk);
}

std::string WholeAnswer(const AnswerHead& head, const std::string& text,
                        const std::vector<TokenLogprob>& logprobs, bool with_logprobs,
                        const TokenTextFn& token_text, const OutputSummary& summary) {
  Json choice = {{"index", 0}};
  if (head.chat) {
    choice["message"] = {{"role", "assistant"}, {"content", text}};
  } else {
    choice["text"] = text;
  }
  choice["logprobs"] = with_logprobs ? Logprobs(head, logprobs, token_text) : Json(nullptr);
  choice["finish_reason"] = ReasonText(summary.outcome.finish.reason);
  Json answer = Object(head, false);
  answer["choices"] = Json::array({std::move(choice)});
  answer["usage"] = UsageOf(summary);
  answer["timings"] = TimingsOf(summary);
  return Line(answer);
}

}  // namespace recycling::gateway
