// Errors as clients of the OpenAI API expect them.
#ifndef RECYCLING_GATEWAY_HTTP_OPENAI_ERROR_H_
#define RECYCLING_GATEWAY_HTTP_OPENAI_ERROR_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "gateway/http/http_server.h"

namespace recycling::gateway {

// InvalidArgument for a field of a request. ErrorAnswer gives `param` and `code` to the client.
absl::Status InvalidField(std::string_view param, std::string_view message,
                          std::string_view code = "invalid_value");
// For a field that other servers take and this one does not: code "unsupported_parameter".
absl::Status UnsupportedField(std::string_view param, std::string_view message);

// The HTTP status for an error. 499, which no client sees, for Cancelled.
int HttpStatusOf(const absl::Status& status);

// {"error": {"message", "type", "param", "code"}} in one line. `param` is that of InvalidField or,
// if the message begins with the name of a field and a colon, this name.
std::string ErrorJson(const absl::Status& status);

// The answer to a request that ended with `status`, with Retry-After or WWW-Authenticate where
// they belong. `status` is not OK.
HttpAnswer ErrorAnswer(const absl::Status& status);
// The same for an error of HTTP itself.
HttpAnswer ErrorAnswer(int status, std::string_view message);

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_HTTP_OPENAI_ERROR_H_
