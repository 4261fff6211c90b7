#include "gateway/http/http_door.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/base/trace_context.h"
#include "common/tokenizer/utf8.h"
#include "gateway/front/request_caller.h"
#include "gateway/front/worker_pool.h"
#include "gateway/http/completion_answer.h"
#include "gateway/http/json_fields.h"
#include "gateway/http/openai_error.h"
#include "gateway/http/openai_request.h"
#include "gateway/http/page_files.h"

namespace recycling::gateway {
namespace {

using Json = nlohmann::ordered_json;

// Tokenize and its like have threads of their own, because streams must not wait for them.
constexpr int kShortThreads = 2;
constexpr int kMostShortCalls = 256;  // that wait or run
constexpr std::size_t kMostShortBytes = 128 << 10;
constexpr std::size_t kMostTextBytes = 64 << 10;
constexpr std::size_t kMostIds = 1 << 14;

struct Route {
  std::string_view method;
  std::string_view path;
};
constexpr std::array<Route, 7> kRoutes = {{{"POST", "/v1/chat/completions"},
                                           {"POST", "/v1/completions"},
                                           {"GET", "/v1/models"},
                                           {"GET", "/health"},
                                           {"POST", "/tokenize"},
                                           {"POST", "/detokenize"},
                                           {"POST", "/apply-template"}}};
// The page runs its own scripts alone, reaches no other host, and no other page can frame it.
constexpr std::string_view kPagePolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
constexpr std::string_view kModelPrefix = "/v1/models/";

std::string_view HostWithoutPort(std::string_view host) {
  if (host.starts_with('[')) return host.substr(0, host.find(']') + 1);
  return host.substr(0, host.find(':'));
}

// Whether `host` is an IPv4 address or an IPv6 address in brackets.
bool IsAddress(const std::string& host) {
  std::array<unsigned char, sizeof(in6_addr)> address;
  if (host.starts_with('[') && host.ends_with(']')) {
    return inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), address.data()) == 1;
  }
  return inet_pton(AF_INET, host.c_str(), address.data()) == 1;
}

bool IsLoopbackName(std::string_view host) {
  return host == "localhost" || host == "127.0.0.1" || host == "[::1]";
}

HttpAnswer JsonAnswer(const Json& json) {
  return {.headers = {}, .body = json.dump(-1, ' ', false, Json::error_handler_t::replace)};
}

const PageFile* FindPageFile(std::string_view path) {
  for (const PageFile& file : PageFiles()) {
    if (file.path == path) return &file;
  }
  return nullptr;
}

HttpAnswer PageAnswer(const PageFile& file) {
  return {.content_type = std::string(file.content_type),
          .headers = {{"Content-Security-Policy", std::string(kPagePolicy)},
                      {"Referrer-Policy", "no-referrer"},
                      {"Cache-Control", "no-cache"}},
          .body = std::string(file.bytes)};
}

TraceContext TraceOf(const HttpRequest& request) {
  const auto sender = TraceContext::Parse(request.traceparent);
  return sender.has_value() ? sender->Child() : TraceContext::Begin();
}

class Door final : public HttpDoor {
 public:
  Door(HttpDoorOptions options, std::shared_ptr<const CallerCheck> callers,
       std::function<bool()> ready, RequestRunner& runner, const Clock& clock)
      : cors_origin_(std::move(options.cors_origin)),
        listen_(options.server.listen),
        scheme_(options.server.tls.has_value() ? "https://" : "http://"),
        allowed_names_(options.server.tls.has_value() ? options.server.tls->allowed_names
                                                      : std::vector<std::string>()),
        callers_(callers == nullptr ? std::make_shared<const CallerCheck>() : std::move(callers)),
        ready_(std::move(ready)),
        runner_(runner),
        clock_(clock),
        started_(clock.Now()) {}

  absl::Status Serve(const HttpServerOptions& options) {
    ASSIGN_OR_RETURN(short_workers_, WorkerPool::Create(kShortThreads));
    HttpHandlers handlers;
    handlers.check = [this](const HttpRequest& head) { return Check(head); };
    handlers.handle = [this](HttpRequest request, std::shared_ptr<HttpReply> reply) {
      Handle(std::move(request), std::move(reply));
    };
    handlers.refuse = [](int status, const std::string& message) {
      return ErrorAnswer(status, message);
    };
    ASSIGN_OR_RETURN(server_, HttpServer::Start(options, std::move(handlers), clock_));
    return absl::OkStatus();
  }

  std::vector<std::string> urls() const override {
    std::vector<std::string> urls;
    for (const std::string& address : server_->addresses()) {
      urls.push_back(absl::StrCat(scheme_, address));
    }
    return urls;
  }

 private:
  // ---- Before the body is read

