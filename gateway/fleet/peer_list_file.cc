#include "gateway/fleet/peer_list_file.h"

#include <fstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"

namespace recycling::gateway {
namespace {

constexpr std::size_t kMostBytes = 1 << 20;

}  // namespace

absl::StatusOr<std::vector<PeerTarget>> ParsePeerListText(std::string_view text) {
  std::string list;
  for (absl::string_view line : absl::StrSplit(absl::string_view(text.data(), text.size()), '\n')) {
    absl::StrAppend(&list, line.substr(0, line.find('#')), ",");
  }
  return ParsePeerList(list);
}

absl::StatusOr<std::string> PeerListFile::Text() const {
  std::ifstream file(path_, std::ios::binary);
  std::string text(kMostBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad() || (file.fail() && !file.eof())) {
    return absl::UnavailableError(absl::StrCat("peer list: cannot read ", path_));
  }
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > kMostBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(path_, ": got more than ", kMostBytes, " bytes, expected a peer list"));
  }
  return text;
}

absl::StatusOr<std::vector<PeerTarget>> PeerListFile::Parse(const std::string& text) const {
  auto targets = ParsePeerListText(text);
  if (!targets.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(path_, ": ", targets.status().message()));
  }
  if (targets->size() < at_least_) {
    return absl::InvalidArgumentError(
        absl::StrCat(path_, ": got ", targets->size(), " peers, expected at least ", at_least_));
  }
  return targets;
}

absl::StatusOr<std::vector<PeerTarget>> PeerListFile::Read() {
  ASSIGN_OR_RETURN(std::string text, Text());
  ASSIGN_OR_RETURN(auto targets, Parse(text));
  text_ = std::move(text);
  return targets;
}

std::optional<std::vector<PeerTarget>> PeerListFile::Poll() {
  const auto text = Text();
  if (text.ok() && *text == text_) return std::nullopt;
  if (text.ok()) text_ = *text;
  auto targets = text.ok() ? Parse(text_) : text.status();
  if (!targets.ok()) {
    if (last_error_ != targets.status().message()) {
      last_error_ = std::string(targets.status().message());
      Log(LogLevel::kWarning, "the peer list is wrong; the gateway keeps the last valid list",
          {{"error", last_error_}});
    }
    return std::nullopt;
  }
  last_error_.clear();
  Log(LogLevel::kInfo, "peer list taken",
      {{"file", path_}, {"peers", absl::StrCat(targets->size())}});
  return *std::move(targets);
}

}  // namespace recycling::gateway
