#include "common/base/host_port.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>

#include "absl/strings/ascii.h"

namespace recycling {
namespace {

bool IsNameCharacter(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-';
}

bool IsName(std::string_view text) {
  return std::all_of(text.begin(), text.end(), IsNameCharacter);
}

bool IsIpv6(const std::string& host) {
  const std::size_t percent = host.find('%');
  const bool has_zone = percent != std::string::npos;
  if (has_zone && (percent + 1 == host.size() || !IsName(host.substr(percent + 1)))) return false;
  in6_addr address = {};
  return inet_pton(AF_INET6, host.substr(0, percent).c_str(), &address) == 1;
}

}  // namespace

std::optional<HostPort> ParseHostPort(std::string_view address) {
  const std::size_t colon = address.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::string_view digits = address.substr(colon + 1);
  HostPort parsed = {.host = std::string(address.substr(0, colon)),
                     .text = std::string(address.substr(0, colon))};
  if (parsed.text.starts_with('[') && parsed.text.ends_with(']')) {
    parsed.host = parsed.text.substr(1, parsed.text.size() - 2);
    if (!IsIpv6(parsed.host)) return std::nullopt;
  } else if (!IsName(parsed.text)) {
    return std::nullopt;
  }
  const bool is_number = !digits.empty() && digits.size() <= 5 &&
                         digits.find_first_not_of("0123456789") == std::string_view::npos;
  if (!is_number) return std::nullopt;
  std::from_chars(digits.data(), digits.data() + digits.size(), parsed.port);
  if (parsed.port > 65535) return std::nullopt;
  return parsed;
}

std::optional<HostPort> ParseTarget(std::string_view address) {
  std::optional<HostPort> parsed = ParseHostPort(address);
  if (!parsed.has_value() || parsed->host.empty() || parsed->port == 0) return std::nullopt;
  return parsed;
}

}  // namespace recycling
