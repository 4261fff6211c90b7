// An HTTP/1.1 server without knowledge of what it serves. Everything that a client can make large
// or slow is bounded: connections, header, body, the time that a request may take to arrive, idle
// time.
#ifndef RECYCLING_GATEWAY_HTTP_HTTP_SERVER_H_
#define RECYCLING_GATEWAY_HTTP_HTTP_SERVER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/net/tls_credentials.h"
#include "gateway/front/slow_readers.h"

namespace recycling::gateway {

struct HttpServerOptions {
  std::vector<std::string> listen;  // as ListenerOptions::addresses
  // Without it nothing is encrypted. The server does not check allowed_names; HttpHandlers::check
  // must.
  std::optional<ServerTlsOptions> tls;
  bool allow_plaintext = false;  // without TLS, on other addresses than loopback
  // If one more comes, the server closes one that waits for a whole request, if there is one: of
  // those that were never served, the one that has waited longest. If there is none, or more than
  // half of all wait and were served before, it is one of these.
  int max_connections = 1024;
  std::size_t max_header_bytes = 16 << 10;
  std::size_t max_body_bytes = 8 << 20;
  // Of all requests that are arriving. If they have more, the server refuses the largest one.
  std::size_t max_all_bodies_bytes = 256 << 20;
  absl::Duration request_timeout = absl::Seconds(30);  // from a request's first byte to its last
  absl::Duration idle_timeout = absl::Seconds(60);     // between two requests
  absl::Duration write_timeout = absl::Seconds(30);    // of an answer that is no stream
};

// The header of a request, or, with `body`, the whole.
struct HttpRequest {
  std::string method;
  std::string path;  // without the query
  std::string host;
  std::optional<std::string> origin;
  std::string content_type;
  std::vector<std::string> authorization;
  std::vector<std::string> certificate_names;  // of a client certificate that TLS has verified
  std::string traceparent;
  std::string requested_headers;  // Access-Control-Request-Headers
  std::string body;
};

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;  // names and values

struct HttpAnswer {
  int status = 200;
  std::string content_type = "application/json";
  HttpHeaders headers;
  std::string body;
};

// Where the answer to one request goes: one Send; or StartStream, any number of Write, End. No
// method blocks. Threads: any.
class HttpReply {
 public:
  virtual ~HttpReply() = default;

  virtual void Send(HttpAnswer answer) = 0;

  // Begins an answer whose length is not known.
  virtual void StartStream(HttpAnswer head) = 0;
  virtual void Write(std::string bytes) = 0;
  virtual void End() = 0;

  // Closes the connection at once, after which `gone` is called. False if all was written before,
  // or this was called before.
  virtual bool Drop() = 0;

  // `gone` is called once, when the connection is closed before all of the answer was written; at
  // once if it has been already. It replaces the function of an earlier call.
  virtual void OnGone(std::function<void()> gone) = 0;

  // What was given to this object and the client's system has not taken yet.
  virtual UnreadOutput Unread() const = 0;
  // Whether the client's system has taken everything, or the connection is closed.
  virtual bool done() const = 0;
};

struct HttpHandlers {
  // Called with the header alone. An answer refuses the request before its body is read.
  std::function<std::optional<HttpAnswer>(const HttpRequest& head)> check;
  // Called with the whole request. Must not block.
  std::function<void(HttpRequest request, std::shared_ptr<HttpReply> reply)> handle;
  // The answer for a request that cannot be read.
  std::function<HttpAnswer(int status, const std::string& message)> refuse;
};

// Threads: any.
class HttpServer {
 public:
  // Serves on its own thread, which calls `handlers`. Errors as Listener::Bind and
  // TlsServerContext::Create. `clock` must outlive the server.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(HttpServerOptions options,
                                                           HttpHandlers handlers,
                                                           const Clock& clock);

  // Closes all connections. Afterwards no handler is called, and replies do nothing.
  virtual ~HttpServer() = default;

  // The bound addresses, with their real ports.
  virtual const std::vector<std::string>& addresses() const = 0;
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_HTTP_HTTP_SERVER_H_
