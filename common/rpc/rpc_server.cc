#include "common/rpc/rpc_server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <limits>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/status_macros.h"
#include "common/rpc/call_interceptor.h"
#include "common/rpc/keyed_channel.h"

namespace recycling {
namespace {

constexpr int kMaxHealthBytes = 4096;
constexpr int kMaxHealthConnections = 64;
constexpr int kMaxMetadataBytes = 16 << 10;
// Half of the shortest interval at which our clients send pings (the gateway: 10 s), because pings
// may arrive closer together than they were sent.
constexpr int kMinPingIntervalMs = 5'000;

absl::Status WriteAtomically(const std::string& path, const std::vector<std::string>& lines) {
  const std::string temporary = absl::StrCat(path, ".", getpid(), ".tmp");
  std::ofstream file(temporary, std::ios::trunc);
  for (const std::string& line : lines) file << line << '\n';
  file.close();
  if (file.fail() || std::rename(temporary.c_str(), path.c_str()) != 0) {
    const std::string reason = std::strerror(errno);
    std::remove(temporary.c_str());
    return absl::UnavailableError(absl::StrCat("port_file: cannot write ", path, ": ", reason));
  }
  return absl::OkStatus();
}

void InitOnce() {
  static std::once_flag once;
  std::call_once(once, [] {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  });
}

int Milliseconds(absl::Duration duration) {
  constexpr int kUnbounded = std::numeric_limits<int>::max();
  return static_cast<int>(std::min<std::int64_t>(absl::ToInt64Milliseconds(duration), kUnbounded));
}

void SetLimits(const RpcServerOptions& options, grpc::ServerBuilder* builder) {
  const ConnectionLimits& limits = options.limits;
  builder->SetMaxReceiveMessageSize(options.max_message_bytes);
  const std::pair<const char*, int> arguments[] = {
      {GRPC_ARG_MAX_METADATA_SIZE, kMaxMetadataBytes},
      {GRPC_ARG_MAX_CONCURRENT_STREAMS, limits.max_streams},
      {GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, Milliseconds(limits.handshake_timeout)},
      {GRPC_ARG_MAX_CONNECTION_IDLE_MS, Milliseconds(limits.max_idle)},
      {GRPC_ARG_MAX_CONNECTION_AGE_MS, Milliseconds(limits.max_age)},
      {GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, Milliseconds(limits.age_grace)},
      {GRPC_ARG_KEEPALIVE_TIME_MS, Milliseconds(limits.keepalive_time)},
      {GRPC_ARG_KEEPALIVE_TIMEOUT_MS, Milliseconds(limits.keepalive_timeout)},
      {GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1},
      {GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, kMinPingIntervalMs},
      {GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0},
  };
  for (const auto& [name, value] : arguments) builder->AddChannelArgument(name, value);
  grpc::ResourceQuota quota;
  quota.Resize(static_cast<std::size_t>(limits.max_memory));
  quota.SetMaxThreads(options.max_threads);
  builder->SetResourceQuota(quota);
}

// The options of the health port.
RpcServerOptions HealthOptions(const RpcServerOptions& options) {
  RpcServerOptions health;
  health.listen = options.health_listen;
  health.allow_plaintext = true;
  health.max_message_bytes = kMaxHealthBytes;
  health.limits = options.limits;
  health.calls = options.calls;
  health.clock = options.clock;
  health.limits.max_connections = kMaxHealthConnections;
  return health;
}

sigset_t StopSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

}  // namespace

absl::StatusOr<std::unique_ptr<RpcServer::Part>> RpcServer::Listen(
    const RpcServerOptions& options, const std::vector<grpc::Service*>& services) {
  const bool plaintext = options.credentials == nullptr;
  auto part = std::make_unique<Part>();
  ASSIGN_OR_RETURN(part->listener,
                   Listener::Bind({.addresses = options.listen,
                                   .loopback_only = plaintext && !options.allow_plaintext,
                                   .max_connections = options.limits.max_connections,
                                   .user_timeout = options.limits.keepalive_timeout}));
  part->calls = std::make_unique<OpenCalls>(options.calls, *options.clock, [part = part.get()] {
    if (part->ends_calls != nullptr) part->ends_calls->Nudge();
  });
  part->ends_calls =
      std::make_unique<Ticker>([calls = part->calls.get()] { return calls->EndDue(); });
  grpc::ServerBuilder builder;
  SetLimits(options, &builder);
  builder.experimental().SetInterceptorCreators(CallInterceptors(*part->calls));
  using Builder = grpc::ServerBuilder::experimental_type;
  std::shared_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor;
  if (!options.listen.empty()) {
    acceptor = builder.experimental().AddExternalConnectionAcceptor(
        Builder::ExternalConnectionType::FROM_FD,
        plaintext ? grpc::InsecureServerCredentials() : options.credentials);
  }
  for (grpc::Service* service : services) builder.RegisterService(service);
  part->server = builder.BuildAndStart();
  if (part->server == nullptr) return absl::InternalError("the gRPC server did not start");
  if (acceptor != nullptr) {
    part->listener->Start([acceptor](int listener, int connection) {
      grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters parameters;
      parameters.listener_fd = listener;
      parameters.fd = connection;
      acceptor->HandleNewConnection(&parameters);
    });
  }
  return part;
}

absl::StatusOr<std::unique_ptr<RpcServer>> RpcServer::Start(
    const RpcServerOptions& options, const std::vector<grpc::Service*>& services,
    std::vector<std::string> health_names) {
  std::unique_ptr<RpcServer> server(new RpcServer());
  server->max_message_bytes_ = options.max_message_bytes;
  server->certificate_expiry_ = options.certificate_expiry;
  server->health_names_ = std::move(health_names);
  InitOnce();
  ASSIGN_OR_RETURN(server->main_, Listen(options, services));
  if (!options.health_listen.empty()) {
    ASSIGN_OR_RETURN(server->health_, Listen(HealthOptions(options), /*services=*/{}));
  }
  for (const Part* part : server->Parts()) {
    for (const std::string& address : part->listener->addresses()) {
      server->addresses_.push_back(address);
    }
  }
  server->SetServing(false);
  if (!options.port_file.empty()) {
    std::vector<std::string> lines = server->addresses_;
    lines.insert(lines.end(), options.port_file_more.begin(), options.port_file_more.end());
    RETURN_IF_ERROR(WriteAtomically(options.port_file, lines));
  }
  return server;
}

RpcServer::~RpcServer() { Shutdown(absl::ZeroDuration()); }

std::vector<RpcServer::Part*> RpcServer::Parts() const {
  std::vector<Part*> parts;
  for (Part* part : {main_.get(), health_.get()}) {
    if (part != nullptr) parts.push_back(part);
  }
  return parts;
}

std::uint64_t RpcServer::refused_connections() const {
  std::int64_t refused = 0;
  for (const Part* part : Parts()) refused += part->listener->refused();
  return static_cast<std::uint64_t>(refused);
}

CallCounts RpcServer::call_counts() const {
  CallCounts sum;
  for (const Part* part : Parts()) {
    const CallCounts counts = part->calls->Counts();
    sum.calls += counts.calls;
    sum.public_streams += counts.public_streams;
    sum.unread += counts.unread;
    sum.ended += counts.ended;
  }
  return sum;
}

void RpcServer::EndDueCalls() {
  for (const Part* part : Parts()) part->calls->EndDue();
}

std::optional<absl::Time> RpcServer::certificate_expires() const {
  return certificate_expiry_ == nullptr ? std::nullopt : certificate_expiry_->Get();
}

void RpcServer::SetServing(bool serving) {
  for (const Part* part : Parts()) {
    grpc::HealthCheckServiceInterface* health = part->server->GetHealthCheckService();
    for (const std::string& name : health_names_) health->SetServingStatus(name, serving);
  }
}

std::shared_ptr<grpc::Channel> RpcServer::InProcessChannel(const std::string& key) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(max_message_bytes_);
  return main_->server->experimental().InProcessChannelWithInterceptors(arguments,
                                                                        KeyInterceptors(key));
}

void RpcServer::Shutdown(absl::Duration grace) {
  MutexLock lock(shutdown_mutex_);
  if (shut_down_) return;
  shut_down_ = true;
  for (const Part* part : Parts()) part->server->GetHealthCheckService()->Shutdown();
  for (Part* part : Parts()) {
    part->listener->Stop();
    part->server->Shutdown(absl::ToChronoTime(absl::Now() + grace));
    part->server->Wait();
    part->ends_calls.reset();
    grace = absl::ZeroDuration();  // the health port's watchers are cancelled
  }
}

void BlockStopSignals() {
  const sigset_t set = StopSignals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

void WaitForStopSignal() {
  const sigset_t set = StopSignals();
  int signal = 0;
  sigwait(&set, &signal);
  struct sigaction stop_at_once = {};
  stop_at_once.sa_handler = [](int) { _exit(130); };
  sigaction(SIGINT, &stop_at_once, nullptr);
  sigaction(SIGTERM, &stop_at_once, nullptr);
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

}  // namespace recycling
