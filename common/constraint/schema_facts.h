// What the keywords of JSON schemas say about one value.
#ifndef RECYCLING_COMMON_CONSTRAINT_SCHEMA_FACTS_H_
#define RECYCLING_COMMON_CONSTRAINT_SCHEMA_FACTS_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/constraint/json_text.h"

namespace recycling::constraint {

using Json = nlohmann::ordered_json;

// The types of values. An integer is a number too.
enum Type : std::uint8_t {
  kNull = 1,
  kBoolean = 2,
  kObject = 4,
  kArray = 8,
  kString = 16,
  kInteger = 32,
  kFractional = 64,  // numbers that need not be integers
};
using Types = unsigned;
constexpr Types kNumber = kInteger | kFractional;
constexpr Types kAllTypes = 127;

// A schema within the document, for errors.
struct Place {
  const Json* schema = nullptr;
  std::string path;  // "$.properties.name"
};

// Schemas that one value must fulfil together.
using Places = std::vector<Place>;

// What the keywords of several schemas say together about one value, except for those that hold
// further schemas.
struct Facts {
  Types types = kAllTypes;
  std::optional<std::vector<Json>> values;  // of enum and const
  std::set<std::string> value_texts;        // CanonicalJson of these
  NumberRange range;
  std::uint32_t multiple = 1;                  // of integers
  std::optional<std::uint32_t> most_fraction;  // digits behind the point
  std::uint32_t least_chars = 0;
  std::uint32_t most_chars = kUnbounded;
  std::vector<std::string> patterns;
  std::vector<std::string> formats;
  std::uint32_t least_items = 0;
  std::uint32_t most_items = kUnbounded;
  std::uint32_t least_members = 0;
  std::uint32_t most_members = kUnbounded;
  std::string path;  // of the first schema
};

// InvalidArgument with `message` and the place in the schema.
absl::Status SchemaError(const std::string& path, std::string_view message);

// The path of a part of the schema at `path`. Long ones are cut.
std::string SubPath(const std::string& path, std::string_view part);

Types TypeOf(const Json& value);

// Equal for values that JSON Schema calls equal: members in any order, 1 and 1.0.
std::string CanonicalJson(const Json& value);

// A value as JsonString and its like write it.
std::string WriteJson(const Json& value);

// Errors as CompileJsonSchema.
absl::StatusOr<Facts> FactsOf(const Places& places);

}  // namespace recycling::constraint

#endif  // RECYCLING_COMMON_CONSTRAINT_SCHEMA_FACTS_H_
