// Listening sockets and a bound on what is accepted from them. gRPC 1.51 bounds no number of
// connections, and a listener of its own never accepts again once descriptors have run out.
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
  // and group may connect, as the umask allows; the file goes with the listener).
  std::vector<std::string> addresses;
  // Refuses to bind anything but loopback addresses and unix sockets.
  bool loopback_only = false;
  // Connections open at a time, at least 1; one more is closed as soon as it is accepted.
  int max_connections = 1024;
  // How long what was sent on a connection may stay unacknowledged before the system ends it. Zero
  // or a day and more: as the system does.
  absl::Duration user_timeout = absl::ZeroDuration();
};

// Threads: any.
class Listener {
 public:
  // Gets a connection and owns it; the descriptors are non-blocking. The first is the socket that
  // it came from, and stays the listener's.
  using Take = std::function<void(int listener, int connection)>;

  // Binds, so that connections are queued. InvalidArgument for an address that cannot be parsed or
  // that is not loopback though it must be, Unavailable for one that cannot be bound; both name it
  // and why.
  static absl::StatusOr<std::unique_ptr<Listener>> Bind(const ListenerOptions& options);

  // Stops.
  ~Listener();

  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  // Addresses bound, in the order of the options, with the real port.
  const std::vector<std::string>& addresses() const { return addresses_; }

  // Begins to accept, on a thread of its own, which calls `take`. Without descriptors to accept
  // with it closes what comes in and goes on as soon as there are some. Call once.
  void Start(Take take);

  // Accepts no more and closes the listening sockets; `take` is not called any more once this
  // returns. Idempotent.
  void Stop();

  // Connections that were closed at once since Start because the bound was reached or descriptors
  // had run out.
  std::int64_t refused() const;

 private:
  struct Socket {
    int fd = -1;
    std::string path;  // of a unix socket's file
    ino_t inode = 0;   // of that file
  };
  // What was handed on. Its new owner closes it untold; the inode says whether the descriptor still
  // is this connection.
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
  // Accepts everything that waits at `listener`. False if that cannot go on for the moment.
  bool AcceptAll(int listener);
  bool HasRoom();
  void Refuse(int connection, const char* why);

  // Constant after Bind.
  const int max_connections_;
  const bool loopback_only_;
  const absl::Duration user_timeout_;
  std::vector<std::string> addresses_;

  // Used by the thread alone once it runs.
  std::vector<Socket> sockets_;
  std::vector<Connection> connections_;
  absl::Time swept_ = absl::InfinitePast();
  absl::Time complained_ = absl::InfinitePast();
  int spare_ = -1;  // given up to accept one connection when there is no other descriptor
  Take take_;

  int stop_ = -1;  // eventfd
  std::thread thread_;
  mutable Mutex mutex_;
  std::int64_t refused_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace recycling

#endif  // RECYCLING_COMMON_NET_LISTENER_H_
