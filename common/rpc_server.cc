#include "common/rpc_server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <mutex>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace recycling {
namespace {

constexpr std::string_view kUnix = "unix:";
constexpr int kMaxHealthBytes = 4096;

std::string PathOf(const std::string& unix_address) {
  const std::string path = unix_address.substr(kUnix.size());
  return path.starts_with("//") ? path.substr(2) : path;
}

// Whoever may write to a socket may connect to it.
absl::Status KeepOthersOut(const std::string& address) {
  struct stat info;
  const std::string path = PathOf(address);
  if (lstat(path.c_str(), &info) == 0 && chmod(path.c_str(), info.st_mode & 0770) == 0) {
    return absl::OkStatus();
  }
  return absl::UnavailableError(
      absl::StrCat("listen: cannot set the permissions of ", address, ": ", std::strerror(errno)));
}

// OK if a new socket can be made at `path`. A socket file that nobody listens on is removed; gRPC
// would also remove one that is in use.
absl::Status PrepareUnixPath(const std::string& address) {
  const std::string path = PathOf(address);
  sockaddr_un name = {};
  name.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(name.sun_path)) {
    return absl::InvalidArgumentError(absl::StrCat("listen: got ", address,
                                                   ", expected a path of 1 to ",
                                                   sizeof(name.sun_path) - 1, " bytes"));
  }
  struct stat info;
  if (lstat(path.c_str(), &info) != 0) return absl::OkStatus();
  if (!S_ISSOCK(info.st_mode)) {
    return absl::UnavailableError(
        absl::StrCat("listen: got ", address, ", which is a file that is not a socket"));
  }
  std::memcpy(name.sun_path, path.data(), path.size());
  const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const bool refused =
      probe >= 0 && connect(probe, reinterpret_cast<const sockaddr*>(&name), sizeof(name)) != 0 &&
      errno == ECONNREFUSED;
  if (probe >= 0) close(probe);
  if (!refused) {
    return absl::UnavailableError(absl::StrCat("listen: ", address, " is in use"));
  }
  if (unlink(path.c_str()) != 0) {
    return absl::UnavailableError(absl::StrCat("listen: cannot remove the stale socket ", address,
                                               ": ", std::strerror(errno)));
  }
  return absl::OkStatus();
}

// OK for "host:port", where host may be empty (every interface) or stand in brackets.
absl::Status CheckHostPort(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  int port = -1;
  const std::string host = address.substr(0, colon);
  const bool bracketed = host.starts_with("[") && host.ends_with("]");
  if (colon == std::string::npos || (!bracketed && host.find(':') != std::string::npos) ||
      !absl::SimpleAtoi(address.substr(colon + 1), &port) || port < 0 || port > 65535) {
    return absl::InvalidArgumentError(
        absl::StrCat("listen: got \"", address,
                     "\", expected host:port with a port from 0 to 65535, or unix:/path"));
  }
  return absl::OkStatus();
}

absl::Status CheckAddress(const std::string& address) {
  return address.starts_with(kUnix) ? PrepareUnixPath(address) : CheckHostPort(address);
}

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

void SetLimits(int max_message_bytes, grpc::ServerBuilder* builder) {
  builder->SetMaxReceiveMessageSize(max_message_bytes);
  // A port that is taken is an error, not a share of its connections.
  builder->AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10'000);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  // Notices clients whose machine is gone, so that what they hold is freed.
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000);
}

// Starts a server on `listen` and appends the addresses it got to `addresses`.
absl::StatusOr<std::unique_ptr<grpc::Server>> Listen(const std::vector<std::string>& listen,
                                                     const std::vector<grpc::Service*>& services,
                                                     int max_message_bytes,
                                                     std::vector<std::string>& addresses) {
  for (const std::string& address : listen) RETURN_IF_ERROR(CheckAddress(address));
  grpc::ServerBuilder builder;
  SetLimits(max_message_bytes, &builder);
  std::vector<int> ports(listen.size(), 0);
  for (std::size_t i = 0; i < ports.size(); ++i) {
    builder.AddListeningPort(listen[i], grpc::InsecureServerCredentials(), &ports[i]);
  }
  for (grpc::Service* service : services) builder.RegisterService(service);
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  for (std::size_t i = 0; i < ports.size(); ++i) {
    const std::string& address = listen[i];
    if (ports[i] <= 0) {
      return absl::UnavailableError(absl::StrCat(
          "listen: cannot bind ", address, " (in use, not this machine's, or not permitted)"));
    }
    const bool is_unix = address.starts_with(kUnix);
    if (is_unix) RETURN_IF_ERROR(KeepOthersOut(address));
    addresses.push_back(
        is_unix ? address : absl::StrCat(address.substr(0, address.rfind(':')), ":", ports[i]));
  }
  if (server == nullptr) return absl::InternalError("the gRPC server did not start");
  return server;
}

sigset_t StopSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

}  // namespace

absl::StatusOr<std::unique_ptr<RpcServer>> RpcServer::Start(
    const RpcServerOptions& options, const std::vector<grpc::Service*>& services,
    std::vector<std::string> health_names) {
  std::unique_ptr<RpcServer> server(new RpcServer());
  server->max_message_bytes_ = options.max_message_bytes;
  server->health_names_ = std::move(health_names);
  InitOnce();
  ASSIGN_OR_RETURN(server->server_,
                   Listen(options.listen, services, options.max_message_bytes, server->addresses_));
  if (!options.health_listen.empty()) {
    ASSIGN_OR_RETURN(server->health_server_, Listen(options.health_listen, /*services=*/{},
                                                    kMaxHealthBytes, server->addresses_));
  }
  server->SetServing(false);
  if (!options.port_file.empty()) {
    RETURN_IF_ERROR(WriteAtomically(options.port_file, server->addresses_));
  }
  return server;
}

RpcServer::~RpcServer() { Shutdown(absl::ZeroDuration()); }

void RpcServer::SetServing(bool serving) {
  for (grpc::Server* server : {server_.get(), health_server_.get()}) {
    if (server == nullptr) continue;
    grpc::HealthCheckServiceInterface* health = server->GetHealthCheckService();
    for (const std::string& name : health_names_) health->SetServingStatus(name, serving);
  }
}

std::shared_ptr<grpc::Channel> RpcServer::InProcessChannel() {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(max_message_bytes_);
  return server_->InProcessChannel(arguments);
}

void RpcServer::Shutdown(absl::Duration grace) {
  if (server_ == nullptr) return;
  MutexLock lock(shutdown_mutex_);
  if (shut_down_) return;
  shut_down_ = true;
  for (grpc::Server* server : {server_.get(), health_server_.get()}) {
    if (server != nullptr) server->GetHealthCheckService()->Shutdown();
  }
  server_->Shutdown(absl::ToChronoTime(absl::Now() + grace));
  server_->Wait();
  if (health_server_ == nullptr) return;
  health_server_->Shutdown(absl::ToChronoTime(absl::Now()));  // watchers are cancelled
  health_server_->Wait();
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
