// A schema, a pattern or a grammar of any bytes must be refused, or describe texts that can be
// walked: no state is a dead end, and what a schema allows is JSON.
//
// Input: one byte that says which of the three, the text, then, after a zero byte, bytes that
// choose the way of a walk.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "common/constraint/gbnf.h"
#include "common/constraint/json_schema.h"
#include "common/constraint/matcher.h"
#include "common/constraint/pattern.h"
#include "common/constraint/token_masks.h"

namespace {

using namespace recycling::constraint;  // NOLINT(google-build-using-namespace)

absl::StatusOr<std::shared_ptr<const Grammar>> Compile(char kind, const std::string& text) {
  if (kind % 3 == 0) return CompileJsonSchema(text);
  if (kind % 3 == 1) return ParseGbnf(text);
  const auto expression = ParsePattern(text, &Expression::Chars);
  if (!expression.ok()) return expression.status();
  return GrammarOf(*expression);
}

const std::shared_ptr<const TokenTrie>& Trie() {
  static const auto* const trie =
      new std::shared_ptr<const TokenTrie>(std::make_shared<TokenTrie>(std::vector<std::string>{
          "",  "{",  "}", "\"",   "{\"", "\": ", "a",  "aa",   "aaaa", "ab\"",     "\"}",   ", ",
          "1", "12", "-", "null", "[",   "]]",   "\n", "\xc3", "\xa9", "\xc3\xa9", "\", \""}));
  return *trie;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string input(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::size_t end = std::min(input.find('\0'), input.size());
  const auto grammar = Compile(static_cast<char>(data[0] % 3), input.substr(0, end));
  if (!grammar.ok()) {
    if (grammar.status().code() != absl::StatusCode::kInvalidArgument) std::abort();
    return 0;
  }
  Matcher matcher(*grammar, 4 << 20);
  TokenMasks masks(*grammar, Trie(), 1 << 20);
  StateId state = matcher.start();
  std::string text;
  for (std::size_t at = end; at < end + 300; ++at) {
    const auto next = matcher.NextBytes(state);
    if (matcher.accepts(state) && data[0] % 3 == 0 && !nlohmann::json::accept(text)) std::abort();
    if (next.empty()) {
      if (!matcher.accepts(state)) std::abort();
      break;
    }
    if (at % 16 == 0) {
      const TokenMask mask = masks.Of(matcher, state);
      if (matcher.overflowed()) break;
      if (mask.Has(6) != (matcher.Next(state, "a") != kDead)) std::abort();
      if (mask.Has(9) != (matcher.Next(state, "ab\"") != kDead)) std::abort();
    }
    const std::size_t choice = at < input.size() ? static_cast<std::uint8_t>(input[at]) : at;
    const auto range = next[choice % next.size()];
    const auto byte = static_cast<std::uint8_t>(
        range.first + choice / next.size() % (std::size_t{range.last} - range.first + 1));
    const std::optional<std::uint8_t> only = matcher.OnlyByte(state);
    if (only.has_value() && *only != byte) std::abort();
    state = matcher.Next(state, byte);
    if (matcher.overflowed()) break;
    if (state == kDead) std::abort();
    text.push_back(static_cast<char>(byte));
  }
  return 0;
}
