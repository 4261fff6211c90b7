#include "tests/fault/fault_proxy.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace recycling::fault {
namespace {

constexpr std::size_t kReadAtOnce = 1 << 16;

sockaddr_in Loopback(int port) {
  sockaddr_in name = {};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  name.sin_port = htons(static_cast<std::uint16_t>(port));
  return name;
}

void CloseWithReset(int fd) {
  const linger now = {.l_onoff = 1, .l_linger = 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
  close(fd);
}

void SendAtOnce(int fd) {
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

// Starts to connect to the port and returns the socket, or -1.
int Dial(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  const sockaddr_in name = Loopback(port);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&name), sizeof(name)) != 0 &&
      errno != EINPROGRESS) {
    close(fd);
    return -1;
  }
  SendAtOnce(fd);
  return fd;
}

bool WouldBlock() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

}  // namespace

absl::StatusOr<std::unique_ptr<FaultProxy>> FaultProxy::Start() {
  std::unique_ptr<FaultProxy> proxy(new FaultProxy());
  proxy->wake_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  proxy->listener_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  sockaddr_in name = Loopback(0);
  socklen_t size = sizeof(name);
  auto* bare = reinterpret_cast<sockaddr*>(&name);
  if (proxy->wake_ < 0 || proxy->listener_ < 0 || bind(proxy->listener_, bare, size) != 0 ||
      listen(proxy->listener_, SOMAXCONN) != 0 || getsockname(proxy->listener_, bare, &size) != 0) {
    return absl::UnavailableError(absl::StrCat("proxy: cannot listen, errno ", errno));
  }
  proxy->address_ = absl::StrCat("127.0.0.1:", ntohs(name.sin_port));
  proxy->thread_ = std::thread([raw = proxy.get()] { raw->Run(); });
  return proxy;
}

FaultProxy::~FaultProxy() {
  if (thread_.joinable()) {
    Do([this] { stop_ = true; });
    thread_.join();
  }
  for (const int fd : {listener_, wake_}) {
    if (fd >= 0) close(fd);
  }
}

void FaultProxy::SetTarget(const std::string& address) {
  int port = 0;
  if (!absl::SimpleAtoi(address.substr(address.rfind(':') + 1), &port)) port = 0;
  Do([this, port] { target_port_ = port; });
}

void FaultProxy::SetMode(Mode mode) {
  Do([this, mode] {
    mode_ = mode;
    if (mode != Mode::kRefuse) return;
    for (Link& link : links_) link.broken = true;
  });
}

void FaultProxy::SetDelay(absl::Duration delay) {
  Do([this, delay] { delay_ = absl::ToChronoNanoseconds(delay); });
}

void FaultProxy::ResetAll() {
  Do([this] {
    for (Link& link : links_) link.broken = true;
  });
}

void FaultProxy::HalfCloseAll() {
  Do([this] {
    for (Link& link : links_) link.up.ended = true;
  });
}

int FaultProxy::connections() const {
  MutexLock lock(mutex_);
  return open_;
}

void FaultProxy::Do(std::function<void()> command) {
  MutexLock lock(mutex_);
  commands_.push_back(std::move(command));
  const std::uint64_t mine = ++given_;
  const std::uint64_t one = 1;
  // If the eventfd is full, the thread wakes anyway.
  static_cast<void>(write(wake_, &one, sizeof(one)) == sizeof(one));
  while (done_ < mine) obeyed_.Wait(mutex_);
}

void FaultProxy::Obey() {
  std::uint64_t count = 0;
  static_cast<void>(read(wake_, &count, sizeof(count)) == sizeof(count));
  std::vector<std::function<void()>> commands;
  {
    MutexLock lock(mutex_);
    commands.swap(commands_);
  }
  for (const auto& command : commands) command();
  CutBroken();
  MutexLock lock(mutex_);
  done_ += commands.size();
  open_ = static_cast<int>(links_.size());
  obeyed_.NotifyAll();
}

void FaultProxy::CutBroken() {
  links_.remove_if([](Link& link) {
    const bool over = link.broken || (link.up.told && link.down.told);
    if (over) Cut(link);
    return over;
  });
}

