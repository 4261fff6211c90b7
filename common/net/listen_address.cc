#include "common/net/listen_address.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <optional>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace recycling {
namespace {

bool IsLoopback(const sockaddr* address) {
  if (address->sa_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(address);
    return (ntohl(v4->sin_addr.s_addr) >> 24) == 127;
  }
  const auto* v6 = reinterpret_cast<const sockaddr_in6*>(address);
  return address->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

}  // namespace

void FreeAddresses::operator()(addrinfo* list) const { freeaddrinfo(list); }

absl::StatusOr<AddressList> Resolve(const HostPort& address) {
  const std::string& host = address.host;
  const bool wildcard = host.empty() || host == "0.0.0.0" || host == "::";
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(wildcard ? nullptr : host.c_str(),
                                absl::StrCat(address.port).c_str(), &hints, &found);
  if (error != 0) return absl::UnavailableError(gai_strerror(error));
  return AddressList(found);
}

bool AllLoopback(const addrinfo* list) {
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    if (!IsLoopback(entry->ai_addr)) return false;
  }
  return true;
}

bool ListensOnThisMachine(const std::string& address) {
  if (address.starts_with("unix:")) return true;
  const std::optional<HostPort> parsed = ParseHostPort(address);
  if (!parsed.has_value()) return false;
  const absl::StatusOr<AddressList> found = Resolve(*parsed);
  return found.ok() && AllLoopback(found->get());
}

}  // namespace recycling
