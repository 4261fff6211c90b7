#include "common/constraint/json_schema.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "common/base/status_macros.h"
#include "common/constraint/intersection.h"
#include "common/constraint/json_text.h"
#include "common/constraint/matcher.h"
#include "common/constraint/schema_facts.h"
#include "common/constraint/schema_members.h"
#include "common/constraint/schema_values.h"

namespace recycling::constraint {
namespace {

constexpr std::size_t kMostBytes = 1 << 18;
constexpr std::size_t kMostDepth = 64;
constexpr std::size_t kMostMembers = 1024;       // of an object of the schema
constexpr std::size_t kMostPlaces = 64;          // schemas that hold for one value
constexpr std::size_t kMostNestedGroups = 8;     // of anyOf and oneOf
constexpr std::size_t kMostDistinct = 128;       // alternatives of oneOf
constexpr std::size_t kMostCompared = 1 << 17;   // members, to tell alternatives of oneOf apart
constexpr std::size_t kCostOfPattern = 512;      // compiling one, in compared members
constexpr std::size_t kMostAlternatives = 2048;  // that anyOf and its like multiply to
constexpr std::size_t kMostRules = 1 << 13;

class Compiler {
 public:
  explicit Compiler(const Json& document)
      : document_(document), has_inner_id_(HasInnerId(document, true)) {}

  absl::StatusOr<std::shared_ptr<const Grammar>> Compile() {
    ASSIGN_OR_RETURN(const RuleId root, RuleOf({{.schema = &document_, .path = "$"}}));
    // A list instead of recursion, so that long chains of references need no deep stack.
    for (std::size_t i = 0; i < open_.size(); ++i) {
      const OpenRule open = std::move(open_[i]);
      ASSIGN_OR_RETURN(Expression expression, ValueOf(open.places, {}));
      builder_.Define(open.rule, std::move(expression));
    }
    return builder_.Build(root);
  }

 private:
  // A rule that is not defined yet.
  struct OpenRule {
    RuleId rule = 0;
    Places places;
  };

  // The rule of the values that fulfil all of `places`. Compile defines it later.
  absl::StatusOr<RuleId> RuleOf(Places places) {
    ASSIGN_OR_RETURN(places, Flatten(std::move(places)));
    std::vector<const Json*> key;
    for (const Place& place : places) key.push_back(place.schema);
    std::sort(key.begin(), key.end());
    key.erase(std::unique(key.begin(), key.end()), key.end());
    const auto known = rules_.find(key);
    if (known != rules_.end()) return known->second;
    if (builder_.rules() > kMostRules) {
      return SchemaError(places.empty() ? "$" : places[0].path, "the schema needs too many rules");
    }
    const RuleId rule = builder_.Declare(places.empty() ? "any value" : places[0].path);
    rules_.emplace(std::move(key), rule);
    open_.push_back({.rule = rule, .places = std::move(places)});
    return rule;
  }

  // Replaces references and allOf by what they stand for. Schemas that allow everything go.
  absl::StatusOr<Places> Flatten(Places places) {
    Places flat;
    std::set<const Json*> seen;
    while (!places.empty()) {
      const Place place = std::move(places.back());
      places.pop_back();
      if (!seen.insert(place.schema).second) continue;
      if (place.schema->is_boolean()) {
        if (!place.schema->get<bool>()) flat.push_back(place);
        continue;
      }
      if (!place.schema->is_object()) return SchemaError(place.path, "expected a schema");
      if (const auto ref = place.schema->find("$ref"); ref != place.schema->end()) {
        ASSIGN_OR_RETURN(Place target, Resolve(*ref, place.path));
        places.push_back(std::move(target));
      }
      if (const auto all = place.schema->find("allOf"); all != place.schema->end()) {
        if (!all->is_array() || all->empty()) {
          return SchemaError(place.path, "allOf: expected a list of schemas");
        }
        for (std::size_t i = all->size(); i-- > 0;) {
          places.push_back(
              {.schema = &(*all)[i], .path = SubPath(place.path, absl::StrCat(".allOf[", i, "]"))});
        }
      }
      if (!SaysNothingBeside(*place.schema, {"$ref", "allOf"})) flat.push_back(place);
      if (flat.size() > kMostPlaces || places.size() > kMostPlaces) {
        return SchemaError(place.path,
                           absl::StrCat("more than ", kMostPlaces, " schemas hold for one value"));
      }
    }
    return flat;
  }

