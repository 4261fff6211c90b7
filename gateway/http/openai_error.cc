#include "gateway/http/openai_error.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "common/base/retry_delay.h"

namespace recycling::gateway {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kParam[] = "recycling/param";
constexpr char kCode[] = "recycling/code";

std::optional<std::string> Payload(const absl::Status& status, const char* name) {
  const auto payload = status.GetPayload(name);
  if (!payload.has_value()) return std::nullopt;
  return std::string(*payload);
}

// Fields whose names differ between gRPC, whose checks write the messages, and HTTP.
constexpr std::pair<std::string_view, std::string_view> kNames[] = {
    {"prompt_ids", "prompt"},
    {"repetition_penalty", "repeat_penalty"},
    {"schema", "response_format"},
    {"constraint", "response_format"},
    {"node_budget", "speculation.nodes"}};

// The field that a message such as "max_tokens: got 0, expected at least 1" begins with.
std::optional<std::string> FieldOf(std::string_view message) {
  const std::size_t colon = message.find(':');
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  const std::string_view name = message.substr(0, colon);
  const bool is_name = std::all_of(name.begin(), name.end(), [](char byte) {
    return absl::ascii_isalnum(static_cast<unsigned char>(byte)) || byte == '_' || byte == '.' ||
           byte == '[' || byte == ']';
  });
  return is_name ? std::optional<std::string>(name) : std::nullopt;
}

// The message with the name that its field has in HTTP.
std::string WithHttpName(std::string_view message) {
  for (const auto& [grpc, http] : kNames) {
    if (message.starts_with(grpc) && message.substr(grpc.size()).starts_with(':')) {
      return absl::StrCat(std::string(http), std::string(message.substr(grpc.size())));
    }
  }
  return std::string(message);
}

const char* TypeOf(int status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 429:
      return "rate_limit_error";
    case 503:
      return "unavailable_error";
    default:
      return status < 500 ? "invalid_request_error" : "server_error";
  }
}

std::string Object(int status, std::string_view message, const Json& param, const Json& code) {
  const Json error = {{"error",
                       {{"message", std::string(message)},
                        {"type", TypeOf(status)},
                        {"param", param},
                        {"code", code}}}};
  return error.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json OrNull(const std::optional<std::string>& text) {
  return text.has_value() ? Json(*text) : Json(nullptr);
}

}  // namespace

absl::Status InvalidField(std::string_view param, std::string_view message, std::string_view code) {
  absl::Status status =
      absl::InvalidArgumentError(absl::StrCat(std::string(param), ": ", std::string(message)));
  status.SetPayload(kParam, absl::Cord(std::string(param)));
  status.SetPayload(kCode, absl::Cord(std::string(code)));
  return status;
}

absl::Status UnsupportedField(std::string_view param, std::string_view message) {
  return InvalidField(param, message, "unsupported_parameter");
}

int HttpStatusOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kOutOfRange:
      return 400;
    case absl::StatusCode::kUnauthenticated:
      return 401;
    case absl::StatusCode::kPermissionDenied:
      return 403;
    case absl::StatusCode::kNotFound:
      return 404;
    case absl::StatusCode::kResourceExhausted:
      return 429;
    case absl::StatusCode::kCancelled:
      return 499;
    case absl::StatusCode::kUnavailable:
      return 503;
    case absl::StatusCode::kDeadlineExceeded:
      return 504;
    default:
      return 500;
  }
}

std::string ErrorJson(const absl::Status& status) {
  const std::string message = WithHttpName(std::string(status.message()));
  std::optional<std::string> param = Payload(status, kParam);
  std::optional<std::string> code = Payload(status, kCode);
  if (absl::IsInvalidArgument(status)) {
    if (!param.has_value()) param = FieldOf(message);
    if (!code.has_value()) code = "invalid_value";
  }
  return Object(HttpStatusOf(status), message, OrNull(param), OrNull(code));
}

HttpAnswer ErrorAnswer(const absl::Status& status) {
  HttpAnswer answer{.status = HttpStatusOf(status), .headers = {}, .body = ErrorJson(status)};
  if (answer.status == 401) answer.headers.emplace_back("WWW-Authenticate", "Bearer");
  if (answer.status == 429 || answer.status == 503) {
    const absl::Duration delay = RetryDelay(status).value_or(absl::Seconds(1));
    const double seconds = std::max(1.0, std::ceil(absl::ToDoubleSeconds(delay)));
    answer.headers.emplace_back("Retry-After", absl::StrCat(static_cast<std::int64_t>(seconds)));
  }
  return answer;
}

HttpAnswer ErrorAnswer(int status, std::string_view message) {
  return {.status = status, .headers = {}, .body = Object(status, message, nullptr, nullptr)};
}

}  // namespace recycling::gateway
