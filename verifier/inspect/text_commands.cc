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

std::string Terminator(const TextFraming& framing) {
  return framing.separator.empty() ? "\n" : "\n" + framing.separator + "\n";
}

// Takes the text before the next `terminator` off the front of `rest`.
std::string_view TakeText(std::string_view& rest, std::string_view terminator) {
  const std::size_t end = rest.find(terminator);
  const std::string_view text = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + terminator.size());
  return text;
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

absl::Status At(std::uint64_t number, const char* what, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(what, " ", number, ": ", status.message()));
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
  if (in.bad()) return absl::DataLossError("the input could not be read whole");
  return all;
}

absl::Status Tokenize(const Tokenizer& tokenizer, const EncodeOptions& options,
                      const TextFraming& framing, std::istream& in, std::ostream& out) {
  const std::string terminator = Terminator(framing);
  ASSIGN_OR_RETURN(const std::string all, ReadAll(in));
  std::string_view rest = all;
  for (std::uint64_t number = 1; !rest.empty(); ++number) {
    const auto ids = tokenizer.Encode(TakeText(rest, terminator), options);
    if (!ids.ok()) return At(number, "text", ids.status());
    out << nlohmann::json(*ids).dump() << '\n';
  }
  return absl::OkStatus();
}

absl::Status Detokenize(const Tokenizer& tokenizer, const TextFraming& framing, std::istream& in,
                        std::ostream& out) {
  const std::string terminator = Terminator(framing);
  ASSIGN_OR_RETURN(const std::string all, ReadAll(in));
  std::string_view rest = all;
  for (std::uint64_t number = 1; !rest.empty(); ++number) {
    const auto ids = ParseIds(TakeText(rest, "\n"));
    if (!ids.ok()) return At(number, "line", ids.status());
    const auto text = tokenizer.Decode(*ids, /*render_control=*/true);
    if (!text.ok()) return At(number, "line", text.status());
    out << *text << terminator;
  }
  return absl::OkStatus();
}

}  // namespace recycling::verifier