  absl::StatusOr<Place> Resolve(const Json& reference, const std::string& path) const {
    if (!reference.is_string()) return SchemaError(path, "$ref: expected a string");
    const auto& text = reference.get_ref<const std::string&>();
    if (text.empty() || text[0] != '#' || (text.size() > 1 && text[1] != '/')) {
      return SchemaError(path, absl::StrCat("$ref: got \"", text,
                                            "\", only references within the document (#/...) are "
                                            "supported"));
    }
    const Json* target = &document_;
    if (text.size() > 1) {
      for (absl::string_view part : absl::StrSplit(text.substr(2), '/')) {
        const std::string name =
            absl::StrReplaceAll(part, {{"~1", "/"}, {"~0", "~"}, {"%25", "%"}, {"%20", " "}});
        std::size_t index = 0;
        if (target->is_object() && target->contains(name)) {
          target = &(*target)[name];
        } else if (target->is_array() && absl::SimpleAtoi(name, &index) && index < target->size()) {
          target = &(*target)[index];
        } else {
          return SchemaError(path,
                             absl::StrCat("$ref: \"", text, "\" names nothing in the document"));
        }
      }
    }
    if (has_inner_id_) {
      return SchemaError(path, "$ref in a document with an inner $id is not supported");
    }
    return Place{.schema = target, .path = text.substr(0, 100)};
  }

  // ---- Values

  // Groups of alternatives, each by its schema and keyword.
  using Groups = std::set<std::pair<const Json*, std::string_view>>;

  // `taken`: groups of which an alternative is among `places`.
  absl::StatusOr<Expression> ValueOf(const Places& places, const Groups& taken) {
    for (const Place& place : places) {
      if (place.schema->is_boolean()) return Expression::Choice({});  // false
    }
    for (std::size_t i = 0; i < places.size(); ++i) {
      for (const std::string_view group : {"anyOf", "oneOf"}) {
        if (taken.count({places[i].schema, group}) > 0) continue;
        if (places[i].schema->contains(std::string(group))) {
          return AlternativesOf(places, places[i], group, taken);
        }
      }
    }
    ASSIGN_OR_RETURN(const Facts facts, FactsOf(places));
    if (facts.values.has_value()) return OneOfValues(facts, places);
    return ByType(facts, places);
  }

  // Multiplies the alternatives of one anyOf or oneOf out.
  absl::StatusOr<Expression> AlternativesOf(const Places& places, const Place& place,
                                            std::string_view group, Groups taken) {
    const Json& list = (*place.schema)[std::string(group)];
    if (!list.is_array() || list.empty()) {
      return SchemaError(place.path,
                         absl::StrCat(std::string(group), ": expected a list of schemas"));
    }
    if (taken.size() > kMostNestedGroups || (group == "oneOf" && list.size() > kMostDistinct)) {
      return SchemaError(place.path, absl::StrCat(std::string(group), ": too many alternatives"));
    }
    if (group == "oneOf") RETURN_IF_ERROR(CheckDistinct(place, list));
    taken.insert({place.schema, group});
    std::vector<Expression> choices;
    for (std::size_t i = 0; i < list.size(); ++i) {
      const Place alternative = {
          .schema = &list[i],
          .path = SubPath(place.path, absl::StrCat(".", std::string(group), "[", i, "]"))};
      if (places.size() == 1 && SaysNothingBeside(*place.schema, {group})) {
        // Nothing else holds for the value, so the alternative has a rule of its own.
        ASSIGN_OR_RETURN(const RuleId rule, RuleOf({alternative}));
        choices.push_back(Expression::Rule(rule));
      } else {
        if (++alternatives_ > kMostAlternatives) {
          return SchemaError(place.path,
                             absl::StrCat(std::string(group), ": too many alternatives"));
        }
        Places together = places;
        together.push_back(alternative);
        ASSIGN_OR_RETURN(together, Flatten(std::move(together)));
        ASSIGN_OR_RETURN(Expression choice, ValueOf(together, taken));
        choices.push_back(std::move(choice));
      }
    }
    return Expression::Choice(std::move(choices));
  }

