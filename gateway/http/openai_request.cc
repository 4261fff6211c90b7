#include "gateway/http/openai_request.h"

#include <algorithm>
#include <array>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/chat/chat_template.h"
#include "common/chat/json.h"
#include "gateway/http/json_fields.h"
#include "gateway/http/openai_error.h"

namespace recycling::gateway {
namespace {

constexpr std::int64_t kMostTokens = std::numeric_limits<std::int32_t>::max();
constexpr float kDefaultTemperature = 0.8f;
constexpr std::int64_t kMostTopLogprobs = 20;
constexpr std::size_t kMostPrompts = 128;

// Fields that other servers take and this one does not.
absl::Status CheckSupported(const JsonFields& fields) {
  for (const std::string_view name : {"functions", "function_call", "audio"}) {
    if (fields.Has(name)) return UnsupportedField(name, "is not supported");
  }
  for (const std::string_view name : {"n", "best_of"}) {
    ASSIGN_OR_RETURN(const auto count, fields.Integer(name, 1, kMostTokens));
    if (count.value_or(1) != 1) {
      return UnsupportedField(name, absl::StrCat("got ", *count, ", only 1 is supported"));
    }
  }
  return absl::OkStatus();
}

template <typename Target>
absl::Status SetFloat(const JsonFields& fields, std::string_view name, Target* target) {
  ASSIGN_OR_RETURN(const auto number, fields.Number(name));
  if (number.has_value()) *target = static_cast<float>(*number);
  return absl::OkStatus();
}

absl::Status SetLogitBias(const JsonFields& fields, SamplingOptions& sampling) {
  ASSIGN_OR_RETURN(const auto biases, fields.Object("logit_bias"));
  if (!biases.has_value()) return absl::OkStatus();
  RETURN_IF_ERROR(CheckBiasCount(biases->value().dict()->entries().size()));
  for (const chat::Dict::Entry& entry : biases->value().dict()->entries()) {
    const std::string& name = entry.key.text()->bytes();
    std::uint32_t id = 0;
    if (!absl::SimpleAtoi(name, &id)) {
      return InvalidField("logit_bias",
                          absl::StrCat("got the key \"", name, "\", expected a token id"));
    }
    ASSIGN_OR_RETURN(const auto bias, biases->Number(name));
    sampling.logit_bias.emplace_back(id, static_cast<float>(bias.value_or(0)));
  }
  return absl::OkStatus();
}

absl::Status SetSampling(const JsonFields& fields, SamplingOptions& sampling) {
  sampling.temperature = kDefaultTemperature;
  RETURN_IF_ERROR(SetFloat(fields, "temperature", &sampling.temperature));
  RETURN_IF_ERROR(SetFloat(fields, "top_p", &sampling.top_p));
  RETURN_IF_ERROR(SetFloat(fields, "min_p", &sampling.min_p));
  RETURN_IF_ERROR(SetFloat(fields, "presence_penalty", &sampling.presence_penalty));
  RETURN_IF_ERROR(SetFloat(fields, "frequency_penalty", &sampling.frequency_penalty));
  RETURN_IF_ERROR(SetFloat(fields, "repeat_penalty", &sampling.repetition_penalty));
  // Other servers read -1 as "all".
  ASSIGN_OR_RETURN(const auto top_k, fields.Integer("top_k", -1, kMostTokens));
  sampling.top_k = static_cast<std::uint32_t>(std::max<std::int64_t>(top_k.value_or(0), 0));
  ASSIGN_OR_RETURN(const auto min_tokens, fields.Integer("min_tokens", 0, kMostTokens));
  sampling.min_tokens = static_cast<std::uint32_t>(min_tokens.value_or(0));
  // Other servers read a negative seed as "choose one".
  ASSIGN_OR_RETURN(const auto seed,
                   fields.Integer("seed", -1, std::numeric_limits<std::int64_t>::max()));
  if (seed.value_or(-1) >= 0) sampling.seed = static_cast<std::uint64_t>(*seed);
  ASSIGN_OR_RETURN(const auto ignore_eos, fields.Bool("ignore_eos"));
  sampling.ignore_eos = ignore_eos.value_or(false);
  for (const std::string_view name : {"max_tokens", "max_completion_tokens"}) {
    ASSIGN_OR_RETURN(const auto tokens, fields.Integer(name, 1, kMostTokens));
    if (tokens.has_value()) sampling.max_tokens = static_cast<std::uint32_t>(*tokens);
  }
  return SetLogitBias(fields, sampling);
}

absl::StatusOr<std::string> JsonOf(std::string_view param, const chat::Value& value) {
  chat::Budget budget({});
  const auto text = chat::DumpJson(value, {}, budget);
  if (!text.ok()) return InvalidField(param, std::string(text.status().message()));
  return text->bytes();
}

// The schema of response_format. Nothing for the type "text".
absl::StatusOr<std::optional<std::string>> SchemaOf(const JsonFields& format) {
  ASSIGN_OR_RETURN(const auto type, format.Text("type"));
  if (type.value_or("text") == "text") return std::nullopt;
  if (*type == "json_object") {
    if (const chat::Value* schema = format.Find("schema"))
      return JsonOf("response_format", *schema);
    return std::string(R"({"type":"object"})");
  }
  if (*type != "json_schema") {
    return UnsupportedField(
        "response_format",
        absl::StrCat("got the type \"", *type, "\", expected text, json_object or json_schema"));
  }
  ASSIGN_OR_RETURN(const auto named, format.Object("json_schema"));
  const chat::Value* schema = named.has_value() ? named->Find("schema") : nullptr;
  if (schema == nullptr) {
    return InvalidField("response_format", "the type \"json_schema\" needs json_schema.schema");
  }
  return JsonOf("response_format", *schema);
}

// response_format, and llama.cpp's json_schema and grammar.
absl::Status SetConstraint(const JsonFields& fields, SamplingOptions& sampling) {
  using Kind = TextConstraint::Kind;
  std::vector<TextConstraint> constraints;
  ASSIGN_OR_RETURN(const auto format, fields.Object("response_format"));
  if (format.has_value()) {
    ASSIGN_OR_RETURN(auto schema, SchemaOf(*format));
    if (schema.has_value()) constraints.push_back({Kind::kJsonSchema, *std::move(schema)});
  }
  if (const chat::Value* schema = fields.Find("json_schema")) {
    ASSIGN_OR_RETURN(std::string text, JsonOf("json_schema", *schema));
    constraints.push_back({Kind::kJsonSchema, std::move(text)});
  }
  ASSIGN_OR_RETURN(auto grammar, fields.Text("grammar"));
  if (grammar.has_value()) constraints.push_back({Kind::kGrammar, *std::move(grammar)});
  if (constraints.size() > 1) {
    return InvalidField("response_format",
                        "got several of response_format, json_schema and grammar, expected one");
  }
  if (!constraints.empty()) sampling.constraint = std::move(constraints[0]);
  return absl::OkStatus();
}

constexpr std::array<std::pair<std::string_view, Speculation>, 4> kModes = {
    {{"auto", Speculation::kAuto},
     {"fixed", Speculation::kFixed},
     {"full", Speculation::kFull},
     {"off", Speculation::kOff}}};
constexpr std::array<std::pair<std::string_view, MatrixScope>, 3> kScopes = {
    {{"request", MatrixScope::kRequest},
     {"tenant", MatrixScope::kTenant},
     {"shared", MatrixScope::kShared}}};

// The value that `text` names.
template <typename Names>
absl::StatusOr<typename Names::value_type::second_type> Choice(std::string_view param,
                                                               const std::string& text,
                                                               const Names& names) {
  std::string expected;
  for (const auto& [name, value] : names) {
    if (name == text) return value;
    absl::StrAppend(&expected, expected.empty() ? "" : ", ", std::string(name));
  }
  return InvalidField(param, absl::StrCat("got \"", text, "\", expected one of ", expected));
}

absl::Status SetSpeculation(const JsonFields& fields, GenerateOptions& options) {
  ASSIGN_OR_RETURN(const auto speculation, fields.Object("speculation"));
  if (!speculation.has_value()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const auto mode, speculation->Text("mode"));
  if (mode.has_value()) {
    ASSIGN_OR_RETURN(options.speculation, Choice("speculation.mode", *mode, kModes));
  }
  ASSIGN_OR_RETURN(const auto scope, speculation->Text("scope"));
  if (scope.has_value()) {
    ASSIGN_OR_RETURN(options.scope, Choice("speculation.scope", *scope, kScopes));
  }
  ASSIGN_OR_RETURN(const auto nodes, speculation->Integer("nodes", 0, kMostTokens));
  if (nodes.has_value()) options.node_budget = static_cast<std::uint32_t>(*nodes);
  ASSIGN_OR_RETURN(const auto trace, speculation->Bool("trace"));
  options.trace = trace.value_or(false);
  return absl::OkStatus();
}

// The fields that both kinds of completions have.
absl::StatusOr<OpenAiRequest> ParseCommon(const JsonFields& fields) {
  RETURN_IF_ERROR(CheckSupported(fields));
  OpenAiRequest request;
  ASSIGN_OR_RETURN(const auto model, fields.Text("model"));  // any name is taken
  RETURN_IF_ERROR(SetSampling(fields, request.options.sampling));
  RETURN_IF_ERROR(SetConstraint(fields, request.options.sampling));
  RETURN_IF_ERROR(SetSpeculation(fields, request.options));
  ASSIGN_OR_RETURN(request.options.stop, fields.Texts("stop"));
  RETURN_IF_ERROR(CheckStops(request.options.stop));
  request.options.fill_context = true;
  ASSIGN_OR_RETURN(const auto stream, fields.Bool("stream"));
  request.stream = stream.value_or(false);
  ASSIGN_OR_RETURN(const auto stream_options, fields.Object("stream_options"));
  if (stream_options.has_value()) {
    ASSIGN_OR_RETURN(const auto include_usage, stream_options->Bool("include_usage"));
    request.include_usage = include_usage.value_or(false);
  }
  return request;
}

// The text of a content that is a list of parts.
absl::StatusOr<chat::MarkedText> JoinParts(const std::string& param, const chat::List& parts) {
  chat::MarkedText text;
  for (std::size_t i = 0; i < parts.items.size(); ++i) {
    const chat::Dict* part = parts.items[i].dict();
    const chat::Value* type = part == nullptr ? nullptr : part->Find("type");
    if (type == nullptr || !type->is_text()) {
      return InvalidField(param, absl::StrCat("part ", i, " has no type"));
    }
    if (type->text()->bytes() != "text") {
      return UnsupportedField(param, absl::StrCat("got a part of type \"", type->text()->bytes(),
                                                  "\", only \"text\" is supported"));
    }
    const chat::Value* content = part->Find("text");
    if (content == nullptr || !content->is_text()) {
      return InvalidField(param, absl::StrCat("part ", i, " has no text"));
    }
    if (i > 0) text.Append("\n", true);
    text.Append(*content->text());
  }
  return text;
}

// The calls with their arguments as JSON, not as a text of JSON, because templates expect that.
chat::Value WithParsedArguments(const chat::Value& calls) {
  std::vector<chat::Value> parsed;
  for (const chat::Value& call : calls.list()->items) {
    const chat::Value* function = call.dict() == nullptr ? nullptr : call.dict()->Find("function");
    const chat::Value* arguments = function == nullptr || function->dict() == nullptr
                                       ? nullptr
                                       : function->dict()->Find("arguments");
    if (arguments == nullptr || !arguments->is_text()) {
      parsed.push_back(call);
      continue;
    }
    const auto value = chat::ParseJson(arguments->text()->bytes(), true);
    if (!value.ok() || value->dict() == nullptr) {
      parsed.push_back(call);
      continue;
    }
    const auto new_function = std::make_shared<chat::Dict>(*function->dict());
    new_function->Set(chat::Value::Text("arguments"), *value);
    const auto new_call = std::make_shared<chat::Dict>(*call.dict());
    new_call->Set(chat::Value::Text("function"), chat::Value::Of(new_function, true));
    parsed.push_back(chat::Value::Of(new_call, true));
  }
  return chat::Value::Of(chat::List::Make(std::move(parsed)), true);
}

absl::StatusOr<chat::Value> ParseMessage(const chat::Value& value, const std::string& param) {
  if (value.dict() == nullptr) return InvalidField(param, "expected an object");
  const auto message = std::make_shared<chat::Dict>(*value.dict());
  const chat::Value* role = message->Find("role");
  if (role == nullptr || !role->is_text()) {
    return InvalidField(absl::StrCat(param, ".role"), "expected a string");
  }
  std::string name = role->text()->bytes();
  if (name == "developer") name = "system";
  if (name != "system" && name != "user" && name != "assistant" && name != "tool") {
    return InvalidField(
        absl::StrCat(param, ".role"),
        absl::StrCat("got \"", name, "\", expected system, developer, user, assistant or tool"));
  }
  message->Set(chat::Value::Text("role"), chat::Value::Text(name));
  const chat::Value* calls = message->Find("tool_calls");
  if (calls != nullptr && !calls->is_none() && calls->list() == nullptr) {
    return InvalidField(absl::StrCat(param, ".tool_calls"), "expected a list");
  }
  if (calls != nullptr && calls->list() != nullptr)
    message->Set(chat::Value::Text("tool_calls"), WithParsedArguments(*calls));
  const std::string content_param = absl::StrCat(param, ".content");
  const chat::Value* content = message->Find("content");
  if (content == nullptr || content->is_none()) {
    if (name != "assistant") {
      return InvalidField(content_param, "expected a string or a list of parts");
    }
    // Clients send null beside calls. Many templates would print it as "None" or fail.
    message->Set(chat::Value::Text("content"), chat::Value::Text(chat::MarkedText("", true)));
  } else if (content->list() != nullptr) {
    ASSIGN_OR_RETURN(chat::MarkedText text, JoinParts(content_param, *content->list()));
    message->Set(chat::Value::Text("content"), chat::Value::Text(std::move(text)));
  } else if (!content->is_text()) {
    return InvalidField(content_param, "expected a string or a list of parts");
  }
  return chat::Value::Of(message, true);
}

absl::StatusOr<ChatPrompt> ParseChatPrompt(const JsonFields& fields) {
  ChatPrompt prompt;
  const chat::Value* messages = fields.Find("messages");
  if (messages == nullptr || messages->list() == nullptr || messages->list()->items.empty()) {
    return InvalidField("messages", "expected a list with at least one message");
  }
  std::vector<chat::Value> parsed;
  for (std::size_t i = 0; i < messages->list()->items.size(); ++i) {
    ASSIGN_OR_RETURN(chat::Value message,
                     ParseMessage(messages->list()->items[i], absl::StrCat("messages[", i, "]")));
    parsed.push_back(std::move(message));
  }
  prompt.messages = chat::Value::Of(chat::List::Make(std::move(parsed)), true);
  const chat::Value* choice = fields.Find("tool_choice");
  bool with_tools = true;
  if (choice != nullptr) {
    const std::string name = choice->is_text() ? choice->text()->bytes() : "";
    if (name != "auto" && name != "none") {
      return UnsupportedField("tool_choice", "only \"auto\" and \"none\" are supported");
    }
    with_tools = name == "auto";
  }
  if (const chat::Value* tools = fields.Find("tools")) {
    if (tools->list() == nullptr) return InvalidField("tools", "expected a list");
    if (with_tools && !tools->list()->items.empty()) prompt.tools = *tools;
  }
  ASSIGN_OR_RETURN(const auto arguments, fields.Object("chat_template_kwargs"));
  if (arguments.has_value()) prompt.arguments = arguments->value();
  ASSIGN_OR_RETURN(const auto continues, fields.Bool("continue_final_message"));
  prompt.continue_final_message = continues.value_or(false);
  ASSIGN_OR_RETURN(const auto adds, fields.Bool("add_generation_prompt"));
  prompt.add_generation_prompt = adds.value_or(!prompt.continue_final_message);
  return prompt;
}

using Prompt = decltype(GenerateOptions::prompt);

absl::Status NoPrompt() {
  return InvalidField("prompt", "expected a string, a list of token ids, or a list of these");
}

// A prompt of a completion: a text or a list of token ids.
absl::StatusOr<Prompt> ParsePrompt(const chat::Value& prompt) {
  if (prompt.is_text()) return Prompt(prompt.text()->bytes());
  if (prompt.list() == nullptr) return NoPrompt();
  std::vector<TokenId> ids;
  for (const chat::Value& item : prompt.list()->items) {
    if (!item.is_int() || item.integer() < 0 || item.integer() > kMostTokens) {
      return InvalidField("prompt", "expected only token ids in a list of them");
    }
    ids.push_back(static_cast<TokenId>(item.integer()));
  }
  return Prompt(std::move(ids));
}

}  // namespace

absl::StatusOr<OpenAiRequest> ParseChatCompletion(std::string_view body) {
  ASSIGN_OR_RETURN(const JsonFields fields, JsonFields::Parse(body));
  ASSIGN_OR_RETURN(OpenAiRequest request, ParseCommon(fields));
  ASSIGN_OR_RETURN(request.options.prompt, ParseChatPrompt(fields));
  ASSIGN_OR_RETURN(const auto logprobs, fields.Bool("logprobs"));
  ASSIGN_OR_RETURN(const auto top, fields.Integer("top_logprobs", 0, kMostTopLogprobs));
  if (top.value_or(0) > 0 && !logprobs.value_or(false)) {
    return InvalidField("top_logprobs", "needs logprobs to be true");
  }
  request.logprobs = logprobs.value_or(false);
  if (request.logprobs) {
    request.options.sampling.top_logprobs = static_cast<std::uint32_t>(top.value_or(0));
  }
  return request;
}

absl::StatusOr<OpenAiRequest> ParseCompletion(std::string_view body) {
  ASSIGN_OR_RETURN(const JsonFields fields, JsonFields::Parse(body));
  ASSIGN_OR_RETURN(OpenAiRequest request, ParseCommon(fields));
  ASSIGN_OR_RETURN(const auto echo, fields.Bool("echo"));
  if (echo.value_or(false)) return UnsupportedField("echo", "is not supported");
  if (fields.Has("suffix")) return UnsupportedField("suffix", "is not supported");
  ASSIGN_OR_RETURN(const auto top, fields.Integer("logprobs", 0, kMostTopLogprobs));
  request.logprobs = top.has_value();
  if (top.has_value()) request.options.sampling.top_logprobs = static_cast<std::uint32_t>(*top);
  const chat::Value* prompt = fields.Find("prompt");
  if (prompt == nullptr) return NoPrompt();
  const chat::List* list = prompt->list();
  if (list == nullptr || list->items.empty() || list->items[0].is_int()) {
    ASSIGN_OR_RETURN(request.options.prompt, ParsePrompt(*prompt));
    return request;
  }
  if (list->items.size() > kMostPrompts) {
    return InvalidField("prompt", absl::StrCat("got ", list->items.size(),
                                               " prompts, expected at most ", kMostPrompts));
  }
  ASSIGN_OR_RETURN(request.options.prompt, ParsePrompt(list->items[0]));
  for (std::size_t i = 1; i < list->items.size(); ++i) {
    ASSIGN_OR_RETURN(Prompt more, ParsePrompt(list->items[i]));
    request.more_prompts.push_back(std::move(more));
  }
  return request;
}

absl::StatusOr<ChatPrompt> ParseConversation(std::string_view body) {
  ASSIGN_OR_RETURN(const JsonFields fields, JsonFields::Parse(body));
  return ParseChatPrompt(fields);
}

}  // namespace recycling::gateway
