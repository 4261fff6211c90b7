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

// Reads the text of a peer list file: entries as in ParsePeerList, separated by commas or line
// breaks. The rest of a line after '#' is a comment. Errors as in ParsePeerList.
absl::StatusOr<std::vector<PeerTarget>> ParsePeerListText(std::string_view text);

// A file that lists the peers and may be replaced at any time. Threads: one.
class PeerListFile {
 public:
  // The file must list at least `at_least` peers and have at most 1 MiB.
  PeerListFile(std::string path, std::size_t at_least)
      : path_(std::move(path)), at_least_(at_least) {}

  // Reads the file. Unavailable if it cannot be read; InvalidArgument if it is not a peer list, or
  // is too large or lists too few peers. Errors name the file.
  absl::StatusOr<std::vector<PeerTarget>> Read();

  // Returns the new list if the file's text has changed since the last call of Read or Poll. If the
  // text is wrong or cannot be read, logs that once and returns nothing.
  std::optional<std::vector<PeerTarget>> Poll();

 private:
  absl::StatusOr<std::string> Text() const;
  absl::StatusOr<std::vector<PeerTarget>> Parse(const std::string& text) const;

  const std::string path_;
  const std::size_t at_least_;
  std::string text_;        // the text that was read last
  std::string last_error_;  // the error that was logged last
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_FLEET_PEER_LIST_FILE_H_