  // Whether only `keys` say something about a value.
  static bool SaysNothingBeside(const Json& schema, std::initializer_list<std::string_view> keys) {
    constexpr std::array<std::string_view, 12> kSayNothing = {
        "title",    "description", "default",  "examples",  "$schema", "$id",
        "$comment", "deprecated",  "readOnly", "writeOnly", "$defs",   "definitions"};
    for (const auto& item : schema.items()) {
      if (std::find(keys.begin(), keys.end(), item.key()) == keys.end() &&
          std::find(kSayNothing.begin(), kSayNothing.end(), item.key()) == kSayNothing.end()) {
        return false;
      }
    }
    return true;
  }

  // Exactly one alternative must hold. That is checked by the types of the alternatives, or by the
  // values of a member that all of them require.
  absl::Status CheckDistinct(const Place& place, const Json& list) {
    std::vector<Places> flat;
    std::vector<Facts> facts;
    for (std::size_t i = 0; i < list.size(); ++i) {
      ASSIGN_OR_RETURN(Places one,
                       Flatten({{.schema = &list[i],
                                 .path = SubPath(place.path, absl::StrCat(".oneOf[", i, "]"))}}));
      ASSIGN_OR_RETURN(Facts fact, FactsOf(one));
      flat.push_back(std::move(one));
      facts.push_back(std::move(fact));
    }
    for (std::size_t a = 0; a < list.size(); ++a) {
      for (std::size_t b = a + 1; b < list.size(); ++b) {
        if (AreDistinct(facts[a], facts[b])) continue;
        ASSIGN_OR_RETURN(const bool by_member, DifferByMember(flat[a], flat[b]));
        if (by_member && facts[a].types == kObject && facts[b].types == kObject) continue;
        return SchemaError(
            place.path,
            absl::StrCat("oneOf: alternatives ", a, " and ", b,
                         " may hold together; only alternatives that differ by their type "
                         "or by a required constant member are supported"));
      }
    }
    return absl::OkStatus();
  }

  static bool AreDistinct(const Facts& a, const Facts& b) {
    const Types both = a.types & b.types;
    // A number may be an integer.
    if (both == 0 && !((a.types & kNumber) != 0 && (b.types & kNumber) != 0)) return true;
    if (!a.values.has_value() || !b.values.has_value()) return false;
    return std::none_of(a.value_texts.begin(), a.value_texts.end(),
                        [&](const std::string& text) { return b.value_texts.count(text) > 0; });
  }

  // What comparing the members of some schemas costs: each name is matched with each pattern.
  static std::size_t CostOfMembers(const Places& places) {
    const auto size = [](const Place& place, const char* key) {
      const auto found = place.schema->find(key);
      return found == place.schema->end() ? 0 : found->size();
    };
    std::size_t names = 1;
    std::size_t patterns = 0;
    for (const Place& place : places) {
      names += size(place, "properties") + size(place, "required");
      patterns += size(place, "patternProperties");
    }
    return names * (1 + patterns) + patterns * kCostOfPattern;
  }

  absl::StatusOr<bool> DifferByMember(const Places& a, const Places& b) {
    compared_ += CostOfMembers(a) + CostOfMembers(b);
    if (compared_ > kMostCompared) {
      return SchemaError(a.empty() ? "$" : a[0].path, "oneOf: too many members to compare");
    }
    ASSIGN_OR_RETURN(std::vector<Member> of_a, MembersOf(a));
    ASSIGN_OR_RETURN(std::vector<Member> of_b, MembersOf(b));
    RETURN_IF_ERROR(AddMissingMembers(a, of_b, of_a));
    RETURN_IF_ERROR(AddMissingMembers(b, of_a, of_b));
    for (const Member& one : of_a) {
      for (const Member& other : of_b) {
        if (one.name != other.name) continue;
        if ((one.required && IsNever(other)) || (other.required && IsNever(one))) return true;
        if (!one.required || !other.required) continue;
        ASSIGN_OR_RETURN(const Places flat_one, Flatten(one.value));
        ASSIGN_OR_RETURN(const Places flat_other, Flatten(other.value));
        ASSIGN_OR_RETURN(const Facts facts_one, FactsOf(flat_one));
        ASSIGN_OR_RETURN(const Facts facts_other, FactsOf(flat_other));
        if (AreDistinct(facts_one, facts_other)) return true;
      }
    }
    return false;
  }