  std::optional<HttpAnswer> Check(const HttpRequest& head) {
    std::optional<HttpAnswer> refusal = Refusal(head);
    if (refusal.has_value()) refusal = WithCors(head, *std::move(refusal));
    return refusal;
  }

  // Whether the client's certificate has one of the names of --tls_allowed_names.
  bool HasAllowedName(const HttpRequest& head) const {
    return allowed_names_.empty() ||
           std::any_of(head.certificate_names.begin(), head.certificate_names.end(),
                       [this](const std::string& name) {
                         return absl::c_linear_search(allowed_names_, name);
                       });
  }

  std::optional<HttpAnswer> Refusal(const HttpRequest& head) {
    if (!HasAllowedName(head)) {
      return ErrorAnswer(403, "the client's certificate has no name that this server allows");
    }
    if (!callers_->has_keys()) {
      if (!KnowsHost(head.host)) {
        return ErrorAnswer(403, absl::StrCat("Host: got \"", head.host,
                                             "\", expected a loopback name, because this server "
                                             "has no API keys"));
      }
      if (head.origin.has_value() && !KnowsOrigin(*head.origin, head.host)) {
        return ErrorAnswer(403, absl::StrCat("Origin: got \"", *head.origin,
                                             "\", which may not call this server"));
      }
    }
    if (head.method == "OPTIONS" && !cors_origin_.empty()) {
      return HttpAnswer{.status = 204,
                        .headers = {{"Access-Control-Allow-Methods", "GET, POST"},
                                    {"Access-Control-Allow-Headers", AllowedHeaders(head)},
                                    {"Access-Control-Max-Age", "600"}},
                        .body = ""};
    }
    if (auto unknown = UnknownRoute(head)) return unknown;
    if (head.method == "POST") {
      const std::string_view type =
          std::string_view(head.content_type).substr(0, head.content_type.find(';'));
      if (!absl::EqualsIgnoreCase(std::string(absl::StripAsciiWhitespace(std::string(type))),
                                  "application/json")) {
        return ErrorAnswer(415, absl::StrCat("Content-Type: got \"", head.content_type,
                                             "\", expected application/json"));
      }
    }
    if (IsOpenToAll(head.path)) return std::nullopt;
    const auto caller = CallerOf(head);
    if (caller.ok()) return std::nullopt;
    runner_.CountNotAllowed(caller.status());
    return ErrorAnswer(caller.status());
  }

  // The page asks for a key itself.
  static bool IsOpenToAll(std::string_view path) {
    return path == "/health" || FindPageFile(path) != nullptr;
  }

  // HEAD is answered as GET is, without the body.
  static std::string_view MethodOf(const HttpRequest& head) {
    return head.method == "HEAD" ? "GET" : std::string_view(head.method);
  }

  std::optional<HttpAnswer> UnknownRoute(const HttpRequest& head) const {
    std::string allowed;
    for (const Route& route : kRoutes) {
      if (route.path != head.path) continue;
      if (route.method == MethodOf(head)) return std::nullopt;
      allowed = std::string(route.method);
    }
    if (head.path.starts_with(kModelPrefix) || FindPageFile(head.path) != nullptr) {
      if (MethodOf(head) == "GET") return std::nullopt;
      allowed = "GET";
    }
    if (allowed.empty()) {
      return ErrorAnswer(404, absl::StrCat("no such endpoint: ", head.method, " ", head.path));
    }
    HttpAnswer answer =
        ErrorAnswer(405, absl::StrCat(head.path, ": got ", head.method, ", expected ", allowed));
    answer.headers.emplace_back("Allow", allowed);
    return answer;
  }

  // The headers that a page asks to send, if they are names and not too many. Official clients send
  // some of their own.
  static std::string AllowedHeaders(const HttpRequest& head) {
    const std::string& asked = head.requested_headers;
    const bool plain = std::all_of(asked.begin(), asked.end(), [](char byte) {
      return absl::ascii_isalnum(static_cast<unsigned char>(byte)) || byte == '-' || byte == ',' ||
             byte == ' ';
    });
    constexpr std::size_t kMostBytes = 2000;
    if (asked.empty() || !plain || asked.size() > kMostBytes) return "authorization, content-type";
    return asked;
  }

