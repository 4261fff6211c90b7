#include "gateway/fleet/peer_log.h"

#include "absl/strings/str_cat.h"
#include "common/base/log.h"

namespace recycling::gateway {
namespace {

const char* NameOf(PeerRole role) { return role == PeerRole::kVerifier ? "verifier" : "drafter"; }

const char* MeaningOfReady(PeerRole role) {
  return role == PeerRole::kVerifier ? "requests may run on it" : "requests may draft with it";
}

const char* MeaningOfLost(PeerRole role, int ready) {
  if (role == PeerRole::kVerifier) {
    return ready > 0 ? "its requests go on at another verifier"
                     : "no verifier is ready: requests wait for one";
  }
  return ready > 0 ? "its requests draft with another drafter"
                   : "no drafter is ready: requests go on without drafts";
}

}  // namespace

void LogPeerReady(PeerRole role, const std::string& address, int ready) {
  Log(LogLevel::kInfo, absl::StrCat(NameOf(role), " ready"),
      {{"address", address}, {"ready", absl::StrCat(ready)}, {"requests", MeaningOfReady(role)}});
}

void LogPeerLost(PeerRole role, const std::string& address, const absl::Status& why, int ready) {
  Log(LogLevel::kInfo, absl::StrCat(NameOf(role), " lost"),
      {{"address", address},
       {"error", why.ToString()},
       {"ready", absl::StrCat(ready)},
       {"requests", MeaningOfLost(role, ready)}});
}

void LogPeerEjected(PeerRole role, const std::string& address, const absl::Status& last_failure) {
  Log(LogLevel::kWarning, "peer ejected",
      {{"role", NameOf(role)}, {"address", address}, {"last_failure", last_failure.ToString()}});
}

}  // namespace recycling::gateway
