// The HTTP door: the OpenAI API over the same request path as gRPC.
#ifndef RECYCLING_GATEWAY_HTTP_HTTP_DOOR_H_
#define RECYCLING_GATEWAY_HTTP_HTTP_DOOR_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "common/rpc/caller_check.h"
#include "gateway/front/request_runner.h"
#include "gateway/http/http_server.h"

namespace recycling::gateway {

struct HttpDoorOptions {
  HttpServerOptions server;
  // Besides the door's own, the origin whose pages may call it: "https://chat.example". Empty:
  // none.
  std::string cors_origin;
};

// Threads: any.
class HttpDoor {
 public:
  // Serves requests with `runner`. `ready` says whether a verifier is ready. `callers` as
  // GatewayServiceOptions::callers. If they need no key, every page that a browser shows could call
  // a loopback port, so the door then refuses a Host that is neither loopback nor an address of
  // `listen`, and a foreign Origin. Errors as HttpServer::Start. `runner` and `clock` must outlive
  // the door.
  static absl::StatusOr<std::unique_ptr<HttpDoor>> Start(HttpDoorOptions options,
                                                         std::shared_ptr<const CallerCheck> callers,
                                                         std::function<bool()> ready,
                                                         RequestRunner& runner, const Clock& clock);

  // Closes all connections. Call it after RequestRunner::DrainWithin.
  virtual ~HttpDoor() = default;

  // The bound addresses as URLs with their real ports: "http://127.0.0.1:8080".
  virtual std::vector<std::string> urls() const = 0;
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_HTTP_HTTP_DOOR_H_
