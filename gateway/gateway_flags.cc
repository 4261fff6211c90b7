#include "gateway/gateway_flags.h"

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/auth/api_keys.h"
#include "common/base/status_macros.h"
#include "common/chat/chat_template.h"
#include "common/program/choice_flag.h"
#include "common/program/server_flags.h"

namespace recycling::gateway {
namespace {

constexpr std::pair<absl::string_view, Speculation> kSpeculations[] = {
    {"auto", Speculation::kAuto},
    {"fixed", Speculation::kFixed},
    {"full", Speculation::kFull},
    {"off", Speculation::kOff}};

}  // namespace
}  // namespace recycling::gateway

ABSL_FLAG(
    int, max_requests, 64,
    "Number of requests that may run at the same time, 1 to 4096. Each runs on its own thread. "
    "If the ready verifiers have fewer slots together, fewer requests run. Other requests "
    "wait in the queue.");
ABSL_FLAG(
    int, max_queue, 256,
    "Number of requests that may wait in the queue, 0 to 65536. If one more comes, the gateway "
    "at once refuses the newest request of the tenant with the most waiting requests.");
ABSL_FLAG(absl::Duration, queue_timeout, absl::Seconds(30),
          "Longest time that a request waits in the queue, also while no verifier is ready. Then "
          "the gateway refuses it. If the deadline of the request is earlier, the request waits "
          "only until then.");
ABSL_FLAG(
    std::string, tenant_limits, "",
    "Limits of each tenant whose line in the key file gives none. The text has the same form as in "
    "the key file: \"concurrency=4 rate=5 burst=20\". Each part is optional. concurrency: number "
    "of requests that run at the same time; others wait. rate: requests per second; the gateway "
    "refuses more. burst: number of requests that may come at once after a pause; if it is not "
    "given, the requests of one second, at least 1. Empty: no limits.");
ABSL_FLAG(
    std::uint32_t, default_max_tokens, 512,
    "Largest number of output tokens of a request that does not set max_tokens. 0: as many as "
    "fit into the context. If the context has room for fewer tokens, the limit is that "
    "number.");
ABSL_FLAG(
    std::string, chat_template, "",
    "File with a chat template (Jinja2) to use in place of the one in the model file. The gateway "
    "writes the prompts of chat requests with it. Empty: the model file's.");
ABSL_FLAG(
    std::string, http_listen, "",
    "Address host:port of the chat page and the OpenAI-compatible API over HTTP. Port 0 picks a "
    "free port. auto: port 8080 on loopback, or a free port if 8080 is taken; the log shows it. "
    "With --tls_cert it is HTTPS. Otherwise another address than loopback needs --allow_plaintext. "
    "Without API keys the server refuses browsers' requests from other sites. Empty: no HTTP.");
ABSL_FLAG(std::string, http_cors_origin, "",
          "Origin of the web pages that may call the HTTP API from a browser, for example "
          "https://chat.example. Empty: only the server's own.");
ABSL_FLAG(
    int, draft_deadline_ms, 20,
    "Longest time that a step waits for its draft, 1 to 3600000 milliseconds. If the draft is "
    "late, the step runs without it.");
ABSL_FLAG(
    absl::Duration, failover_timeout, absl::Minutes(1),
    "If a request loses its verifier, it waits for another one. This is the longest wait of a "
    "request without a deadline, at most 24h. A request with a deadline waits until shortly before "
    "its deadline.");
ABSL_FLAG(recycling::ChoiceFlag<recycling::gateway::kSpeculations>, speculation,
          recycling::gateway::Speculation::kAuto,
          "How to draft for requests that do not set a mode. auto: the drafter builds the adaptive "
          "tree, which it expects to give the most tokens per second, and the gateway pauses "
          "drafting while it saves no time. fixed: the drafter builds the whole template tree at "
          "every step. full: the drafter takes the most probable nodes, as many as the request "
          "allows, even if they save no time. off: no drafts.");

