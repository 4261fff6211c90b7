// The server that every service runs in: listening, limits, health, reflection, graceful stop.
#ifndef RECYCLING_COMMON_RPC_RPC_SERVER_H_
#define RECYCLING_COMMON_RPC_RPC_SERVER_H_

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "common/base/ticker.h"
#include "common/net/certificate_expiry.h"
#include "common/net/listener.h"
#include "common/rpc/open_calls.h"

namespace recycling {

// The limits of a server's connections. Durations are above zero. An infinite duration means no
// limit.
struct ConnectionLimits {
  // How many connections may be open, at least 1. The server closes any further connection as soon
  // as it has accepted it.
  int max_connections = 1024;
  // How many calls may run on one connection, at least 1. gRPC makes the client wait with further
  // calls. A service whose clients are gateways adds the number of calls that one gateway may send.
  int max_streams = 1024;
  // The TLS and HTTP/2 handshakes must be done within this time after a connection is accepted.
  absl::Duration handshake_timeout = absl::Seconds(10);
  // A connection without a call for this time is closed. The client then opens another when it
  // needs one, which costs a handshake. An open connection costs 16 KiB.
  absl::Duration max_idle = absl::Minutes(10);
  // A connection of this age takes no new calls; the client opens another for them. Running calls
  // have `age_grace` to end.
  absl::Duration max_age = absl::InfiniteDuration();
  absl::Duration age_grace = absl::Minutes(10);
  // When a client has been silent for `keepalive_time`, the server pings it. If no answer comes
  // within `keepalive_timeout`, the server closes the connection and frees its resources. The pings
  // also keep proxies from cutting a connection, which they do after a minute or more of silence.
  absl::Duration keepalive_time = absl::Seconds(10);
  absl::Duration keepalive_timeout = absl::Seconds(10);
  // Bytes of gRPC's buffers. Near this bound gRPC refuses new connections and closes idle ones; at
  // the bound it ends calls.
  std::int64_t max_memory = std::int64_t{512} << 20;
};

struct RpcServerOptions {
  // Addresses to listen on: "host:port" or "unix:/path", as in ListenerOptions::addresses. If
  // empty, the server is reached only through InProcessChannel.
  std::vector<std::string> listen;
  // Credentials for `listen`. Null means plaintext; then all addresses must be loopback or unix
  // sockets, unless `allow_plaintext` is true.
  std::shared_ptr<grpc::ServerCredentials> credentials;
  std::shared_ptr<const CertificateExpiry> certificate_expiry;  // of `credentials`; may be null
  bool allow_plaintext = false;
  // More addresses, as in `listen`, that answer only health checks and reflection. They use
  // plaintext on any address, because the probes of orchestrators have no client certificate.
  std::vector<std::string> health_listen;
  // Largest message that is accepted, bytes.
  int max_message_bytes = 16 << 20;
  // Threads for calls that hold one while they run, at least 2. A call gets ResourceExhausted if no
  // thread is left. Methods of gRPC's callback API hold no thread. A stream of reflection holds
  // one; the default is meant for these. A service with synchronous methods adds the threads that
  // these methods may hold at once.
  int max_threads = 64;
  ConnectionLimits limits;
  CallLimits calls;                   // each of `listen` and `health_listen` has these
  const Clock* clock = &RealClock();  // of the timeouts in `calls`; must outlive the server
  // The server writes this file in one step as soon as it listens: one bound address a line, those
  // of `listen` first. Empty: it writes no file.
  std::string port_file;
  std::vector<std::string> port_file_more;  // more lines, at its end
};

// Threads: all methods may be called from any thread.
class RpcServer {
 public:
  // Starts serving `services`, which must outlive the server, together with grpc.health.v1 and
  // reflection. The health of the empty name is SERVING from now on. The health of each of
  // `health_names` is NOT_SERVING until SetServing(true). Clients may ping every 5 s.
  // InvalidArgument for an address that cannot be parsed or is refused in plaintext. Unavailable,
  // with the name, for an address that cannot be bound or a port file that cannot be written.
  static absl::StatusOr<std::unique_ptr<RpcServer>> Start(
      const RpcServerOptions& options, const std::vector<grpc::Service*>& services,
      std::vector<std::string> health_names);

  // Shuts the server down at once if it still runs.
  ~RpcServer();

  RpcServer(const RpcServer&) = delete;
  RpcServer& operator=(const RpcServer&) = delete;

  // The bound addresses, in the order of options.listen and then options.health_listen, with their
  // real ports.
  const std::vector<std::string>& addresses() const { return addresses_; }

  // How many connections the server has refused, those of the health port included; see
  // Listener::refused.
  std::uint64_t refused_connections() const;

  // Counts of calls over the network, those of the health port included.
  CallCounts call_counts() const;

  // Ends the calls that are due now. The server also does so by itself.
  void EndDueCalls();

  // When the certificate in use ends; nothing without one.
  std::optional<absl::Time> certificate_expires() const;

  // Sets the health of every name that was given to Start.
  void SetServing(bool serving);

  // A channel to this server within the process. Its calls carry `authorization: Bearer KEY`,
  // unless `key` is empty.
  std::shared_ptr<grpc::Channel> InProcessChannel(const std::string& key = "");

  // Sets health to NOT_SERVING and refuses new calls. Running calls have `grace` to end; then they
  // are cancelled. Returns when the last call is over. Idempotent.
  void Shutdown(absl::Duration grace);

 private:
  // A gRPC server and the objects that it uses. Members are destroyed from the last to the first.
  struct Part {
    std::unique_ptr<OpenCalls> calls;
    std::unique_ptr<Listener> listener;
    std::unique_ptr<grpc::Server> server;
    std::unique_ptr<Ticker> ends_calls;  // null once the server is shut down
  };

  RpcServer() = default;

  // Starts a server on options.listen alone.
  static absl::StatusOr<std::unique_ptr<Part>> Listen(const RpcServerOptions& options,
                                                      const std::vector<grpc::Service*>& services);
  std::vector<Part*> Parts() const;

  // Constant after Start.
  std::vector<std::string> addresses_;
  std::vector<std::string> health_names_;
  int max_message_bytes_ = 0;
  std::shared_ptr<const CertificateExpiry> certificate_expiry_;
  std::unique_ptr<Part> main_;    // null only if Start failed before it listened
  std::unique_ptr<Part> health_;  // null without options.health_listen

  Mutex shutdown_mutex_;
  bool shut_down_ ABSL_GUARDED_BY(shutdown_mutex_) = false;
};

// Blocks SIGINT and SIGTERM in this thread and every thread started after; call first in main,
// before any thread.
void BlockStopSignals();

// Waits for SIGINT or SIGTERM, then returns. A second signal while the caller stops gracefully ends
// the process at once with exit code 130.
void WaitForStopSignal();

}  // namespace recycling

#endif  // RECYCLING_COMMON_RPC_RPC_SERVER_H_
