#include "gateway/fleet/peer_target.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>

#include <algorithm>
#include <memory>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/base/status_macros.h"

namespace recycling::gateway {
namespace {

absl::Status CheckHostPort(absl::string_view entry, absl::string_view host_port) {
  const std::size_t colon = host_port.rfind(':');
  int port = 0;
  const bool has_port = colon != absl::string_view::npos && colon > 0 &&
                        absl::SimpleAtoi(host_port.substr(colon + 1), &port) && port >= 1 &&
                        port <= 65535;
  const absl::string_view host = host_port.substr(0, has_port ? colon : 0);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (has_port && (bracketed || host.find_first_of(":/[] ") == absl::string_view::npos)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("peer list: got \"", entry,
                   "\", expected host:port, dns:///name:port or unix:/path, port 1 to 65535"));
}

absl::StatusOr<PeerTarget> ParseEntry(absl::string_view entry) {
  absl::string_view rest = entry;
  if (absl::ConsumePrefix(&rest, "unix:")) {
    if (!rest.empty()) return PeerTarget{.address = std::string(entry), .is_name = false};
  } else if (absl::ConsumePrefix(&rest, "dns:///")) {
    RETURN_IF_ERROR(CheckHostPort(entry, rest));
    return PeerTarget{.address = std::string(rest), .is_name = true};
  }
  RETURN_IF_ERROR(CheckHostPort(entry, rest));
  return PeerTarget{.address = std::string(rest), .is_name = false};
}

// "ip:port", or empty for another kind of address.
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
    const std::size_t colon = name_port.rfind(':');
    if (colon == std::string::npos) {
      return absl::InvalidArgumentError(
          absl::StrCat("resolve: got \"", name_port, "\" without a port"));
    }
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const int error = getaddrinfo(name_port.substr(0, colon).c_str(),
                                  name_port.substr(colon + 1).c_str(), &hints, &found);
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
