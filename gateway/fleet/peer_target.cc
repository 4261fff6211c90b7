#include "gateway/fleet/peer_target.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/base/host_port.h"
#include "common/base/status_macros.h"

namespace recycling::gateway {
namespace {

absl::StatusOr<PeerTarget> ParseEntry(absl::string_view entry) {
  absl::string_view rest = entry;
  if (absl::ConsumePrefix(&rest, "unix:") && !rest.empty()) {
    return PeerTarget{.address = std::string(entry), .is_name = false};
  }
  const bool is_name = absl::ConsumePrefix(&rest, "dns:///");
  if (ParseTarget(std::string_view(rest.data(), rest.size())).has_value()) {
    return PeerTarget{.address = std::string(rest), .is_name = is_name};
  }
  return absl::InvalidArgumentError(
      absl::StrCat("peer list: got \"", entry,
                   "\", expected host:port, dns:///name:port or unix:/path, port 1 to 65535"));
}

// "ip:port"; empty if the address is neither IPv4 nor IPv6.
std::string Format(const sockaddr* address) {
  char text[INET6_ADDRSTRLEN];
  if (address->sa_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(address);
    inet_ntop(AF_INET, &v4->sin_addr, text, sizeof(text));
    return absl::StrCat(text, ":", ntohs(v4->sin_port));
  }
  if (address->sa_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(address);
    inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof(text));
    return absl::StrCat("[", text, "]:", ntohs(v6->sin6_port));
  }
  return "";
}

class GetAddrInfoResolver final : public Resolver {
 public:
  absl::StatusOr<std::vector<std::string>> Resolve(const std::string& name_port) override {
    const std::optional<HostPort> target = ParseTarget(name_port);
    if (!target.has_value()) {
      return absl::InvalidArgumentError(
          absl::StrCat("resolve: got \"", name_port, "\", expected name:port"));
    }
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV;
    addrinfo* found = nullptr;
    const int error =
        getaddrinfo(target->host.c_str(), absl::StrCat(target->port).c_str(), &hints, &found);
    if (error != 0) {
      return absl::UnavailableError(absl::StrCat("resolve ", name_port, ": ", gai_strerror(error)));
    }
    const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, &freeaddrinfo);
    std::vector<std::string> addresses;
    for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
      std::string text = Format(entry->ai_addr);
      if (!text.empty()) addresses.push_back(std::move(text));
    }
    std::sort(addresses.begin(), addresses.end());
    addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
    if (addresses.empty()) {
      return absl::NotFoundError(absl::StrCat("resolve ", name_port, ": no addresses"));
    }
    return addresses;
  }
};

}  // namespace

absl::StatusOr<std::vector<PeerTarget>> ParsePeerList(std::string_view list) {
  std::vector<PeerTarget> targets;
  for (absl::string_view entry : absl::StrSplit(absl::string_view(list.data(), list.size()), ',')) {
    entry = absl::StripAsciiWhitespace(entry);
    if (entry.empty()) continue;
    ASSIGN_OR_RETURN(PeerTarget target, ParseEntry(entry));
    if (std::find(targets.begin(), targets.end(), target) != targets.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("peer list: got \"", entry, "\" twice, expected distinct peers"));
    }
    targets.push_back(std::move(target));
  }
  return targets;
}

Resolver& SystemResolver() {
  static auto* const resolver = new GetAddrInfoResolver;
  return *resolver;
}

}  // namespace recycling::gateway
