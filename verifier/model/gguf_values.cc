// Typed access to the metadata of a GgufFile.
#include <bit>
#include <cstring>
#include <limits>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "verifier/model/gguf_cursor.h"
#include "verifier/model/gguf_file.h"

namespace recycling::verifier {
namespace {

static_assert(std::endian::native == std::endian::little, "GGUF values are read in place");

absl::Status WrongType(std::string_view key, std::string_view expected) {
  return absl::DataLossError(absl::StrCat(
      "GGUF: ", Quoted(key), ": got a value of another type, expected ", std::string(expected)));
}

// The value as an integer; no value if it is not an integer or does not fit into 64 bits.
std::optional<std::int64_t> AsInteger(GgufValueType type, const std::byte* at) {
  switch (type) {
    case GgufValueType::kUint8:
      return Load<std::uint8_t>(at);
    case GgufValueType::kInt8:
      return Load<std::int8_t>(at);
    case GgufValueType::kUint16:
      return Load<std::uint16_t>(at);
    case GgufValueType::kInt16:
      return Load<std::int16_t>(at);
    case GgufValueType::kUint32:
      return Load<std::uint32_t>(at);
    case GgufValueType::kInt32:
      return Load<std::int32_t>(at);
    case GgufValueType::kInt64:
      return Load<std::int64_t>(at);
    case GgufValueType::kUint64: {
      const auto value = Load<std::uint64_t>(at);
      if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
        return std::nullopt;
      }
      return static_cast<std::int64_t>(value);
    }
    default:
      return std::nullopt;
  }
}

// A value of a fixed-size type as text for people.
std::string ElementText(GgufValueType type, const std::byte* at) {
  if (type == GgufValueType::kFloat32) return absl::StrCat(Load<float>(at));
  if (type == GgufValueType::kFloat64) return absl::StrCat(Load<double>(at));
  if (type == GgufValueType::kBool) return std::to_integer<int>(*at) ? "true" : "false";
  if (type == GgufValueType::kUint64) return absl::StrCat(Load<std::uint64_t>(at));
  return absl::StrCat(AsInteger(type, at).value_or(0));
}

}  // namespace

absl::StatusOr<std::optional<std::uint32_t>> GgufFile::Uint32(std::string_view key) const {
  const auto it = values_.find(key);
  if (it == values_.end()) return std::optional<std::uint32_t>();
  if (it->second.type == GgufValueType::kArray || it->second.type == GgufValueType::kString) {
    return WrongType(key, "an integer");
  }
  const auto value = AsInteger(it->second.type, it->second.bytes.data());
  if (!value || *value < 0 || *value > std::numeric_limits<std::uint32_t>::max()) {
    return WrongType(key, "an integer from 0 to 4294967295");
  }
  return static_cast<std::uint32_t>(*value);
}

absl::StatusOr<std::optional<double>> GgufFile::Float(std::string_view key) const {
  const auto it = values_.find(key);
  if (it == values_.end()) return std::optional<double>();
  const std::byte* at = it->second.bytes.data();
  if (it->second.type == GgufValueType::kFloat32) return double{Load<float>(at)};
  if (it->second.type == GgufValueType::kFloat64) return Load<double>(at);
  return WrongType(key, "a floating-point number");
}

absl::StatusOr<std::optional<bool>> GgufFile::Bool(std::string_view key) const {
  const auto it = values_.find(key);
  if (it == values_.end()) return std::optional<bool>();
  if (it->second.type != GgufValueType::kBool) return WrongType(key, "a boolean");
  return std::to_integer<int>(it->second.bytes[0]) != 0;
}

absl::StatusOr<std::optional<std::string>> GgufFile::String(std::string_view key) const {
  const auto it = values_.find(key);
  if (it == values_.end()) return std::optional<std::string>();
  if (it->second.type != GgufValueType::kString) return WrongType(key, "a string");
  return std::string(AsText(it->second.bytes));
}

absl::StatusOr<std::optional<std::vector<std::string>>> GgufFile::Strings(
    std::string_view key) const {
  const auto it = values_.find(key);
  if (it == values_.end()) return std::optional<std::vector<std::string>>();
  const GgufValue& value = it->second;
  if (value.type != GgufValueType::kArray || value.element_type != GgufValueType::kString) {
    return WrongType(key, "an array of strings");
  }
  std::vector<std::string> strings;
  strings.reserve(value.count);
  Cursor cursor(value.bytes);
  for (std::uint64_t i = 0; i < value.count; ++i) {
    ASSIGN_OR_RETURN(const auto text, cursor.Text(key));
    strings.emplace_back(AsText(text));
  }
  return strings;
}

absl::StatusOr<std::optional<std::vector<float>>> GgufFile::Floats(std::string_view key) const {
  const auto it = values_.find(key);
  if (it == values_.end()) return std::optional<std::vector<float>>();
  const GgufValue& value = it->second;
  if (value.type != GgufValueType::kArray || value.element_type != GgufValueType::kFloat32) {
    return WrongType(key, "an array of 32-bit floating-point numbers");
  }
  std::vector<float> numbers(value.count);
  if (!numbers.empty()) std::memcpy(numbers.data(), value.bytes.data(), value.bytes.size());
  return numbers;
}

absl::StatusOr<std::optional<std::vector<std::int32_t>>> GgufFile::Int32s(
    std::string_view key) const {
  const auto it = values_.find(key);
  if (it == values_.end()) return std::optional<std::vector<std::int32_t>>();
  const GgufValue& value = it->second;
  const std::uint64_t size = ScalarBytes(value.element_type);
  if (value.type != GgufValueType::kArray || size == 0) {
    return WrongType(key, "an array of integers");
  }
  std::vector<std::int32_t> numbers;
  numbers.reserve(value.count);
  for (std::uint64_t i = 0; i < value.count; ++i) {
    const auto number = AsInteger(value.element_type, value.bytes.data() + i * size);
    if (!number || *number < std::numeric_limits<std::int32_t>::min() ||
        *number > std::numeric_limits<std::int32_t>::max()) {
      return WrongType(key, "an array of 32-bit integers");
    }
    numbers.push_back(static_cast<std::int32_t>(*number));
  }
  return numbers;
}

std::string GgufValueText(const GgufValue& value, std::size_t limit) {
  const bool array = value.type == GgufValueType::kArray;
  const bool text = value.element_type == GgufValueType::kString;
  if (value.type == GgufValueType::kString) {
    const std::string_view shown = AsText(value.bytes).substr(0, limit);
    return absl::StrCat(absl::Utf8SafeCEscape(std::string(shown)),
                        shown.size() < value.bytes.size() ? " ..." : "");
  }
  if (array && value.element_type == GgufValueType::kArray) {
    return absl::StrCat("[", value.count, " arrays]");
  }
  std::string out = array ? absl::StrCat("[", value.count, "] ") : "";
  Cursor cursor(value.bytes);
  for (std::uint64_t i = 0; i < value.count; ++i) {
    if (out.size() >= limit) return absl::StrCat(out, " ...");
    if (i > 0) out += ' ';
    const std::uint64_t size = ScalarBytes(value.element_type);
    const auto element = text ? cursor.Text("string") : cursor.Take(size, "element");
    if (!element.ok()) return out;  // not reached: the value was checked
    out += text ? absl::StrCat("\"", absl::Utf8SafeCEscape(std::string(AsText(*element))), "\"")
                : ElementText(value.element_type, element->data());
  }
  return out;
}

}  // namespace recycling::verifier