  // ---- Values of each type

  // The values of enum or const that fulfil the other keywords.
  absl::StatusOr<Expression> OneOfValues(const Facts& facts, const Places& places) {
    constexpr std::array<std::string_view, 10> kOfContainers = {
        "properties", "required",    "additionalProperties", "patternProperties", "minProperties",
        "items",      "prefixItems", "maxProperties",        "minItems",          "maxItems"};
    Facts scalars = facts;
    scalars.types &= ~static_cast<Types>(kObject | kArray);
    Compiler compiler(document_);
    ASSIGN_OR_RETURN(Expression allowed, compiler.ByType(scalars, {}));
    const RuleId root = compiler.builder_.Add("value", std::move(allowed));
    const auto grammar = compiler.builder_.Build(root);
    std::optional<Matcher> matcher;
    if (grammar.ok()) matcher.emplace(*grammar);
    std::vector<std::string> texts;
    for (const Json& value : *facts.values) {
      const bool number = value.is_number();
      if ((TypeOf(value) & facts.types) == 0 && !(number && (facts.types & kFractional) != 0)) {
        continue;
      }
      std::string text = WriteJson(value);
      if (value.is_structured()) {
        for (const Place& place : places) {
          for (const std::string_view key : kOfContainers) {
            if (!place.schema->contains(std::string(key))) continue;
            return SchemaError(place.path,
                               absl::StrCat("objects and lists in enum or const beside ",
                                            std::string(key), " are not supported"));
          }
        }
        texts.push_back(std::move(text));
        continue;
      }
      // A number may be spelled in another way than the grammar does.
      const bool free = number && facts.multiple == 1 && !facts.most_fraction.has_value() &&
                        !facts.range.low.has_value() && !facts.range.high.has_value();
      if (!free &&
          (!matcher.has_value() || !matcher->accepts(matcher->Next(matcher->start(), text)))) {
        continue;
      }
      texts.push_back(std::move(text));
    }
    if (texts.empty()) return Expression::Choice({});
    return OneOfTexts(texts);
  }

  absl::StatusOr<Expression> ByType(const Facts& facts, const Places& places) {
    std::vector<Expression> choices;
    const auto add = [&](absl::StatusOr<Expression> choice) {
      if (choice.ok()) choices.push_back(*std::move(choice));
      return choice.status();
    };
    if ((facts.types & kObject) != 0) RETURN_IF_ERROR(add(Object(facts, places)));
    if ((facts.types & kArray) != 0) RETURN_IF_ERROR(add(Array(facts, places)));
    if ((facts.types & kString) != 0) RETURN_IF_ERROR(add(String(facts)));
    if ((facts.types & kFractional) != 0 && facts.multiple == 1) {
      RETURN_IF_ERROR(add(Leaf(JsonNumber(facts.range, facts.most_fraction))));
    } else if ((facts.types & kNumber) != 0) {
      ASSIGN_OR_RETURN(Expression integer, IntegerOf(facts, states_left_));
      choices.push_back(Leaf(std::move(integer)));
    }
    if ((facts.types & kBoolean) != 0) {
      choices.push_back(Expression::Text("true"));
      choices.push_back(Expression::Text("false"));
    }
    if ((facts.types & kNull) != 0) choices.push_back(Expression::Text("null"));
    return Expression::Choice(std::move(choices));
  }

  // An expression that calls no rule, in a rule of its own.
  Expression Leaf(Expression expression) {
    return Expression::Rule(builder_.Add("leaf", std::move(expression)));
  }

  absl::StatusOr<Expression> String(const Facts& facts) {
    if (facts.patterns.empty() && facts.formats.empty()) {
      return SharedString(facts.least_chars, facts.most_chars);
    }
    ASSIGN_OR_RETURN(Expression string, StringOf(facts, states_left_));
    return Leaf(std::move(string));
  }

