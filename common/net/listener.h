// Listening sockets that accept a bounded number of connections. gRPC 1.51 has no such bound. Its
// own listener accepts no more connections once the process has run out of descriptors, even if
// some are free again.
#ifndef RECYCLING_COMMON_NET_LISTENER_H_
#define RECYCLING_COMMON_NET_LISTENER_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/mutex.h"

struct addrinfo;

namespace recycling {

struct ListenerOptions {
  // "host:port" or "unix:/path". Port 0 picks a free port. An empty host, 0.0.0.0 and [::] mean
  // every interface, of IPv4 and IPv6. A socket file on which no process listens is replaced. Only
  // the owner and the group of the new file may connect. The umask can exclude them too. Stop
  // removes the file.
  std::vector<std::string> addresses;
  // Refuses to bind anything but loopback addresses and unix sockets.
  bool loopback_only = false;
  // How many connections may be open at once, at least 1. The listener closes any further
  // connection as soon as it has accepted it.
  int max_connections = 1024;
  // How long sent bytes may stay unacknowledged before the system ends the connection. Zero, or 24
  // hours and more, means the system's default.
  absl::Duration user_timeout = absl::ZeroDuration();
};

// Threads: any.
class Listener {
 public:
  // Takes ownership of `connection`. `listener` is the socket that accepted it; the Listener still
  // owns that socket. Both descriptors are non-blocking.
  using Take = std::function<void(int listener, int connection)>;

  // Binds the addresses. From now on the system queues connections. InvalidArgument for an address
  // that cannot be parsed, and with `loopback_only` for one that is not loopback. Unavailable for
  // an address that cannot be bound. Errors name the address and the reason.
  static absl::StatusOr<std::unique_ptr<Listener>> Bind(const ListenerOptions& options);

  // Calls Stop.
  ~Listener();

  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  // The bound addresses, in the order of the options, with their real ports.
  const std::vector<std::string>& addresses() const { return addresses_; }

  // Starts a thread that accepts connections and calls `take` for each. While no descriptors are
  // left, it closes new connections at once. It goes on as soon as descriptors are free. Call once.
  void Start(Take take);

  // Accepts no more and closes the listening sockets. `take` is not called after this returns.
  // Idempotent.
  void Stop();

  // How many connections the listener has closed since Start as soon as it had accepted them,
  // because the bound was reached or no descriptors were left.
  std::int64_t refused() const;

 private:
  struct Socket {
    int fd = -1;
    std::string path;  // of a unix socket's file
    ino_t inode = 0;   // of that file
  };
  // A connection that was handed to `take`. Its new owner closes it without telling the Listener.
  // The inode shows whether the descriptor still belongs to this connection.
  struct Connection {
    int fd = -1;
    ino_t inode = 0;
  };

  explicit Listener(const ListenerOptions& options);

  absl::Status Add(const std::string& address);
  absl::Status AddUnix(const std::string& address);
  absl::Status AddHostPort(const std::string& address);
  absl::StatusOr<int> BindAll(const std::string& address, const addrinfo* found, int port);

  void Run();
  // Accepts all connections that wait at `listener`. Returns false if the thread must pause before
  // the next try.
  bool AcceptAll(int listener);
  bool HasRoom();
  void Refuse(int connection, const char* why);

  // Constant after Bind.
  const int max_connections_;
  const bool loopback_only_;
  const absl::Duration user_timeout_;
  std::vector<std::string> addresses_;

  // Once the thread runs, only it uses these.
  std::vector<Socket> sockets_;
  std::vector<Connection> connections_;
  absl::Time swept_ = absl::InfinitePast();
  absl::Time complained_ = absl::InfinitePast();
  int spare_ = -1;  // reserve: closed to accept and refuse one connection when no other is left
  Take take_;

  int stop_ = -1;  // eventfd
  std::thread thread_;
  mutable Mutex mutex_;
  std::int64_t refused_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace recycling

#endif  // RECYCLING_COMMON_NET_LISTENER_H_
