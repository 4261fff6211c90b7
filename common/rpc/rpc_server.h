// The shell every service runs in: listening, limits, health, reflection, graceful stop.
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
#include "common/base/mutex.h"
#include "common/net/certificate_expiry.h"
#include "common/net/listener.h"

namespace recycling {

// What a server takes from its connections. Durations are above zero; infinite ones bound nothing.
struct ConnectionLimits {
  // Open at a time, at least 1; one more is closed as soon as it is accepted.
  int max_connections = 1024;
  // Calls at a time on one connection, at least 1; the client holds back more.
  int max_streams = 1024;
  // From accepting a connection to its TLS and HTTP/2 handshakes being done.
  absl::Duration handshake_timeout = absl::Seconds(10);
  // A connection without a call for so long is closed; clients open another when they need it.
  absl::Duration max_idle = absl::Minutes(10);
  // A connection this old is drained: its calls get `age_grace` to end, new ones open another
  // connection.
  absl::Duration max_age = absl::InfiniteDuration();
  absl::Duration age_grace = absl::Minutes(10);
  // A connection silent for `keepalive_time` is asked for a sign of life and closed without one
  // within `keepalive_timeout`, so that a vanished client frees what it holds.
  absl::Duration keepalive_time = absl::Seconds(10);
  absl::Duration keepalive_timeout = absl::Seconds(10);
  // Of gRPC's buffers, bytes. Near it, connections are refused and idle ones closed; at it, calls
  // are ended.
  std::int64_t max_memory = std::int64_t{512} << 20;
};

struct RpcServerOptions {
  // Addresses to listen on: "host:port" (port 0 picks a free one; an empty host, 0.0.0.0 and [::]
  // are every interface) or "unix:/path" (a socket file that nobody listens on is replaced; only
  // owner and group may connect, as the umask allows; the file goes with the server). May be empty:
  // then the server is reached through InProcessChannel only.
  std::vector<std::string> listen;
  // Of `listen`; null: plaintext, which only loopback addresses and unix sockets may be, unless
  // `allow_plaintext`.
  std::shared_ptr<grpc::ServerCredentials> credentials;
  std::shared_ptr<const CertificateExpiry> certificate_expiry;  // of `credentials`; null: not known
  bool allow_plaintext = false;
  // More addresses, as in `listen`, that answer health checks (and reflection) alone, always in
  // plaintext and on any address: for orchestrators, whose probes carry no client certificate.
  std::vector<std::string> health_listen;
  // Largest message taken, bytes.
  int max_message_bytes = 16 << 20;
  // Threads that wait in calls, at least 2; a call beyond them is ResourceExhausted. Methods that
  // react take none. Reflection takes one a stream, and is what the default is for: a service with
  // methods that are served synchronously adds what they may hold at once.
  int max_threads = 64;
  ConnectionLimits limits;
  // Written atomically once listening, one bound address a line, those of `listen` first; empty:
  // not written.
  std::string port_file;
};

// Threads: all methods may be called from any thread.
class RpcServer {
 public:
  // Starts serving `services`, which must outlive the server, with grpc.health.v1 (the empty name
  // is live from now on; each of `health_names` is NOT_SERVING until SetServing(true)) and
  // reflection. Clients may ping every 5 s. InvalidArgument for an address that cannot be parsed or
  // is refused in plaintext, Unavailable for one that cannot be bound or a port file that cannot be
  // written (naming it).
  static absl::StatusOr<std::unique_ptr<RpcServer>> Start(
      const RpcServerOptions& options, const std::vector<grpc::Service*>& services,
      std::vector<std::string> health_names);

  // Shuts down at once if still running.
  ~RpcServer();

  RpcServer(const RpcServer&) = delete;
  RpcServer& operator=(const RpcServer&) = delete;

  // Addresses bound, in the order of options.listen and then options.health_listen, with the real
  // port.
  const std::vector<std::string>& addresses() const { return addresses_; }

  // Connections that were closed at once, as by Listener; those of the health port included.
  std::uint64_t refused_connections() const;

  // Of the certificate in use; nothing without one, or where it is not known.
  std::optional<absl::Time> certificate_expires() const;

  // Health of every name given to Start.
  void SetServing(bool serving);

  // Every call carries `authorization: Bearer KEY`, unless `key` is empty.
  std::shared_ptr<grpc::Channel> InProcessChannel(const std::string& key = "");

  // Health goes to NOT_SERVING, new calls are refused, running ones get `grace` to end and are
  // cancelled then. Returns when the last one is gone. Idempotent.
  void Shutdown(absl::Duration grace);

 private:
  RpcServer() = default;

  // Constant after Start.
  std::vector<std::string> addresses_;
  std::vector<std::string> health_names_;
  int max_message_bytes_ = 0;
  std::shared_ptr<const CertificateExpiry> certificate_expiry_;
  std::unique_ptr<Listener> listener_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<Listener> health_listener_;
  std::unique_ptr<grpc::Server> health_server_;  // null without options.health_listen

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
