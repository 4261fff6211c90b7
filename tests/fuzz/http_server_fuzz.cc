// A server must answer any bytes with whole answers, or close the connection.
//
// Input: a byte that says where the bytes after it are split into two packets, and these bytes.
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "gateway/http/http_server.h"
#include "tests/fuzz/proto_fuzz.h"

namespace {

using namespace recycling::gateway;  // NOLINT: a program of one file

constexpr std::size_t kMostBody = 1000;

std::unique_ptr<HttpServer> MakeServer() {
  HttpHandlers handlers;
  handlers.check = [](const HttpRequest& head) -> std::optional<HttpAnswer> {
    FUZZ_CHECK(head.path.find('?') == std::string::npos);
    if (head.path == "/no") return HttpAnswer{.status = 403, .headers = {}, .body = "no"};
    return std::nullopt;
  };
  handlers.handle = [](HttpRequest request, std::shared_ptr<HttpReply> reply) {
    FUZZ_CHECK(request.body.size() <= kMostBody);
    if (request.path == "/stream") {
      reply->StartStream({.headers = {}, .body = ""});
      reply->Write(request.body);
      reply->End();
      return;
    }
    reply->Send({.headers = {}, .body = std::move(request.body)});
  };
  handlers.refuse = [](int status, const std::string& message) {
    FUZZ_CHECK(status >= 400 && status < 500);
    return HttpAnswer{.status = status, .headers = {}, .body = message};
  };
  auto server = HttpServer::Start({.listen = {"127.0.0.1:0"}, .max_body_bytes = kMostBody},
                                  std::move(handlers), recycling::RealClock());
  FUZZ_CHECK(server.ok());
  return *std::move(server);
}

// A loopback address.
sockaddr_in Address(std::uint32_t number, std::uint32_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + number);
  return address;
}

std::uint32_t PortOf(const HttpServer& server) {
  const std::string& address = server.addresses()[0];
  std::uint32_t port = 0;
  FUZZ_CHECK(absl::SimpleAtoi(address.substr(address.rfind(':') + 1), &port));
  return port;
}

const sockaddr* Generic(const sockaddr_in& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

// A new connection. Each comes from another address, because a connection that the server has
// closed keeps its pair of ports for a minute.
int Connect(std::uint32_t port) {
  static std::uint32_t connections = 0;
  const sockaddr_in from = Address(++connections % (1 << 20), 0);
  const sockaddr_in to = Address(0, port);
  const int connection = socket(AF_INET, SOCK_STREAM, 0);
  FUZZ_CHECK(bind(connection, Generic(from), sizeof(from)) == 0);
  if (connect(connection, Generic(to), sizeof(to)) == 0) return connection;
  // The fuzzer's timer may interrupt a connect on a busy machine. It goes on in the background.
  if (errno != EINTR) std::perror("connect");
  FUZZ_CHECK(errno == EINTR);
  pollfd state = {.fd = connection, .events = POLLOUT, .revents = 0};
  while (poll(&state, 1, -1) != 1) FUZZ_CHECK(errno == EINTR);
  int error = 0;
  socklen_t size = sizeof(error);
  FUZZ_CHECK(getsockopt(connection, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0);
  return connection;
}

// Sends what the server still takes. It may have closed the connection after the first packet.
void Send(int connection, std::string_view bytes) {
  send(connection, bytes.data(), bytes.size(), MSG_NOSIGNAL);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const HttpServer& server = *MakeServer().release();
  static const std::uint32_t port = PortOf(server);
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  const std::size_t split = std::min<std::size_t>(data[0], bytes.size());
  const int connection = Connect(port);
  Send(connection, bytes.substr(0, split));
  Send(connection, bytes.substr(split));
  shutdown(connection, SHUT_WR);
  std::string answers;
  char buffer[4096];
  for (ssize_t got = 0; (got = recv(connection, buffer, sizeof(buffer), 0)) > 0;) {
    answers.append(buffer, static_cast<std::size_t>(got));
  }
  close(connection);
  FUZZ_CHECK(answers.empty() || answers.starts_with("HTTP/1.1 "));
  return 0;
}
