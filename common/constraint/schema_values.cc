#include "common/constraint/schema_values.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/constraint/intersection.h"
#include "common/constraint/json_text.h"
#include "common/constraint/pattern.h"
#include "common/constraint/string_formats.h"

namespace recycling::constraint {
namespace {

// Whether a part of a pattern is always one character. JsonChar writes it as a choice of
// characters and of escapes, which are texts that begin with a backslash.
bool IsOneChar(const Expression& part) {
  if (part.kind() == Expression::Kind::kChars) return true;
  if (part.kind() == Expression::Kind::kBytes) {
    return part.bytes().size() > 1 && part.bytes()[0] == '\\';
  }
  return part.kind() == Expression::Kind::kChoice &&
         std::all_of(part.parts().begin(), part.parts().end(), [](const Expression& choice) {
           return choice.kind() != Expression::Kind::kChoice && IsOneChar(choice);
         });
}

// If `all` is one pattern such as ^[a-z]*$, the same pattern with the bounds of the length.
// Otherwise an intersection is needed, which has a state for each length.
std::optional<Expression> CountChars(const std::vector<Expression>& all, const Facts& facts) {
  if (all.size() != 1 || all[0].kind() != Expression::Kind::kRepeat ||
      !IsOneChar(all[0].parts()[0])) {
    return std::nullopt;
  }
  return Expression::Repeat(all[0].parts()[0], std::max(all[0].least(), facts.least_chars),
                            std::min(all[0].most(), facts.most_chars));
}

}  // namespace

absl::StatusOr<Expression> IntegerOf(const Facts& facts, std::size_t& states_left) {
  const Expression all = JsonInteger(facts.range);
  if (facts.multiple == 1) return all;
  // Numbers by their remainder: state 0 is the beginning, 1 is behind the sign, and r + 2 is the
  // remainder r.
  auto multiples = std::make_shared<ByteAutomaton>();
  multiples->states.resize(facts.multiple + 2);
  for (std::uint32_t state = 0; state < multiples->states.size(); ++state) {
    const std::uint32_t before = state < 2 ? 0 : state - 2;
    for (std::uint32_t digit = 0; digit < 10; ++digit) {
      const auto byte = static_cast<std::uint8_t>('0' + digit);
      multiples->states[state].edges.push_back(
          {.bytes = {byte, byte}, .target = 2 + (before * 10 + digit) % facts.multiple});
    }
  }
  multiples->states[0].edges.push_back({.bytes = {'-', '-'}, .target = 1});
  multiples->states[2].accepts = true;
  return Intersect({all, Expression::Of(std::move(multiples))}, {}, states_left);
}

absl::StatusOr<Expression> StringOf(const Facts& facts, std::size_t& states_left) {
  if (facts.patterns.empty() && facts.formats.empty()) {
    return JsonString(facts.least_chars, facts.most_chars);
  }
  std::vector<Expression> all;
  for (const std::string& format : facts.formats) {
    const std::string_view pattern = PatternOfFormat(format);
    if (pattern.empty()) {
      return SchemaError(facts.path, absl::StrCat("format: \"", format, "\" is not supported"));
    }
    ASSIGN_OR_RETURN(Expression one, ParsePattern(pattern, JsonChar));
    all.push_back(std::move(one));
  }
  for (const std::string& pattern : facts.patterns) {
    auto one = ParsePattern(pattern, JsonChar);
    if (!one.ok()) return SchemaError(facts.path, std::string(one.status().message()));
    all.push_back(*std::move(one));
  }
  if (facts.least_chars > 0 || facts.most_chars != kUnbounded) {
    if (const auto counted = CountChars(all, facts)) {
      all = {*counted};
    } else {
      all.push_back(
          Expression::Repeat(JsonChar(CodePointSet::All()), facts.least_chars, facts.most_chars));
    }
  }
  Expression body = all[0];
  if (all.size() > 1) {
    auto both = Intersect(all, {}, states_left);
    if (!both.ok()) return SchemaError(facts.path, std::string(both.status().message()));
    body = *std::move(both);
  }
  return Expression::Sequence({Expression::Text("\""), body, Expression::Text("\"")});
}

Expression OneOfTexts(const std::vector<std::string>& texts) {
  auto trie = std::make_shared<ByteAutomaton>();
  trie->states.emplace_back();
  std::map<std::pair<std::uint32_t, std::uint8_t>, std::uint32_t> edges;
  for (const std::string& text : texts) {
    std::uint32_t state = 0;
    for (const char letter : text) {
      const auto byte = static_cast<std::uint8_t>(letter);
      const auto [edge, is_new] =
          edges.try_emplace({state, byte}, static_cast<std::uint32_t>(trie->states.size()));
      if (is_new) {
        trie->states[state].edges.push_back({.bytes = {byte, byte}, .target = edge->second});
        trie->states.emplace_back();
      }
      state = edge->second;
    }
    trie->states[state].accepts = true;
  }
  return Expression::Of(std::move(trie));
}

}  // namespace recycling::constraint