namespace recycling::gateway {

namespace {

absl::StatusOr<std::shared_ptr<const chat::ChatTemplate>> ReadChatTemplate(
    const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file.is_open() || std::filesystem::is_directory(path)) {
    return absl::NotFoundError("cannot be read");
  }
  // This reads one byte more than allowed, so that Parse refuses a longer file.
  std::string source(chat::kMaxTemplateBytes + 1, '\0');
  file.read(source.data(), static_cast<std::streamsize>(source.size()));
  source.resize(static_cast<std::size_t>(file.gcount()));
  ASSIGN_OR_RETURN(chat::ChatTemplate parsed, chat::ChatTemplate::Parse(source));
  return std::make_shared<const chat::ChatTemplate>(std::move(parsed));
}

}  // namespace

std::vector<FlagGroup> GatewayFlags() {
  return {GroupOf("Requests", FLAGS_max_requests, FLAGS_max_queue, FLAGS_queue_timeout,
                  FLAGS_tenant_limits, FLAGS_failover_timeout, FLAGS_default_max_tokens,
                  FLAGS_chat_template),
          GroupOf("HTTP", FLAGS_http_listen, FLAGS_http_cors_origin),
          GroupOf("Drafting", FLAGS_speculation, FLAGS_draft_deadline_ms)};
}

absl::StatusOr<GatewayOptions> OptionsFromFlags() {
  GatewayOptions options;
  options.max_requests = absl::GetFlag(FLAGS_max_requests);
  options.admission.max_queue = absl::GetFlag(FLAGS_max_queue);
  options.admission.queue_timeout = absl::GetFlag(FLAGS_queue_timeout);
  auto limits = ParseTenantLimits(absl::GetFlag(FLAGS_tenant_limits));
  if (!limits.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("--tenant_limits: ", limits.status().message()));
  }
  options.tenant_limits = *limits;
  options.defaults.max_tokens = absl::GetFlag(FLAGS_default_max_tokens);
  options.draft_deadline = absl::Milliseconds(absl::GetFlag(FLAGS_draft_deadline_ms));
  options.defaults.speculation = absl::GetFlag(FLAGS_speculation).value();
  options.moves.patience = absl::GetFlag(FLAGS_failover_timeout);
  if (const std::string path = absl::GetFlag(FLAGS_chat_template); !path.empty()) {
    auto chat_template = ReadChatTemplate(path);
    if (!chat_template.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("--chat_template: ", path, ": ", chat_template.status().message()));
    }
    options.chat_template = *std::move(chat_template);
  }
  return options;
}

bool HttpIsOn() { return !absl::GetFlag(FLAGS_http_listen).empty(); }

absl::StatusOr<std::unique_ptr<HttpDoor>> StartHttpFromFlags(GatewayServer& gateway,
                                                             const RpcServerOptions& server) {
  if (!HttpIsOn()) return nullptr;
  const std::string listen = absl::GetFlag(FLAGS_http_listen);
  const bool chooses = listen == "auto";
  HttpDoorOptions options;
  options.server.listen = {chooses ? "127.0.0.1:8080" : listen};
  ASSIGN_OR_RETURN(options.server.tls, ServerTlsFromFlags());
  options.server.allow_plaintext = server.allow_plaintext;
  options.server.max_connections = server.limits.max_connections;
  options.cors_origin = absl::GetFlag(FLAGS_http_cors_origin);
  auto door = gateway.StartHttp(options);
  if (chooses && absl::IsUnavailable(door.status())) {
    options.server.listen = {"127.0.0.1:0"};
    door = gateway.StartHttp(options);
  }
  if (door.ok()) return door;
  return absl::Status(door.status().code(),
                      absl::StrCat("--http_listen: ", door.status().message()));
}

std::vector<std::string> HttpUrls(const HttpDoor* http) {
  return http == nullptr ? std::vector<std::string>() : http->urls();
}

std::uint64_t UnreadBytes(const ConnectionLimits& limits) {
  return static_cast<std::uint64_t>(limits.max_memory) / 2;
}

}  // namespace recycling::gateway
