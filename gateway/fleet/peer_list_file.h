#ifndef RECYCLING_GATEWAY_FLEET_PEER_LIST_FILE_H_
#define RECYCLING_GATEWAY_FLEET_PEER_LIST_FILE_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "gateway/fleet/peer_target.h"

namespace recycling::gateway {

// Reads the text of a peer list file: peers as in ParsePeerList, separated by commas or ends of
// lines; what stands behind a '#' is ignored. Errors as there.
absl::StatusOr<std::vector<PeerTarget>> ParsePeerListText(std::string_view text);

// A file that says who the peers are and may be replaced at any time. Threads: one.
class PeerListFile {
 public:
  // Reads at most 1 MiB. `at_least` peers must be listed.
  PeerListFile(std::string path, std::size_t at_least)
      : path_(std::move(path)), at_least_(at_least) {}

  // Reads the file. Unavailable if that fails, InvalidArgument if it is no peer list or too short;
  // each naming the file.
  absl::StatusOr<std::vector<PeerTarget>> Read();

  // The new list, if the file's text is another one than at the last call of Read or Poll that
  // found one. A text that is bad, or cannot be read, is logged once and changes nothing.
  std::optional<std::vector<PeerTarget>> Poll();

 private:
  absl::StatusOr<std::string> Text() const;
  absl::StatusOr<std::vector<PeerTarget>> Parse(const std::string& text) const;

  const std::string path_;
  const std::size_t at_least_;
  std::string text_;        // last seen
  std::string last_error_;  // last logged
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_FLEET_PEER_LIST_FILE_H_
