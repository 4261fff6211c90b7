// Listening sockets that accept a bounded number of connections. gRPC 1.51 has no such bound, and
// its own listener never accepts again after the process has run out of descriptors.
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
  // "host:port" (port 0 picks a free one; an empty host, 0.0.0.0 and [::] are every interface, of
  // IPv4 and IPv6) or "unix:/path" (a socket file that nobody listens on is replaced; only owner
  // and group may connect, as the umask allows; the listener removes the file in the end).
  std::vector<std::string> addresses;
  // Refuses to bind anything but loopback addresses and unix sockets.
  bool loopback_only = false;
  // How many connections may be open, at least 1; one more is closed as soon as it is accepted.
  int max_connections = 1024;
  // How long sent bytes may stay unacknowledged before the system ends the connection. Zero, or a
  // day and more: the system's own time.
  absl::Duration user_timeout = absl::ZeroDuration();
};

// Threads: any.
class Listener {
 public:
  // Takes over a connection. Both descriptors are non-blocking. `listener`, the socket that
  // accepted it, stays owned by the Listener.
  using Take = std::function<void(int listener, int connection)>;

  // Binds the addresses; the system queues connections from now on. InvalidArgument for an address
  // that cannot be parsed, or that is not loopback though it must be; Unavailable for one that
  // cannot be bound. Errors name the address and the reason.
  static absl::StatusOr<std::unique_ptr<Listener>> Bind(const ListenerOptions& options);

  // Stops.
  ~Listener();

  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  // The bound addresses, in the order of the options, with their real ports.
  const std::vector<std::string>& addresses() const { return addresses_; }

  // Begins to accept, on a thread of its own, which calls `take`. While no descriptors are left, it
  // closes new connections at once; it accepts again as soon as there are some. Call once.
  void Start(Take take);

  // Accepts no more and closes the listening sockets. `take` is not called after this returns.
  // Idempotent.
  void Stop();

  // How many connections were closed at once since Start, because the bound was reached or no
  // descriptors were left.
  std::int64_t refused() const;

 private:
  struct Socket {
    int fd = -1;
    std::string path;  // of a unix socket's file
    ino_t inode = 0;   // of that file
  };
  // A connection that was handed to `take`. Its owner closes it without telling us; the inode shows
  // whether the descriptor is still this connection.
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
  // Accepts all connections that wait at `listener`. False if it must pause before it tries again.
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
  int spare_ = -1;  // closed to accept (and close) one connection when no other is left
  Take take_;

  int stop_ = -1;  // eventfd
  std::thread thread_;
  mutable Mutex mutex_;
  std::int64_t refused_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace recycling

#endif  // RECYCLING_COMMON_NET_LISTENER_H_
