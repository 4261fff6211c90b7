#include "common/net/listener.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/net/listen_address.h"

namespace recycling {
namespace {

constexpr std::string_view kUnix = "unix:";
constexpr int kPortTries = 16;
constexpr absl::Duration kSweepInterval = absl::Milliseconds(20);
constexpr absl::Duration kComplainInterval = absl::Seconds(10);
constexpr int kRetryMilliseconds = 100;

std::string Reason(int error) { return std::strerror(error); }

absl::Status CannotBind(const std::string& address, int error) {
  return absl::UnavailableError(absl::StrCat("listen: cannot bind ", address, ": ", Reason(error)));
}

absl::Status NotLoopback(const std::string& address) {
  return absl::InvalidArgumentError(
      absl::StrCat("listen: got ", address,
                   " in plaintext, expected TLS (--tls_cert and --tls_key), a loopback address, a "
                   "unix socket, or --allow_plaintext"));
}

std::string PathOf(const std::string& unix_address) {
  const std::string path = unix_address.substr(kUnix.size());
  return path.starts_with("//") ? path.substr(2) : path;
}

// OK if a new socket can be made at `path`. Removes a socket file on which no process listens.
absl::Status PrepareUnixPath(const std::string& address, const sockaddr_un& name) {
  struct stat info;
  if (lstat(name.sun_path, &info) != 0) return absl::OkStatus();
  if (!S_ISSOCK(info.st_mode)) {
    return absl::UnavailableError(
        absl::StrCat("listen: got ", address, ", which is a file that is not a socket"));
  }
  const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const bool unused = probe >= 0 &&
                      connect(probe, reinterpret_cast<const sockaddr*>(&name), sizeof(name)) != 0 &&
                      errno == ECONNREFUSED;
  if (probe >= 0) close(probe);
  if (!unused) return absl::UnavailableError(absl::StrCat("listen: ", address, " is in use"));
  if (unlink(name.sun_path) != 0) {
    return absl::UnavailableError(
        absl::StrCat("listen: cannot remove the stale socket ", address, ": ", Reason(errno)));
  }
  return absl::OkStatus();
}

void SetPort(int port, sockaddr* address) {
  const in_port_t value = htons(static_cast<std::uint16_t>(port));
  if (address->sa_family == AF_INET6) {
    reinterpret_cast<sockaddr_in6*>(address)->sin6_port = value;
  } else {
    reinterpret_cast<sockaddr_in*>(address)->sin_port = value;
  }
}

int PortOf(int fd) {
  sockaddr_storage name = {};
  socklen_t size = sizeof(name);
  getsockname(fd, reinterpret_cast<sockaddr*>(&name), &size);
  return ntohs(name.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&name)->sin6_port
                                          : reinterpret_cast<sockaddr_in*>(&name)->sin_port);
}

void SetOption(int fd, int level, int option, int value) {
  setsockopt(fd, level, option, &value, sizeof(value));
}

// A socket that listens at `name`, or -1 with errno. Accepted connections inherit its options.
int ListenAt(const sockaddr* name, socklen_t size, bool dual_stack, absl::Duration user_timeout) {
  const int fd = socket(name->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -1;
  SetOption(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (name->sa_family == AF_INET6) SetOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, dual_stack ? 0 : 1);
  SetOption(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  if (user_timeout > absl::ZeroDuration() && user_timeout < absl::Hours(24)) {
    SetOption(fd, IPPROTO_TCP, TCP_USER_TIMEOUT,
              static_cast<int>(absl::ToInt64Milliseconds(user_timeout)));
  }
  if (bind(fd, name, size) == 0 && listen(fd, SOMAXCONN) == 0) return fd;
  const int error = errno;
  close(fd);
  errno = error;
  return -1;
}

ino_t InodeOf(int fd) {
  struct stat info;
  return fstat(fd, &info) == 0 && S_ISSOCK(info.st_mode) ? info.st_ino : 0;
}

bool OutOfDescriptors(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

// Whether the error concerns only the connection to be accepted; see accept(2). The next connection
// may be fine.
bool OfOneConnection(int error) {
  switch (error) {
    case EINTR:
    case ECONNABORTED:
    case EPERM:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
      return true;
    default:
      return false;
  }
}

int OpenSpare() { return open("/dev/null", O_RDONLY | O_CLOEXEC); }

}  // namespace

Listener::Listener(const ListenerOptions& options)
    : max_connections_(options.max_connections),
      loopback_only_(options.loopback_only),
      user_timeout_(options.user_timeout) {}

absl::StatusOr<std::unique_ptr<Listener>> Listener::Bind(const ListenerOptions& options) {
  std::unique_ptr<Listener> listener(new Listener(options));
  listener->stop_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  listener->spare_ = OpenSpare();
  if (listener->stop_ < 0 || listener->spare_ < 0) {
    return absl::UnavailableError(absl::StrCat("listen: no descriptors: ", Reason(errno)));
  }
  for (const std::string& address : options.addresses) {
    RETURN_IF_ERROR(listener->Add(address));
  }
  return listener;
}

absl::Status Listener::Add(const std::string& address) {
  return address.starts_with(kUnix) ? AddUnix(address) : AddHostPort(address);
}

absl::Status Listener::AddUnix(const std::string& address) {
  const std::string path = PathOf(address);
  sockaddr_un name = {};
  name.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(name.sun_path)) {
    return absl::InvalidArgumentError(absl::StrCat("listen: got ", address,
                                                   ", expected a path of 1 to ",
                                                   sizeof(name.sun_path) - 1, " bytes"));
  }
  path.copy(name.sun_path, sizeof(name.sun_path) - 1);
  RETURN_IF_ERROR(PrepareUnixPath(address, name));
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  // A process may connect if it may write to the socket file. The file gets the socket's mode,
  // reduced by the umask.
  if (fd < 0 || fchmod(fd, 0770) != 0 ||
      bind(fd, reinterpret_cast<const sockaddr*>(&name), sizeof(name)) != 0) {
    const int error = errno;
    if (fd >= 0) close(fd);
    return CannotBind(address, error);
  }
  struct stat info = {};
  lstat(path.c_str(), &info);
  sockets_.push_back({.fd = fd, .path = path, .inode = info.st_ino});
  if (listen(fd, SOMAXCONN) != 0) return CannotBind(address, errno);
  addresses_.push_back(address);
  return absl::OkStatus();
}

absl::Status Listener::AddHostPort(const std::string& address) {
  const std::optional<HostPort> parsed = ParseHostPort(address);
  if (!parsed.has_value()) {
    return absl::InvalidArgumentError(
        absl::StrCat("listen: got \"", address,
                     "\", expected host:port with a port from 0 to 65535, or unix:/path"));
  }
  const absl::StatusOr<AddressList> found = Resolve(*parsed);
  if (!found.ok()) {
    return absl::UnavailableError(
        absl::StrCat("listen: cannot bind ", address, ": ", found.status().message()));
  }
  if (loopback_only_ && !AllLoopback(found->get())) return NotLoopback(address);
  const std::size_t before = sockets_.size();
  for (int left = parsed->port == 0 ? kPortTries : 1; true; --left) {
    const absl::StatusOr<int> port = BindAll(address, found->get(), parsed->port);
    if (port.ok()) {
      addresses_.push_back(absl::StrCat(parsed->text, ":", *port));
      return absl::OkStatus();
    }
    if (left == 1) return port.status();
    while (sockets_.size() > before) {
      close(sockets_.back().fd);
      sockets_.pop_back();
    }
  }
}

// Binds all addresses of a name to the same port, and returns the port. For a wildcard, one socket
// serves both IPv6 and IPv4 if the machine has IPv6.
absl::StatusOr<int> Listener::BindAll(const std::string& address, const addrinfo* found, int port) {
  bool bound = false;
  int error = 0;
  for (const int family : {AF_INET6, AF_INET}) {
    for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
      if (entry->ai_family != family) continue;
      sockaddr_storage name = {};
      std::memcpy(&name, entry->ai_addr, entry->ai_addrlen);
      auto* generic = reinterpret_cast<sockaddr*>(&name);
      SetPort(port, generic);
      const bool wildcard =
          family == AF_INET6 &&
          IN6_IS_ADDR_UNSPECIFIED(&reinterpret_cast<sockaddr_in6*>(&name)->sin6_addr);
      const int fd = ListenAt(generic, entry->ai_addrlen, wildcard, user_timeout_);
      if (fd < 0) {
        error = errno;
        // On a machine without IPv6, a name may still resolve to IPv6 addresses.
        if (error == EAFNOSUPPORT || error == EADDRNOTAVAIL) continue;
        return CannotBind(address, error);
      }
      sockets_.push_back({.fd = fd});
      bound = true;
      port = PortOf(fd);
      if (wildcard) return port;
    }
  }
  if (!bound) return CannotBind(address, error);
  return port;
}

Listener::~Listener() {
  Stop();
  for (const int fd : {stop_, spare_}) {
    if (fd >= 0) close(fd);
  }
}

void Listener::Start(Take take) {
  take_ = std::move(take);
  thread_ = std::thread([this] { Run(); });
}

void Listener::Stop() {
  {
    MutexLock lock(mutex_);
    if (stopped_) return;
    stopped_ = true;
  }
  if (thread_.joinable()) {
    eventfd_write(stop_, 1);
    thread_.join();
  }
  for (const Socket& socket : sockets_) {
    struct stat info;
    if (!socket.path.empty() && lstat(socket.path.c_str(), &info) == 0 &&
        info.st_ino == socket.inode) {
      unlink(socket.path.c_str());
    }
    close(socket.fd);
  }
  sockets_.clear();
}

std::int64_t Listener::refused() const {
  MutexLock lock(mutex_);
  return refused_;
}

void Listener::Run() {
  std::vector<pollfd> watched = {{.fd = stop_, .events = POLLIN, .revents = 0}};
  for (const Socket& socket : sockets_) {
    watched.push_back({.fd = socket.fd, .events = POLLIN, .revents = 0});
  }
  bool wait = false;  // no descriptors are left: pause before the next try
  while (true) {
    const nfds_t count = wait ? 1 : watched.size();
    poll(watched.data(), count, wait ? kRetryMilliseconds : -1);
    if (watched[0].revents != 0) return;
    wait = false;
    for (std::size_t i = 1; i < watched.size(); ++i) {
      if (!AcceptAll(watched[i].fd)) wait = true;
    }
  }
}

bool Listener::AcceptAll(int listener) {
  if (spare_ < 0) spare_ = OpenSpare();
  while (true) {
    const int connection = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (connection >= 0) {
      if (!HasRoom()) {
        Refuse(connection, "--max_connections are open");
        continue;
      }
      connections_.push_back({.fd = connection, .inode = InodeOf(connection)});
      take_(listener, connection);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return true;
    } else if (OutOfDescriptors(errno)) {
      close(std::exchange(spare_, -1));
      const int last = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
      if (last >= 0) Refuse(last, "no file descriptors are left");
      spare_ = OpenSpare();
      if (last < 0 || spare_ < 0) return false;
    } else if (!OfOneConnection(errno)) {
      return false;
    }
  }
}

bool Listener::HasRoom() {
  const auto max = static_cast<std::size_t>(max_connections_);
  if (connections_.size() >= max && absl::Now() - swept_ > kSweepInterval) {
    std::erase_if(connections_, [](const Connection& connection) {
      return InodeOf(connection.fd) != connection.inode;
    });
    swept_ = absl::Now();
  }
  return connections_.size() < max;
}

void Listener::Refuse(int connection, const char* why) {
  {
    MutexLock lock(mutex_);
    ++refused_;  // before close(), so that the count is up to date when the client notices
    if (absl::Now() - complained_ >= kComplainInterval) {
      complained_ = absl::Now();
      Log(LogLevel::kWarning, "connection refused",
          {{"why", why}, {"refused", absl::StrCat(refused_)}});
    }
  }
  close(connection);
}

}  // namespace recycling
