#include "common/net/target.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace recycling {

bool StaysOnThisMachine(const std::string& address) {
  if (address.starts_with("unix:")) return true;
  const std::string host = absl::AsciiStrToLower(address.substr(0, address.rfind(':')));
  if (host == "localhost") return true;
  in_addr v4 = {};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return ntohl(v4.s_addr) >> 24 == 127;
  in6_addr v6 = {};
  return host.size() > 2 && host.front() == '[' && host.back() == ']' &&
         inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &v6) == 1 &&
         IN6_IS_ADDR_LOOPBACK(&v6);
}

absl::Status CheckTarget(const std::string& what, const std::string& address) {
  const std::size_t colon = address.rfind(':');
  int port = 0;
  bool good = false;
  if (address.starts_with("unix:")) {
    good = address.size() > 5;
  } else if (colon != std::string::npos && colon > 0 &&
             absl::SimpleAtoi(address.substr(colon + 1), &port) && port >= 1 && port <= 65535) {
    const std::string host = address.substr(0, colon);
    in6_addr v6 = {};
    good = host.front() == '['
               ? host.size() > 2 && host.back() == ']' &&
                     inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &v6) == 1
               : host.find_first_not_of(
                     "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                     "0123456789.-_") == std::string::npos;
  }
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