  Expression SharedString(std::uint32_t least, std::uint32_t most) {
    const auto [known, is_new] = strings_.try_emplace({least, most}, 0);
    if (is_new) known->second = builder_.Add("string", JsonString(least, most));
    return Expression::Rule(known->second);
  }

  absl::StatusOr<Expression> Array(const Facts& facts, const Places& places) {
    // The schemas of the item at each index, and of those behind.
    std::vector<Places> first;
    Places rest;
    for (const Place& place : places) RETURN_IF_ERROR(CountPrefix(place, first));
    for (const Place& place : places) {
      const auto [prefix, after] = ItemsOf(place);
      for (std::size_t i = 0; i < first.size(); ++i) {
        if (prefix.schema != nullptr && i < prefix.schema->size()) {
          first[i].push_back({.schema = &(*prefix.schema)[i],
                              .path = SubPath(prefix.path, absl::StrCat("[", i, "]"))});
        } else if (after.schema != nullptr) {
          first[i].push_back(after);
        }
      }
      if (after.schema != nullptr) rest.push_back(after);
    }
    if (facts.least_items > facts.most_items) return Expression::Choice({});
    const auto prefix = static_cast<std::uint32_t>(first.size());
    ASSIGN_OR_RETURN(const RuleId rest_rule, RuleOf(rest));
    const auto from = [](std::uint32_t count, std::uint32_t taken) {
      return count == kUnbounded ? kUnbounded : count - std::min(count, taken);
    };
    // What follows the items before `index`, from behind.
    Expression tail = Expression::Repeat(
        Expression::Sequence({Expression::Text(", "), Expression::Rule(rest_rule)}),
        from(facts.least_items, std::max(prefix, 1u)),
        from(facts.most_items, std::max(prefix, 1u)));
    if (facts.most_items < std::max(prefix, 1u)) tail = Expression();
    if (prefix == 0) {
      tail = Expression::Sequence({Expression::Rule(rest_rule), tail});
      if (facts.least_items == 0) tail = Expression::Optional(tail);
      if (facts.most_items == 0) tail = Expression();
    }
    for (std::uint32_t i = prefix; i-- > 0;) {
      ASSIGN_OR_RETURN(const RuleId item, RuleOf(first[i]));
      if (i >= facts.most_items) {
        tail = Expression();
        continue;
      }
      tail = Expression::Sequence(
          {Expression::Text(i == 0 ? "" : ", "), Expression::Rule(item), tail});
      if (i >= facts.least_items) tail = Expression::Optional(tail);
    }
    return Expression::Sequence({Expression::Text("["), tail, Expression::Text("]")});
  }

  // The list of schemas of the first items, and the schema of the others; null where there is none.
  static std::pair<Place, Place> ItemsOf(const Place& place) {
    const Json& schema = *place.schema;
    const auto find = [&](const char* key) {
      const auto found = schema.find(key);
      return Place{.schema = found == schema.end() ? nullptr : &*found,
                   .path = SubPath(place.path, absl::StrCat(".", key))};
    };
    const Place items = find("items");
    if (items.schema != nullptr && items.schema->is_array())
      return {items, find("additionalItems")};
    return {find("prefixItems"), items};
  }

  static absl::Status CountPrefix(const Place& place, std::vector<Places>& first) {
    constexpr std::size_t kMostPrefix = 64;
    const Json* prefix = ItemsOf(place).first.schema;
    if (prefix == nullptr) return absl::OkStatus();
    if (!prefix->is_array() || prefix->size() > kMostPrefix) {
      return SchemaError(place.path, absl::StrCat("prefixItems: expected a list of at most ",
                                                  kMostPrefix, " schemas"));
    }
    first.resize(std::max(first.size(), prefix->size()));
    return absl::OkStatus();
  }

  // ---- Objects

