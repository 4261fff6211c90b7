#include "common/constraint/schema_facts.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/status_macros.h"

namespace recycling::constraint {
namespace {

// Keywords that constrain and are not supported.
constexpr std::array<std::string_view, 16> kUnsupported = {"not",
                                                           "if",
                                                           "propertyNames",
                                                           "dependentRequired",
                                                           "dependentSchemas",
                                                           "dependencies",
                                                           "contains",
                                                           "minContains",
                                                           "maxContains",
                                                           "unevaluatedItems",
                                                           "unevaluatedProperties",
                                                           "$dynamicRef",
                                                           "$recursiveRef",
                                                           "extends",
                                                           "disallow",
                                                           "divisibleBy"};

// A value as this constraint writes it.
std::string WriteList(const Json& value, char open, char close) {
  std::string text(1, open);
  for (const auto& [key, item] : value.items()) {
    if (text.size() > 1) text += ", ";
    if (value.is_object()) absl::StrAppend(&text, Json(key).dump(), ": ");
    absl::StrAppend(&text, WriteJson(item));
  }
  return text + close;
}

absl::StatusOr<std::uint32_t> CountOf(const Json& value, const std::string& path,
                                      std::string_view key) {
  constexpr double kMost = 1 << 30;
  if (!value.is_number() || value.get<double>() < 0 ||
      value.get<double>() !=
          static_cast<double>(static_cast<std::int64_t>(std::min(value.get<double>(), 1e15)))) {
    return SchemaError(path, absl::StrCat(std::string(key), ": expected a whole number"));
  }
  return static_cast<std::uint32_t>(std::min(value.get<double>(), kMost));
}

absl::StatusOr<Types> TypesOf(const Json& value, const std::string& path) {
  if (value.is_array()) {
    Types types = 0;
    for (const Json& one : value) {
      if (!one.is_string()) return SchemaError(path, "type: expected names of types");
      ASSIGN_OR_RETURN(const Types more, TypesOf(one, path));
      types |= more;
    }
    return types;
  }
  const std::map<std::string, Types> names = {
      {"null", kNull},     {"boolean", kBoolean}, {"object", kObject}, {"array", kArray},
      {"string", kString}, {"integer", kInteger}, {"number", kNumber}};
  const auto found = value.is_string() ? names.find(value.get<std::string>()) : names.end();
  if (found == names.end()) {
    return SchemaError(
        path, absl::StrCat("type: got ", WriteJson(value), ", expected the name of a type"));
  }
  return found->second;
}

void AddValues(const std::vector<Json>& values, Facts& facts) {
  std::vector<Json> both;
  std::set<std::string> texts;
  for (const Json& value : values) {
    std::string text = CanonicalJson(value);
    const bool allowed = !facts.values.has_value() || facts.value_texts.count(text) > 0;
    if (allowed && texts.insert(std::move(text)).second) both.push_back(value);
  }
  facts.values = std::move(both);
  facts.value_texts = std::move(texts);
}

absl::Status AddMultiple(const std::string& path, const Json& value, Facts& facts) {
  constexpr std::uint32_t kMostMultiple = 1000;
  const auto decimal = value.is_number() ? ParseDecimal(value.dump()) : std::optional<Decimal>();
  if (!decimal.has_value() || decimal->negative ||
      (decimal->whole == "0" && decimal->fraction.empty())) {
    return SchemaError(path, "multipleOf: expected a number above 0");
  }
  std::uint32_t whole = 0;
  if (decimal->fraction.empty() && absl::SimpleAtoi(decimal->whole, &whole) &&
      whole <= kMostMultiple && (facts.multiple == 1 || facts.multiple == whole)) {
    facts.multiple = whole;
    facts.types &= ~static_cast<Types>(kFractional);
    return absl::OkStatus();
  }
  const std::string& fraction = decimal->fraction;
  if (decimal->whole == "0" && fraction == std::string(fraction.size() - 1, '0') + "1") {
    const auto digits = static_cast<std::uint32_t>(fraction.size());
    facts.most_fraction = std::min(facts.most_fraction.value_or(digits), digits);
    return absl::OkStatus();
  }
  return SchemaError(path,
                     absl::StrCat("multipleOf: got ", value.dump(), ", expected one integer up to ",
                                  kMostMultiple, ", or 0.1, 0.01 and so on"));
}

absl::Status AddBound(const std::string& path, const std::string& key, const Json& value,
                      Facts& facts) {
  const bool is_low = absl::EndsWith(key, "inimum");
  const bool excluded = absl::StartsWith(key, "exclusive");
  if (excluded && value.is_boolean()) {  // draft 4
    if (!value.get<bool>()) return absl::OkStatus();
    return SchemaError(path, absl::StrCat(key, ": expected a number"));
  }
  if (!value.is_number()) return SchemaError(path, absl::StrCat(key, ": expected a number"));
  const double number = value.get<double>();
  constexpr double kLarge = 1e17;  // more than any number that is written with a bound has
  auto decimal = ParseDecimal(value.dump());
  if (is_low ? number <= -kLarge : number >= kLarge) {
    decimal = Decimal{.negative = is_low, .whole = std::string(17, '9'), .fraction = ""};
  } else if (!decimal.has_value() || (is_low ? number > kLarge : number < -kLarge)) {
    return SchemaError(path, absl::StrCat(key, ": got ", value.dump(), ", which is not supported"));
  }
  auto& bound = is_low ? facts.range.low : facts.range.high;
  bool& bound_excluded = is_low ? facts.range.low_excluded : facts.range.high_excluded;
  // The narrower one counts.
  if (bound.has_value()) {
    const int order = CompareDecimals(*bound, *decimal);
    if (is_low ? order > 0 : order < 0) return absl::OkStatus();
    if (order == 0 && !excluded) return absl::OkStatus();
  }
  bound = decimal;
  bound_excluded = excluded;
  return absl::OkStatus();
}

absl::Status AddFact(const std::string& path, const std::string& key, const Json& value,
                     Facts& facts) {
  if (std::find(kUnsupported.begin(), kUnsupported.end(), key) != kUnsupported.end()) {
    return SchemaError(path, absl::StrCat("the keyword \"", key, "\" is not supported"));
  }
  if (key == "uniqueItems") {
    if (value == Json(false)) return absl::OkStatus();
    return SchemaError(path, "the keyword \"uniqueItems\" is not supported");
  }
  if (key == "type") {
    ASSIGN_OR_RETURN(const Types types, TypesOf(value, path));
    facts.types &= types;
  } else if (key == "enum" || key == "const") {
    if (key == "enum" && !value.is_array()) return SchemaError(path, "enum: expected a list");
    AddValues(key == "enum" ? value.get<std::vector<Json>>() : std::vector<Json>{value}, facts);
  } else if (key == "minLength") {
    ASSIGN_OR_RETURN(const std::uint32_t count, CountOf(value, path, key));
    facts.least_chars = std::max(facts.least_chars, count);
  } else if (key == "maxLength") {
    ASSIGN_OR_RETURN(const std::uint32_t count, CountOf(value, path, key));
    facts.most_chars = std::min(facts.most_chars, count);
  } else if (key == "minItems") {
    ASSIGN_OR_RETURN(const std::uint32_t count, CountOf(value, path, key));
    facts.least_items = std::max(facts.least_items, count);
  } else if (key == "maxItems") {
    ASSIGN_OR_RETURN(const std::uint32_t count, CountOf(value, path, key));
    facts.most_items = std::min(facts.most_items, count);
  } else if (key == "minProperties") {
    ASSIGN_OR_RETURN(const std::uint32_t count, CountOf(value, path, key));
    facts.least_members = std::max(facts.least_members, count);
  } else if (key == "maxProperties") {
    ASSIGN_OR_RETURN(const std::uint32_t count, CountOf(value, path, key));
    facts.most_members = std::min(facts.most_members, count);
  } else if (key == "pattern" || key == "format") {
    if (!value.is_string()) return SchemaError(path, absl::StrCat(key, ": expected a string"));
    (key == "pattern" ? facts.patterns : facts.formats).push_back(value.get<std::string>());
  } else if (key == "multipleOf") {
    return AddMultiple(path, value, facts);
  } else if (key == "minimum" || key == "maximum" || key == "exclusiveMinimum" ||
             key == "exclusiveMaximum") {
    return AddBound(path, key, value, facts);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status SchemaError(const std::string& path, std::string_view message) {
  return absl::InvalidArgumentError(absl::StrCat("schema: ", path, ": ", std::string(message)));
}

std::string SubPath(const std::string& path, std::string_view part) {
  constexpr std::size_t kMostPath = 200;
  constexpr std::size_t kMostPart = 60;
  if (path.size() > kMostPath) return path;
  return absl::StrCat(path, std::string(part.substr(0, kMostPart)));
}

std::string CanonicalJson(const Json& value) {
  if (value.is_number()) {
    const auto decimal = ParseDecimal(value.dump());
    if (!decimal.has_value()) return value.dump();
    return absl::StrCat(decimal->negative ? "-" : "", decimal->whole, ".", decimal->fraction);
  }
  if (!value.is_structured()) return value.dump();
  std::vector<std::string> parts;
  for (const auto& [key, item] : value.items()) {
    parts.push_back(value.is_object() ? absl::StrCat(Json(key).dump(), ":", CanonicalJson(item))
                                      : CanonicalJson(item));
  }
  if (value.is_object()) std::sort(parts.begin(), parts.end());
  return absl::StrCat(value.is_object() ? "{" : "[", absl::StrJoin(parts, ","), "]");
}

Types TypeOf(const Json& value) {
  if (value.is_null()) return kNull;
  if (value.is_boolean()) return kBoolean;
  if (value.is_object()) return kObject;
  if (value.is_array()) return kArray;
  if (value.is_string()) return kString;
  if (value.is_number_integer()) return kInteger;
  const double number = value.get<double>();
  return number == static_cast<double>(static_cast<std::int64_t>(std::clamp(number, -9e15, 9e15)))
             ? kInteger
             : kFractional;
}

std::string WriteJson(const Json& value) {
  if (value.is_object()) return WriteList(value, '{', '}');
  if (value.is_array()) return WriteList(value, '[', ']');
  return value.dump();
}

absl::StatusOr<Facts> FactsOf(const Places& places) {
  Facts facts;
  facts.path = places.empty() ? "$" : places[0].path;
  for (const Place& place : places) {
    if (!place.schema->is_object()) continue;
    for (const auto& [key, value] : place.schema->items()) {
      RETURN_IF_ERROR(AddFact(place.path, key, value, facts));
    }
  }
  if (facts.types == kAllTypes && facts.values.has_value()) {
    facts.types = 0;
    for (const Json& value : *facts.values) facts.types |= TypeOf(value);
  }
  return facts;
}

}  // namespace recycling::constraint
