#include "common/net/target.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/base/host_port.h"

namespace recycling {

bool StaysOnThisMachine(const std::string& address) {
  if (address.starts_with("unix:")) return true;
  const std::optional<HostPort> parsed = ParseHostPort(address);
  if (!parsed.has_value()) return false;
  if (absl::AsciiStrToLower(parsed->host) == "localhost") return true;
  in_addr v4 = {};
  if (inet_pton(AF_INET, parsed->host.c_str(), &v4) == 1) return ntohl(v4.s_addr) >> 24 == 127;
  in6_addr v6 = {};
  return inet_pton(AF_INET6, parsed->host.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

absl::Status CheckTarget(const std::string& what, const std::string& address) {
  const bool good =
      address.starts_with("unix:") ? address.size() > 5 : ParseTarget(address).has_value();
  if (good) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      what, ": got \"", address, "\", expected host:port, port 1 to 65535, or unix:/path"));
}

absl::Status CheckPlaintext(const std::string& what, const std::string& address,
                            bool allow_plaintext, const std::string& tls_flag) {
  if (allow_plaintext || StaysOnThisMachine(address)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(what, ": got ", address,
                                                 " in plaintext, expected TLS (", tls_flag,
                                                 "), an address on this machine, or "
                                                 "--allow_plaintext"));
}

}  // namespace recycling