  absl::StatusOr<Expression> Object(const Facts& facts, const Places& places) {
    ASSIGN_OR_RETURN(std::vector<Member> members, MembersOf(places));
    std::vector<Expression> names;
    std::vector<Expression> written;  // "name": value
    std::vector<bool> required;
    for (const Member& member : members) {
      const std::string name = NameText(member.name);
      names.push_back(Expression::Text(name));
      if (IsNever(member) && !member.required) continue;
      ASSIGN_OR_RETURN(const RuleId value, RuleOf(member.value));
      written.push_back(Expression::Sequence(
          {Expression::Text(absl::StrCat("\"", name, "\": ")), Expression::Rule(value)}));
      required.push_back(member.required);
    }
    ASSIGN_OR_RETURN(const std::vector<Expression> others, OtherMembers(places, names));
    const auto least =
        static_cast<std::uint32_t>(std::count(required.begin(), required.end(), true));
    const bool may_be_empty = facts.least_members == 0;
    if (facts.least_members > std::max(least, 1u)) {
      return SchemaError(
          facts.path,
          "minProperties: more than 1, and more than what is required, is not supported");
    }
    if (facts.most_members < written.size() ||
        (!others.empty() && facts.most_members != kUnbounded)) {
      return SchemaError(facts.path, "maxProperties: fewer than there may be is not supported");
    }
    std::optional<Expression> other;
    if (!others.empty()) other = Expression::Choice(others);
    return Expression::Sequence({Expression::Text("{"),
                                 Members(written, required, other, may_be_empty),
                                 Expression::Text("}")});
  }

  // The members that the schemas do not name: one expression for each pattern of a schema, and one
  // for names without a pattern. A name of two patterns is left out.
  absl::StatusOr<std::vector<Expression>> OtherMembers(const Places& places,
                                                       const std::vector<Expression>& names) {
    std::vector<NamePattern> patterns;
    std::vector<Expression> taken = names;
    for (const Place& place : places) {
      ASSIGN_OR_RETURN(const auto more, PatternsIn(place));
      if (!more.empty() && places.size() > 1) {
        return SchemaError(place.path, "patternProperties beside other schemas is not supported");
      }
      patterns.insert(patterns.end(), more.begin(), more.end());
    }
    std::vector<Expression> others;
    for (std::size_t i = 0; i < patterns.size(); ++i) {
      if (patterns[i].value.schema->is_boolean() && !patterns[i].value.schema->get<bool>())
        continue;
      std::vector<Expression> none = names;
      for (std::size_t j = 0; j < patterns.size(); ++j) {
        if (j != i) none.push_back(patterns[j].perhaps);
      }
      ASSIGN_OR_RETURN(const RuleId value, RuleOf({patterns[i].value}));
      ASSIGN_OR_RETURN(Expression member, OtherMember(patterns[i].name, none, value));
      others.push_back(std::move(member));
    }
    for (const NamePattern& pattern : patterns) taken.push_back(pattern.perhaps);
    Places value;
    for (const Place& place : places) {
      Place rest = OthersIn(place);
      if (rest.schema == nullptr) continue;
      if (rest.schema->is_boolean() && !rest.schema->get<bool>()) return others;
      value.push_back(std::move(rest));
    }
    ASSIGN_OR_RETURN(const RuleId rule, RuleOf(value));
    if (taken.empty()) {
      others.push_back(Expression::Sequence(
          {SharedString(0, kUnbounded), Expression::Text(": "), Expression::Rule(rule)}));
      return others;
    }
    ASSIGN_OR_RETURN(
        Expression member,
        OtherMember(Expression::Repeat(JsonChar(CodePointSet::All()), 0, kUnbounded), taken, rule));
    others.push_back(std::move(member));
    return others;
  }

  // A member whose name is of `name`, and of none of `none`.
  absl::StatusOr<Expression> OtherMember(const Expression& name,
                                         const std::vector<Expression>& none, RuleId value) {
    Expression body = name;
    if (!none.empty()) {
      ASSIGN_OR_RETURN(body, Intersect({name}, {Expression::Choice(none)}, states_left_));
    }
    return Expression::Sequence(
        {Leaf(Expression::Sequence({Expression::Text("\""), body, Expression::Text("\"")})),
         Expression::Text(": "), Expression::Rule(value)});
  }

