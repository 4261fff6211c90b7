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

// A schema with its patternProperties.
struct PlaceWithPatterns {
  Place place;
  std::vector<NamePattern> patterns;
};

absl::StatusOr<std::vector<PlaceWithPatterns>> WithPatterns(const Places& places) {
  std::vector<PlaceWithPatterns> result;
  for (const Place& place : places) {
    ASSIGN_OR_RETURN(std::vector<NamePattern> patterns, PatternsIn(place));
    result.push_back({.place = place, .patterns = std::move(patterns)});
  }
  return result;
}

bool Matches(const std::shared_ptr<const Grammar>& grammar, const std::string& text) {
  Matcher matcher(grammar);
  return matcher.accepts(matcher.Next(matcher.start(), text));
}

// Adds the schemas of a member, as one schema says it.
absl::Status AddSchemas(const PlaceWithPatterns& one, Member& member) {
  const Place& place = one.place;
  const std::size_t before = member.value.size();
  if (const auto members = place.schema->find("properties");
      members != place.schema->end() && members->is_object() && members->contains(member.name)) {
    member.value.push_back(
        {.schema = &(*members)[member.name],
         .path = SubPath(place.path, absl::StrCat(".properties.", member.name))});
  }
  const std::string text = NameText(member.name);
  for (const NamePattern& pattern : one.patterns) {
    if (!Matches(pattern.any_dialect, text)) continue;
    if (!Matches(pattern.all_dialects, text)) {
      return SchemaError(place.path, absl::StrCat("patternProperties: whether the name ", text,
                                                  " matches depends on the dialect of patterns"));
    }
    member.value.push_back(pattern.value);
  }
  if (member.value.size() > before) return absl::OkStatus();
  Place others = OthersIn(place);
  if (others.schema != nullptr) member.value.push_back(std::move(others));
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
    if (required == place.schema->end()) continue;
    if (!required->is_array()) return SchemaError(place.path, "required: expected a list");
    for (const Json& name : *required) {
      if (!name.is_string()) return SchemaError(place.path, "required: expected names");
      find(name.get<std::string>()).required = true;
    }
  }
  ASSIGN_OR_RETURN(const auto schemas, WithPatterns(places));
  for (Member& member : members) {
    for (const PlaceWithPatterns& one : schemas) RETURN_IF_ERROR(AddSchemas(one, member));
  }
  return members;
}

absl::Status AddMissingMembers(const Places& places, const std::vector<Member>& others,
                               std::vector<Member>& members) {
  std::set<std::string> names;
  for (const Member& member : members) names.insert(member.name);
  ASSIGN_OR_RETURN(const auto schemas, WithPatterns(places));
  for (const Member& other : others) {
    if (!names.insert(other.name).second) continue;
    Member member{.name = other.name, .value = {}};
    for (const PlaceWithPatterns& one : schemas) RETURN_IF_ERROR(AddSchemas(one, member));
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
  const std::string path = SubPath(place.path, ".patternProperties");
  for (const auto& [text, value] : found->items()) {
    NamePattern pattern;
    pattern.value = {.schema = &value, .path = path};
    for (const Dialects dialects : {Dialects::kAll, Dialects::kAny}) {
      const bool all = dialects == Dialects::kAll;
      auto name = ParsePattern(text, JsonChar, dialects);
      if (!name.ok()) return SchemaError(path, std::string(name.status().message()));
      (all ? pattern.name : pattern.perhaps) = *name;
      auto grammar = GrammarOf(*std::move(name));
      if (!grammar.ok()) return SchemaError(path, std::string(grammar.status().message()));
      (all ? pattern.all_dialects : pattern.any_dialect) = *std::move(grammar);
    }
    patterns.push_back(std::move(pattern));
  }
  return patterns;
}

Place OthersIn(const Place& place) {
  const auto others = place.schema->find("additionalProperties");
  return {.schema = others == place.schema->end() ? nullptr : &*others,
          .path = SubPath(place.path, ".additionalProperties")};
}

}  // namespace recycling::constraint
