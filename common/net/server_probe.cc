#include "common/net/server_probe.h"

#include <netdb.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <optional>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/net/listen_address.h"

namespace recycling {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(1);
constexpr std::size_t kFrameHead = 9;

// Owns a file descriptor and closes it on destruction.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int get() const { return fd_; }

 private:
  const int fd_;
};

// Waits for `events` until `deadline`. False on a timeout.
bool Await(int fd, short events, absl::Time deadline) {
  pollfd watched = {.fd = fd, .events = events, .revents = 0};
  const auto left = absl::ToInt64Milliseconds(deadline - absl::Now());
  return poll(&watched, 1, static_cast<int>(std::max<std::int64_t>(left, 0))) == 1;
}

bool ConnectBy(absl::Time deadline, int fd, const sockaddr* name, socklen_t size) {
  if (connect(fd, name, size) == 0) return true;
  if (errno != EINPROGRESS || !Await(fd, POLLOUT, deadline)) return false;
  int error = 0;
  socklen_t length = sizeof(error);
  return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 && error == 0;
}

// The ClientHello: the first bytes that a TLS client sends.
std::string TlsHello() {
  const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(TLS_client_method()),
                                                                  SSL_CTX_free);
  const std::unique_ptr<SSL, decltype(&SSL_free)> tls(SSL_new(context.get()), SSL_free);
  BIO* const said = BIO_new(BIO_s_mem());
  SSL_set_bio(tls.get(), BIO_new(BIO_s_mem()), said);  // owned by tls now
  SSL_set_connect_state(tls.get());
  const unsigned char kHttp2[] = {2, 'h', '2'};
  SSL_set_alpn_protos(tls.get(), kHttp2, sizeof(kHttp2));
  SSL_do_handshake(tls.get());  // writes the ClientHello, then stops: there is no answer yet
  char* bytes = nullptr;
  const auto size = BIO_get_mem_data(said, &bytes);
  return std::string(bytes, static_cast<std::size_t>(size));
}

ServerSpeaks Recognize(std::string_view answer) {
  if (answer.size() >= 2 && (answer[0] == 0x15 || answer[0] == 0x16) && answer[1] == 3) {
    return ServerSpeaks::kTls;  // an alert or a handshake, version 3.x
  }
  // A SETTINGS frame on stream 0 (RFC 9113, 6.5).
  if (answer.size() >= kFrameHead && answer[3] == 4 && answer.substr(5, 4) == std::string(4, 0)) {
    return ServerSpeaks::kPlainHttp2;
  }
  return ServerSpeaks::kUnknown;
}

ServerSpeaks ProbeSocket(const sockaddr* name, socklen_t size, absl::Time deadline) {
  const Descriptor fd(socket(name->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (fd.get() < 0 || !ConnectBy(deadline, fd.get(), name, size)) return ServerSpeaks::kUnknown;
  const std::string hello = TlsHello();
  if (send(fd.get(), hello.data(), hello.size(), MSG_NOSIGNAL) < 0) return ServerSpeaks::kUnknown;
  std::string answer;
  while (answer.size() < kFrameHead && Await(fd.get(), POLLIN, deadline)) {
    char bytes[kFrameHead];
    const ssize_t count = recv(fd.get(), bytes, sizeof(bytes), 0);
    if (count <= 0) break;
    answer.append(bytes, static_cast<std::size_t>(count));
  }
  return Recognize(answer);
}

ServerSpeaks ProbeUnix(const std::string& path, absl::Time deadline) {
  sockaddr_un name = {};
  name.sun_family = AF_UNIX;
  if (path.size() >= sizeof(name.sun_path)) return ServerSpeaks::kUnknown;
  path.copy(name.sun_path, path.size());
  return ProbeSocket(reinterpret_cast<const sockaddr*>(&name), sizeof(name), deadline);
}

}  // namespace

ServerSpeaks ProbeServer(const std::string& address, absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  if (address.starts_with("unix:")) {
    return ProbeUnix(address.substr(address.starts_with("unix://") ? 7 : 5), deadline);
  }
  const std::optional<HostPort> parsed = ParseHostPort(address);
  if (!parsed.has_value()) return ServerSpeaks::kUnknown;
  const absl::StatusOr<AddressList> found = Resolve(*parsed);
  if (!found.ok()) return ServerSpeaks::kUnknown;
  for (const addrinfo* entry = found->get(); entry != nullptr; entry = entry->ai_next) {
    const ServerSpeaks speaks = ProbeSocket(entry->ai_addr, entry->ai_addrlen, deadline);
    if (speaks != ServerSpeaks::kUnknown) return speaks;
  }
  return ServerSpeaks::kUnknown;
}

absl::Status ExplainUnavailable(const absl::Status& status, const std::string& address, bool tls,
                                const std::string& tls_flag) {
  if (!absl::IsUnavailable(status)) return status;
  const ServerSpeaks speaks = ProbeServer(address, kPatience);
  if (tls && speaks == ServerSpeaks::kPlainHttp2) {
    return absl::UnavailableError(absl::StrCat(
        "the server at ", address, " does not speak TLS: leave out ", tls_flag,
        ", or start the server with --tls_cert and --tls_key (", status.message(), ")"));
  }
  if (!tls && speaks == ServerSpeaks::kTls) {
    return absl::UnavailableError(absl::StrCat(
        "the server at ", address, " speaks TLS: set ", tls_flag,
        " to the file of the authorities that sign its certificate (", status.message(), ")"));
  }
  return status;
}

}  // namespace recycling