  // Members in order, those that are not required or others maybe, with commas between them.
  // `may_be_empty`: unless a member is required.
  Expression Members(const std::vector<Expression>& written, const std::vector<bool>& required,
                     const std::optional<Expression>& other, bool may_be_empty) {
    const auto after_comma = [](const Expression& member) {
      return Expression::Sequence({Expression::Text(", "), member});
    };
    const Expression others =
        other.has_value() ? Expression::Repeat(after_comma(*other), 0, kUnbounded) : Expression();
    const auto found = std::find(required.begin(), required.end(), true);
    const auto first_required = static_cast<std::size_t>(found - required.begin());
    // What follows once a member is written: the rest from `first` on.
    const auto rest = [&](std::size_t first) {
      std::vector<Expression> parts;
      for (std::size_t i = first; i < written.size(); ++i) {
        const Expression part = after_comma(written[i]);
        parts.push_back(required[i] ? part : Expression::Optional(part));
      }
      parts.push_back(others);
      return Expression::Sequence(std::move(parts));
    };
    if (first_required == 0 && !written.empty()) {
      return Expression::Sequence({written[0], rest(1)});
    }
    // Any of the optional members may be the first. Each rest is a rule, which begins with the next
    // member and goes on with the next rest.
    std::vector<Expression> begins;
    const std::size_t last = std::min(first_required, written.size() - (written.empty() ? 0 : 1));
    Expression tail = rest(written.empty() ? 0 : last + 1);
    if (written.empty() || first_required == written.size()) {
      if (may_be_empty) begins.emplace_back();
      if (other.has_value()) begins.push_back(Expression::Sequence({*other, others}));
    }
    for (std::size_t i = written.empty() ? 0 : last + 1; i-- > 0;) {
      const RuleId rule = builder_.Add("members", std::move(tail));
      begins.push_back(Expression::Sequence({written[i], Expression::Rule(rule)}));
      const Expression part = after_comma(written[i]);
      tail = Expression::Sequence(
          {required[i] ? part : Expression::Optional(part), Expression::Rule(rule)});
    }
    return Expression::Choice(std::move(begins));
  }

  // Whether a schema below the root has an identifier of its own, which changes what references
  // mean.
  static bool HasInnerId(const Json& value, bool is_root) {
    if (value.is_object() && !is_root) {
      const auto id = value.find("$id");
      if (id != value.end() && id->is_string() && !absl::StartsWith(id->get<std::string>(), "#")) {
        return true;
      }
    }
    return value.is_structured() && std::any_of(value.begin(), value.end(), [](const Json& item) {
             return HasInnerId(item, false);
           });
  }

  const Json& document_;
  const bool has_inner_id_;
  std::vector<OpenRule> open_;
  std::size_t states_left_ = 1 << 17;  // of all intersections
  GrammarBuilder builder_;
  std::map<std::vector<const Json*>, RuleId> rules_;                   // by the schemas
  std::map<std::pair<std::uint32_t, std::uint32_t>, RuleId> strings_;  // by their lengths
  std::size_t compared_ = 0;
  std::size_t alternatives_ = 0;  // that were multiplied out
};

// Refuses what takes the parser too long: members are looked up one by one, and containers nest on
// the stack. Any text that is no JSON may pass.
absl::Status CheckShape(std::string_view text) {
  std::vector<std::size_t> members = {0};  // of the containers that are open
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char byte = text[i];
    if (in_string) {
      if (byte == '\\') ++i;
      in_string = byte != '"';
      continue;
    }
    if (byte == '"') in_string = true;
    if (byte == '{' || byte == '[') members.push_back(0);
    if ((byte == '}' || byte == ']') && members.size() > 1) members.pop_back();
    if (byte == ':' && ++members.back() > kMostMembers) {
      return absl::InvalidArgumentError(
          absl::StrCat("schema: an object has more than ", kMostMembers, " members"));
    }
    if (members.size() > kMostDepth + 1) {
      return absl::InvalidArgumentError(
          absl::StrCat("schema: nests deeper than ", kMostDepth, " levels"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Grammar>> CompileJsonSchema(std::string_view schema) {
  if (schema.size() > kMostBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("schema: got ", schema.size(), " bytes, expected at most ", kMostBytes));
  }
  RETURN_IF_ERROR(CheckShape(schema));
  const Json document = Json::parse(schema, nullptr, /*allow_exceptions=*/false);
  if (document.is_discarded()) return absl::InvalidArgumentError("schema: expected JSON");
  return Compiler(document).Compile();
}

}  // namespace recycling::constraint