void FaultProxy::Run() {
  while (true) {
    Obey();
    if (stop_) break;
    std::vector<pollfd> polled = {{wake_, POLLIN, 0}};
    const bool moves = mode_ != Mode::kSilent;
    polled.push_back({listener_, static_cast<short>(moves ? POLLIN : 0), 0});
    const Time now = std::chrono::steady_clock::now();
    if (moves) {
      for (const Link& link : links_) {
        for (const auto& [in, out] : {std::pair(&link.up, &link.down), {&link.down, &link.up}}) {
          const bool writes = (!out->chunks.empty() && out->chunks.front().leaves <= now) ||
                              (out->ended && out->chunks.empty() && !out->told);
          const int events = (Wants(*in) ? POLLIN : 0) | (writes ? POLLOUT : 0);
          // Do not poll a connection that waits for nothing. poll() would report its hangup again
          // and again.
          polled.push_back({events == 0 ? -1 : in->from, static_cast<short>(events), 0});
        }
      }
    }
    poll(polled.data(), polled.size(), moves ? MillisecondsToNextChunk(now) : -1);
    if (!moves) continue;
    std::size_t next = 2;
    for (Link& link : links_) {
      const short client = polled[next++].revents;
      const short target = polled[next++].revents;
      if ((client & (POLLIN | POLLHUP | POLLERR)) != 0) Read(link.up, link);
      if ((target & (POLLIN | POLLHUP | POLLERR)) != 0) Read(link.down, link);
      if (target != 0) Write(link.up, link);
      if (client != 0) Write(link.down, link);
    }
    if (polled[1].revents != 0) Accept();
  }
  for (Link& link : links_) Cut(link);
}

void FaultProxy::Accept() {
  const int client = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (client < 0) return;
  const int target = mode_ == Mode::kRefuse || target_port_ == 0 ? -1 : Dial(target_port_);
  if (target < 0) {
    CloseWithReset(client);
    return;
  }
  SendAtOnce(client);
  Link& link = links_.emplace_back();
  link.up.from = link.down.to = client;
  link.up.to = link.down.from = target;
}

void FaultProxy::Read(Flow& flow, Link& link) {
  if (!Wants(flow)) return;
  std::string bytes(kReadAtOnce, '\0');
  const ssize_t size = recv(flow.from, bytes.data(), bytes.size(), 0);
  if (size > 0) {
    bytes.resize(static_cast<std::size_t>(size));
    flow.held += bytes.size();
    flow.chunks.push_back({std::chrono::steady_clock::now() + delay_, std::move(bytes)});
    Write(flow, link);
  } else if (size == 0) {
    flow.ended = true;
  } else if (!WouldBlock()) {
    link.broken = true;
  }
}

void FaultProxy::Write(Flow& flow, Link& link) {
  while (!flow.chunks.empty() && flow.chunks.front().leaves <= std::chrono::steady_clock::now()) {
    Chunk& chunk = flow.chunks.front();
    const ssize_t size = send(flow.to, chunk.bytes.data(), chunk.bytes.size(), MSG_NOSIGNAL);
    if (size < 0) {
      link.broken = link.broken || !WouldBlock();
      return;
    }
    const auto sent = static_cast<std::size_t>(size);
    flow.held -= sent;
    if (sent < chunk.bytes.size()) {
      chunk.bytes.erase(0, sent);
      return;
    }
    flow.chunks.pop_front();
  }
  if (flow.ended && flow.chunks.empty() && !flow.told) {
    shutdown(flow.to, SHUT_WR);
    flow.told = true;
  }
}

void FaultProxy::Cut(Link& link) {
  for (const int fd : {link.up.from, link.up.to}) CloseWithReset(fd);
}

int FaultProxy::MillisecondsToNextChunk(Time now) const {
  Time first = Time::max();
  for (const Link& link : links_) {
    for (const Flow* flow : {&link.up, &link.down}) {
      // A chunk that is already due waits for its socket, which poll() watches.
      if (flow->chunks.empty() || flow->chunks.front().leaves <= now) continue;
      first = std::min(first, flow->chunks.front().leaves);
    }
  }
  if (first == Time::max()) return -1;
  const auto wait =
      std::chrono::ceil<std::chrono::milliseconds>(first - std::chrono::steady_clock::now());
  return static_cast<int>(std::max<std::int64_t>(wait.count(), 0));
}

}  // namespace recycling::fault
