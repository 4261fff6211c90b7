#include "gateway/http/openai_answer.h"

#include <initializer_list>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "common/tokenizer/utf8.h"

namespace recycling::gateway {
namespace {

using Json = nlohmann::ordered_json;

std::string Line(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// The text of `object`, which is not empty, with further members, whose values are JSON.
std::string WithMembers(const Json& object,
                        std::initializer_list<std::pair<const char*, std::string>> members) {
  std::string text = Line(object);
  text.pop_back();
  for (const auto& [name, value] : members) absl::StrAppend(&text, ",\"", name, "\":", value);
  return text + "}";
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

// A chunk with one choice.
Json Chunk(const AnswerHead& head, int index, Json delta, const Json& finish_reason) {
  Json choice = {{"index", index}};
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

// One list or more, by name.
Json Logprobs(bool chat, const std::vector<TokenLogprob>& logprobs, const TokenTextFn& token_text) {
  return chat ? ChatLogprobs(logprobs, token_text) : CompletionLogprobs(logprobs, token_text);
}

const char* ReasonText(FinishReason reason) {
  return reason == FinishReason::kLength ? "length" : "stop";
}

Json UsageOf(const AnswerTotals& totals) {
  const SpeculationStats& speculation = totals.speculation;
  return {
      {"prompt_tokens", totals.prompt_tokens},
      {"completion_tokens", totals.completion_tokens},
      {"total_tokens", totals.prompt_tokens + totals.completion_tokens},
      {"prompt_tokens_details", {{"cached_tokens", totals.cached_prompt_tokens}}},
      {"completion_tokens_details",
       {{"accepted_prediction_tokens", speculation.accepted_tokens},
        {"rejected_prediction_tokens", speculation.draft_tokens - speculation.accepted_tokens}}}};
}

double PerSecond(std::uint64_t count, absl::Duration time) {
  return time > absl::ZeroDuration() ? static_cast<double>(count) / absl::ToDoubleSeconds(time) : 0;
}

Json TimingsOf(const AnswerTotals& totals) {
  const std::uint64_t prompt = totals.prompt_tokens - totals.cached_prompt_tokens;
  Json timings = {{"prompt_n", prompt},
                  {"prompt_ms", absl::ToDoubleMilliseconds(totals.prefill)},
                  {"prompt_per_second", PerSecond(prompt, totals.prefill)},
                  {"predicted_n", totals.completion_tokens},
                  {"predicted_ms", absl::ToDoubleMilliseconds(totals.decode)},
                  {"predicted_per_second", PerSecond(totals.completion_tokens, totals.decode)},
                  {"draft_n", totals.speculation.draft_tokens},
                  {"draft_n_accepted", totals.speculation.accepted_tokens}};
  if (const auto plain = totals.speculation.plain_step; plain.has_value()) {
    timings["plain_per_second_estimate"] = PerSecond(1, *plain);
  }
  return timings;
}

Json SourceNames(DraftSourceSet set) {
  Json names = Json::array();
  for (std::size_t s = 0; s < kDraftSources; ++s) {
    const auto source = static_cast<DraftSource>(s);
    if ((set & SetOf(source)) != 0) names.push_back(DraftSourceName(source));
  }
  return names;
}

Json Trace(const StepTrace& trace) {
  Json pieces = Json::array();
  for (const std::string& piece : trace.pieces) pieces.push_back(ReplaceInvalidUtf8(piece));
  Json sources = Json::array();
  for (const DraftSourceSet set : trace.tree.sources) sources.push_back(SourceNames(set));
  return {{"parents", trace.tree.parents},
          {"tokens", trace.tree.tokens},
          {"pieces", std::move(pieces)},
          {"sources", std::move(sources)},
          {"probabilities", trace.tree.probabilities},
          {"accepted", trace.accepted_nodes},
          {"next", trace.next}};
}

}  // namespace

void AnswerTotals::Add(const OutputSummary& summary) {
  const DecodeOutcome& outcome = summary.outcome;
  prompt_tokens += summary.prompt_tokens;
  cached_prompt_tokens += outcome.cached_prompt_tokens;
  completion_tokens += outcome.completion_tokens;
  prefill += outcome.timings.prefill;
  decode += outcome.timings.decode;
  speculation.Add(outcome.speculation);
}

std::string RoleChunk(const AnswerHead& head) {
  return Line(Chunk(head, 0, {{"role", "assistant"}, {"content", ""}}, nullptr));
}

std::string DeltaChunk(const AnswerHead& head, int index, const chat::AnswerParts& parts,
                       const OutputDelta& delta, bool logprobs, const TokenTextFn& token_text) {
  Json text = Json::object();
  if (!parts.thinking.empty()) text["reasoning_content"] = parts.thinking;
  if (!parts.content.empty() || parts.thinking.empty()) text["content"] = parts.content;
  Json chunk = Chunk(head, index, std::move(text), nullptr);
  if (logprobs) chunk["choices"][0]["logprobs"] = Logprobs(head.chat, delta.logprobs, token_text);
  if (delta.trace.has_value()) chunk["speculation"] = Trace(*delta.trace);
  return Line(chunk);
}

std::string FinishChunk(const AnswerHead& head, int index, FinishReason reason) {
  return Line(Chunk(head, index, Json::object(), ReasonText(reason)));
}

std::string UsageChunk(const AnswerHead& head, const AnswerTotals& totals) {
  Json chunk = Object(head, true);
  chunk["choices"] = Json::array();
  chunk["usage"] = UsageOf(totals);
  chunk["timings"] = TimingsOf(totals);
  return Line(chunk);
}

WholeChoice::WholeChoice(bool chat, int index, TokenTextFn token_text)
    : chat_(chat), index_(index), token_text_(std::move(token_text)) {
  Add({}, {});  // a choice without tokens has empty lists
}

void WholeChoice::Add(const chat::AnswerParts& parts, const std::vector<TokenLogprob>& logprobs) {
  text_.thinking += parts.thinking;
  text_.content += parts.content;
  bytes_ += parts.thinking.size() + parts.content.size();
  if (token_text_ == nullptr) return;
  const Json lists = Logprobs(chat_, logprobs, token_text_);
  logprobs_.resize(lists.size());
  auto list = logprobs_.begin();
  for (const auto& [name, values] : lists.items()) {
    const std::string text = Line(values);
    const std::size_t before = list->items.size();
    list->name = name;
    if (!values.empty()) {
      absl::StrAppend(&list->items, before == 0 ? "" : ",", text.substr(1, text.size() - 2));
    }
    bytes_ += list->items.size() - before;
    ++list;
  }
}

std::string WholeChoice::End(FinishReason reason) {
  Json json = {{"index", index_}};
  if (chat_) {
    json["message"] = {{"role", "assistant"}, {"content", std::move(text_.content)}};
    if (!text_.thinking.empty()) {
      json["message"]["reasoning_content"] = std::move(text_.thinking);
    }
  } else {
    json["text"] = std::move(text_.content);
  }
  json["finish_reason"] = ReasonText(reason);
  std::string logprobs;
  for (const NamedList& list : std::exchange(logprobs_, {})) {
    absl::StrAppend(&logprobs, logprobs.empty() ? "{" : ",", Line(list.name), ":[", list.items,
                    "]");
  }
  return WithMembers(json, {{"logprobs", logprobs.empty() ? "null" : logprobs + "}"}});
}

std::string WholeAnswer(const AnswerHead& head, const std::vector<std::string>& choices,
                        const AnswerTotals& totals) {
  return WithMembers(Object(head, false),
                     {{"choices", absl::StrCat("[", absl::StrJoin(choices, ","), "]")},
                      {"usage", Line(UsageOf(totals))},
                      {"timings", Line(TimingsOf(totals))}});
}

}  // namespace recycling::gateway