  // An attack by DNS rebinding needs a name, so an address is harmless.
  bool KnowsHost(const std::string& host) const {
    const std::string name = absl::AsciiStrToLower(std::string(HostWithoutPort(host)));
    if (IsLoopbackName(name) || IsAddress(name)) return true;
    return std::any_of(listen_.begin(), listen_.end(), [&](const std::string& listen) {
      return absl::AsciiStrToLower(std::string(HostWithoutPort(listen))) == name;
    });
  }
  bool KnowsOrigin(const std::string& origin, const std::string& host) const {
    return origin == absl::StrCat(scheme_, host) ||
           (!cors_origin_.empty() && origin == cors_origin_);
  }
  HttpHeaders Cors(const HttpRequest& head) const {
    if (cors_origin_.empty() || head.origin != cors_origin_) return {};
    return {{"Access-Control-Allow-Origin", cors_origin_},
            {"Access-Control-Expose-Headers", "Retry-After, X-Request-Id"},
            {"Vary", "Origin, Access-Control-Request-Headers"}};
  }
  HttpAnswer WithCors(const HttpRequest& head, HttpAnswer answer) const {
    const HttpHeaders cors = Cors(head);
    answer.headers.insert(answer.headers.end(), cors.begin(), cors.end());
    return answer;
  }

  absl::StatusOr<Caller> CallerOf(const HttpRequest& request) const {
    const bool generates =
        request.path == "/v1/chat/completions" || request.path == "/v1/completions";
    return callers_->Check(
        {.authorization = request.authorization, .certificate_names = request.certificate_names},
        generates ? Access::kInference : Access::kAny);
  }

  // ---- With the body

  void Handle(HttpRequest request, std::shared_ptr<HttpReply> reply) {
    const auto caller = CallerOf(request);
    const bool chat = request.path == "/v1/chat/completions";
    if (chat || request.path == "/v1/completions") {
      if (!caller.ok()) return reply->Send(WithCors(request, ErrorAnswer(caller.status())));
      return Complete(std::move(request), chat, RequestCallerOf(*caller), std::move(reply));
    }
    if (request.path == "/health") {
      return reply->Send(WithCors(
          request, ready_() ? JsonAnswer({{"status", "ok"}})
                            : ErrorAnswer(absl::UnavailableError("no verifier is ready"))));
    }
    if (const PageFile* file = FindPageFile(request.path)) {
      return reply->Send(WithCors(request, PageAnswer(*file)));
    }
    if (!caller.ok()) return reply->Send(WithCors(request, ErrorAnswer(caller.status())));
    RunShort(std::move(request), RequestCallerOf(*caller), std::move(reply));
  }

  void RunShort(HttpRequest request, RequestCaller caller, std::shared_ptr<HttpReply> reply) {
    if (request.body.size() > kMostShortBytes) {
      return reply->Send(WithCors(request, ErrorAnswer(absl::InvalidArgumentError(absl::StrCat(
                                               "the body has ", request.body.size(),
                                               " bytes, expected at most ", kMostShortBytes)))));
    }
    if (short_calls_.fetch_add(1) >= kMostShortCalls) {
      --short_calls_;
      return reply->Send(WithCors(
          request, ErrorAnswer(absl::UnavailableError("too many short calls are waiting"))));
    }
    short_workers_->Submit([this, request = std::move(request), caller = std::move(caller),
                            reply = std::move(reply)] {
      const absl::StatusOr<Json> json = Short(request, caller);
      --short_calls_;
      reply->Send(WithCors(request, json.ok() ? JsonAnswer(*json) : ErrorAnswer(json.status())));
    });
  }

  void Complete(HttpRequest request, bool chat, const RequestCaller& caller,
                std::shared_ptr<HttpReply> reply) {
    const auto answer = std::make_shared<CompletionAnswer>(
        std::move(reply), chat, Cors(request), [&runner = runner_] { return *runner.Model(); },
        clock_.Now());
    const TraceContext trace = TraceOf(request);
    const std::size_t bytes = request.body.size();
    // A request may outlive this object, but not the runner.
    Run(runner_, bytes, trace, caller, answer->Choice(0),
        [&runner = runner_, answer, chat, trace, caller,
         body = std::move(request.body)]() -> absl::StatusOr<GenerateOptions> {
          ASSIGN_OR_RETURN(OpenAiRequest parsed,
                           chat ? ParseChatCompletion(body) : ParseCompletion(body));
          answer->Asked(parsed);
          auto first = std::move(parsed.options.prompt);
          parsed.options.prompt = {};
          for (std::size_t i = 0; i < parsed.more_prompts.size(); ++i) {
            GenerateOptions options = parsed.options;
            options.prompt = std::move(parsed.more_prompts[i]);
            // Each copy may be as large as the body.
            Run(runner, body.size(), trace, caller, answer->Choice(static_cast<int>(i) + 1),
                [options = std::move(options)] { return options; });
          }
          parsed.options.prompt = std::move(first);
          return std::move(parsed.options);
        });
  }

