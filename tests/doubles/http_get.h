#ifndef RECYCLING_TESTS_DOUBLES_HTTP_GET_H_
#define RECYCLING_TESTS_DOUBLES_HTTP_GET_H_

#include <string>

#include "absl/status/statusor.h"

namespace recycling::doubles {

struct HttpAnswer {
  int code = 0;  // the HTTP status, such as 200
  std::string body;
};

// Sends one GET over a new connection to "a.b.c.d:port". Unavailable if the peer does not accept
// the connection or does not answer within a minute. Internal if the answer is not HTTP.
absl::StatusOr<HttpAnswer> HttpGet(const std::string& address, const std::string& path);

}  // namespace recycling::doubles

#endif  // RECYCLING_TESTS_DOUBLES_HTTP_GET_H_
