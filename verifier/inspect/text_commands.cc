#include <istream>
#include <limits>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "verifier/inspect/commands.h"

namespace recycling::verifier {
namespace {

// Removes the first line from `rest` and returns it.
std::string_view TakeLine(std::string_view& rest) {
  const std::size_t end = rest.find('\n');
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return line;
}

absl::StatusOr<std::vector<TokenId>> ParseIds(std::string_view line) {
  const auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!json.is_array()) {
    return absl::InvalidArgumentError("got something else, expected a JSON array of ids");
  }
  std::vector<TokenId> ids;
  for (const auto& element : json) {
    if (!element.is_number_unsigned() ||
        element.get<std::uint64_t>() > std::numeric_limits<TokenId>::max()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "got ", element.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace),
          ", expected an id"));
    }
    ids.push_back(element.get<TokenId>());
  }
  return ids;
}

absl::Status AtLine(std::uint64_t number, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat("line ", number, ": ", status.message()));
}

}  // namespace

absl::StatusOr<std::string> ReadAll(std::istream& in) {
  // Stream iterators would throw on an error; read() only sets the stream's state.
  std::string all;
  std::vector<char> piece(1 << 16);
  while (in) {
    in.read(piece.data(), static_cast<std::streamsize>(piece.size()));
    all.append(piece.data(), static_cast<std::size_t>(in.gcount()));
  }
  if (in.bad()) return absl::DataLossError("the input could not be read to its end");
  return all;
}

absl::Status Tokenize(const Tokenizer& tokenizer, const EncodeOptions& options, std::istream& in,
                      std::ostream& out) {
  ASSIGN_OR_RETURN(const std::string all, ReadAll(in));
  std::string_view rest = all;
  for (std::uint64_t number = 1; !rest.empty(); ++number) {
    const auto ids = tokenizer.Encode(TakeLine(rest), options);
    if (!ids.ok()) return AtLine(number, ids.status());
    out << nlohmann::json(*ids).dump() << '\n';
  }
  return absl::OkStatus();
}

absl::Status Detokenize(const Tokenizer& tokenizer, std::istream& in, std::ostream& out) {
  ASSIGN_OR_RETURN(const std::string all, ReadAll(in));
  std::string_view rest = all;
  for (std::uint64_t number = 1; !rest.empty(); ++number) {
    const auto ids = ParseIds(TakeLine(rest));
    if (!ids.ok()) return AtLine(number, ids.status());
    const auto text = tokenizer.Decode(*ids, /*render_control=*/true);
    if (!text.ok()) return AtLine(number, text.status());
    out << *text << '\n';
  }
  return absl::OkStatus();
}

}  // namespace recycling::verifier