  static void Run(RequestRunner& runner, std::size_t bytes, const TraceContext& trace,
                  const RequestCaller& caller, std::shared_ptr<OutputSink> sink,
                  std::function<absl::StatusOr<GenerateOptions>()> read) {
    IncomingRequest incoming;
    incoming.bytes = bytes;
    incoming.trace = trace;
    incoming.read = std::move(read);
    incoming.request_id = [] { return std::string(); };
    runner.Run(std::move(incoming), caller, std::move(sink));
  }

  absl::StatusOr<Json> Short(const HttpRequest& request, const RequestCaller& caller) {
    ASSIGN_OR_RETURN(const auto call, runner_.BeginShort(caller));
    ASSIGN_OR_RETURN(const auto model, runner_.Model());
    if (request.path == "/tokenize") return Tokenize(request.body, *model);
    if (request.path == "/detokenize") return Detokenize(request.body, *model);
    if (request.path == "/apply-template") {
      ASSIGN_OR_RETURN(const ChatPrompt prompt, ParseConversation(request.body));
      ASSIGN_OR_RETURN(const RenderedPrompt rendered, runner_.Render(prompt, *model));
      return Json{{"prompt", rendered.text}};
    }
    const Json about = About(model->info);
    if (request.path == "/v1/models") {
      return Json{{"object", "list"}, {"data", Json::array({about})}};
    }
    const std::string id = request.path.substr(kModelPrefix.size());
    if (id == model->info.model.model_id) return about;
    return absl::NotFoundError(absl::StrCat("no model \"", id, "\" is served"));
  }

  Json About(const VerifierInfo& info) const {
    return {{"id", info.model.model_id},
            {"object", "model"},
            {"created", absl::ToUnixSeconds(started_)},
            {"owned_by", "recycling"},
            {"meta",
             {{"description", info.model_description},
              {"n_ctx", info.context_length},
              {"n_vocab", info.model.vocab_size}}}};
  }

  static absl::StatusOr<Json> Tokenize(const std::string& body, const ServedModel& model) {
    ASSIGN_OR_RETURN(const JsonFields fields, JsonFields::Parse(body));
    ASSIGN_OR_RETURN(const auto content, fields.Text("content"));
    if (!content.has_value()) return InvalidField("content", "expected a string");
    if (content->size() > kMostTextBytes) {
      return InvalidField("content", absl::StrCat("got ", content->size(),
                                                  " bytes, expected at most ", kMostTextBytes));
    }
    ASSIGN_OR_RETURN(const auto add_special, fields.Bool("add_special"));
    ASSIGN_OR_RETURN(const auto parse_special, fields.Bool("parse_special"));
    ASSIGN_OR_RETURN(
        const auto ids,
        model.tokenizer->Encode(*content, {.add_special = add_special.value_or(false),
                                           .parse_control = parse_special.value_or(true)}));
    return Json{{"tokens", ids}};
  }

  static absl::StatusOr<Json> Detokenize(const std::string& body, const ServedModel& model) {
    ASSIGN_OR_RETURN(const JsonFields fields, JsonFields::Parse(body));
    const chat::Value* tokens = fields.Find("tokens");
    if (tokens == nullptr || tokens->list() == nullptr || tokens->list()->items.size() > kMostIds) {
      return InvalidField("tokens",
                          absl::StrCat("expected a list of at most ", kMostIds, " token ids"));
    }
    std::vector<TokenId> ids;
    for (const chat::Value& item : tokens->list()->items) {
      if (!item.is_int() || item.integer() < 0 || item.integer() > 0x7FFFFFFF) {
        return InvalidField("tokens", "expected only token ids");
      }
      ids.push_back(static_cast<TokenId>(item.integer()));
    }
    ASSIGN_OR_RETURN(const std::string text, model.tokenizer->Decode(ids, true));
    return Json{{"content", ReplaceInvalidUtf8(text)}};
  }

  const std::string cors_origin_;
  const std::vector<std::string> listen_;
  const std::string scheme_;
  const std::vector<std::string> allowed_names_;  // empty: any
  const std::shared_ptr<const CallerCheck> callers_;
  const std::function<bool()> ready_;
  RequestRunner& runner_;
  const Clock& clock_;
  const absl::Time started_;
  std::atomic<int> short_calls_ = 0;
  std::unique_ptr<WorkerPool> short_workers_;
  std::unique_ptr<HttpServer> server_;  // last: its thread calls this object
};

}  // namespace

absl::StatusOr<std::unique_ptr<HttpDoor>> HttpDoor::Start(
    HttpDoorOptions options, std::shared_ptr<const CallerCheck> callers,
    std::function<bool()> ready, RequestRunner& runner, const Clock& clock) {
  const HttpServerOptions server = options.server;
  auto door = std::make_unique<Door>(std::move(options), std::move(callers), std::move(ready),
                                     runner, clock);
  RETURN_IF_ERROR(door->Serve(server));
  return door;
}

}  // namespace recycling::gateway
