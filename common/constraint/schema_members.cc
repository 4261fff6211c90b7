#include "common/constraint/schema_members.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/constraint/matcher.h"
#include "common/constraint/pattern.h"

namespace recycling::constraint {
namespace {

constexpr std::size_t kMostPatterns = 16;  // of patternProperties

// The schemas of a member of `name`, as one schema says it.
absl::StatusOr<Places> MemberIn(const Place& place, const std::string& name) {
  const Json& schema = *place.schema;
  Places found;
  if (const auto members = schema.find("properties");
      members != schema.end() && members->is_object() && members->contains(name)) {
    found.push_back(
        {.schema = &(*members)[name], .path = absl::StrCat(place.path, ".properties.", name)});
  }
  ASSIGN_OR_RETURN(const auto patterns, PatternsIn(place));
  for (const NamePattern& pattern : patterns) {
    Matcher matcher(pattern.grammar);
    const std::string body = NameText(name);
    if (matcher.accepts(matcher.Next(matcher.start(), body))) found.push_back(pattern.value);
  }
  if (found.empty()) {
    const Place others = OthersIn(place);
    if (others.schema != nullptr) found.push_back(others);
  }
  return found;
}

absl::Status FindValue(const Places& places, Member& member) {
  for (const Place& place : places) {
    ASSIGN_OR_RETURN(Places value, MemberIn(place, member.name));
    member.value.insert(member.value.end(), value.begin(), value.end());
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<Member>> MembersOf(const Places& places) {
  std::vector<Member> members;
  std::map<std::string, std::size_t> by_name;
  const auto find = [&](const std::string& name) -> Member& {
    const auto [known, is_new] = by_name.try_emplace(name, members.size());
    if (is_new) members.push_back({.name = name, .value = {}});
    return members[known->second];
  };
  for (const Place& place : places) {
    const auto properties = place.schema->find("properties");
    if (properties == place.schema->end()) continue;
    if (!properties->is_object()) return SchemaError(place.path, "properties: expected an object");
    for (const auto& item : properties->items()) find(item.key());
  }
  for (const Place& place : places) {
    const auto required = place.schema->find("required");
    if (required == place.schema->end() || required->is_boolean()) continue;
    if (!required->is_array()) return SchemaError(place.path, "required: expected a list");
    for (const Json& name : *required) {
      if (!name.is_string()) return SchemaError(place.path, "required: expected names");
      find(name.get<std::string>()).required = true;
    }
  }
  for (Member& member : members) RETURN_IF_ERROR(FindValue(places, member));
  return members;
}

absl::Status AddMissingMembers(const Places& places, const std::vector<Member>& others,
                               std::vector<Member>& members) {
  std::set<std::string> names;
  for (const Member& member : members) names.insert(member.name);
  for (const Member& other : others) {
    if (!names.insert(other.name).second) continue;
    Member member{.name = other.name, .value = {}};
    RETURN_IF_ERROR(FindValue(places, member));
    members.push_back(std::move(member));
  }
  return absl::OkStatus();
}

bool IsNever(const Member& member) {
  return std::any_of(member.value.begin(), member.value.end(), [](const Place& value) {
    return value.schema->is_boolean() && !value.schema->get<bool>();
  });
}

std::string NameText(const std::string& name) {
  const std::string text = Json(name).dump();
  return text.substr(1, text.size() - 2);
}

absl::StatusOr<std::vector<NamePattern>> PatternsIn(const Place& place) {
  std::vector<NamePattern> patterns;
  const auto found = place.schema->find("patternProperties");
  if (found == place.schema->end()) return patterns;
  if (!found->is_object() || found->size() > kMostPatterns) {
    return SchemaError(place.path,
                       absl::StrCat("patternProperties: expected an object with at most ",
                                    kMostPatterns, " patterns"));
  }
  for (const auto& [text, value] : found->items()) {
    const std::string path = absl::StrCat(place.path, ".patternProperties");
    auto pattern = ParsePattern(text, JsonChar);
    if (!pattern.ok()) return SchemaError(path, std::string(pattern.status().message()));
    ASSIGN_OR_RETURN(Expression perhaps, ParsePattern(text, JsonChar, Dialects::kAny));
    GrammarBuilder builder;
    const RuleId root = builder.Add("name", perhaps);
    auto grammar = builder.Build(root);
    if (!grammar.ok()) return SchemaError(path, std::string(grammar.status().message()));
    patterns.push_back({.name = *std::move(pattern),
                        .perhaps = std::move(perhaps),
                        .grammar = *std::move(grammar),
                        .value = {.schema = &value, .path = path}});
  }
  return patterns;
}

Place OthersIn(const Place& place) {
  const auto others = place.schema->find("additionalProperties");
  return {.schema = others == place.schema->end() ? nullptr : &*others,
          .path = absl::StrCat(place.path, ".additionalProperties")};
}

}  // namespace recycling::constraint
