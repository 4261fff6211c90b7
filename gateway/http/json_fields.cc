#include "gateway/http/json_fields.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/chat/json.h"
#include "gateway/http/openai_error.h"

namespace recycling::gateway {
namespace {

// JSON's name of a value's type.
const char* JsonType(const chat::Value& value) {
  if (value.is_none()) return "null";
  if (value.is_bool()) return "a boolean";
  if (value.is_number()) return "a number";
  if (value.is_text()) return "a string";
  return value.dict() != nullptr ? "an object" : "a list";
}

}  // namespace

absl::StatusOr<JsonFields> JsonFields::Parse(std::string_view body) {
  ASSIGN_OR_RETURN(chat::Value value, chat::ParseJson(body, true));
  if (value.dict() != nullptr) return JsonFields(std::move(value), "");
  return absl::InvalidArgumentError(
      absl::StrCat("the body is ", JsonType(value), ", expected a JSON object"));
}

const chat::Value* JsonFields::Find(std::string_view name) const {
  const chat::Value* value = value_.dict()->Find(name);
  return value == nullptr || value->is_none() ? nullptr : value;
}

absl::Status JsonFields::Wrong(std::string_view name, const chat::Value& got,
                               std::string_view expected) const {
  return InvalidField(absl::StrCat(prefix_, std::string(name)),
                      absl::StrCat("got ", JsonType(got), ", expected ", std::string(expected)));
}

absl::StatusOr<std::optional<bool>> JsonFields::Bool(std::string_view name) const {
  const chat::Value* value = Find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_bool()) return Wrong(name, *value, "a boolean");
  return value->boolean();
}

absl::StatusOr<std::optional<std::int64_t>> JsonFields::Integer(std::string_view name,
                                                                std::int64_t lowest,
                                                                std::int64_t highest) const {
  const chat::Value* value = Find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_int()) return Wrong(name, *value, "an integer");
  if (value->integer() >= lowest && value->integer() <= highest) return value->integer();
  return InvalidField(
      absl::StrCat(prefix_, std::string(name)),
      absl::StrCat("got ", value->integer(), ", expected ", lowest, " to ", highest));
}

absl::StatusOr<std::optional<double>> JsonFields::Number(std::string_view name) const {
  const chat::Value* value = Find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_int() && !value->is_float()) return Wrong(name, *value, "a number");
  return value->number();
}

absl::StatusOr<std::optional<std::string>> JsonFields::Text(std::string_view name) const {
  const chat::Value* value = Find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_text()) return Wrong(name, *value, "a string");
  return value->text()->bytes();
}

absl::StatusOr<std::vector<std::string>> JsonFields::Texts(std::string_view name) const {
  std::vector<std::string> texts;
  const chat::Value* value = Find(name);
  if (value == nullptr) return texts;
  if (value->is_text()) return std::vector<std::string>{value->text()->bytes()};
  if (value->list() == nullptr) return Wrong(name, *value, "a string or a list of strings");
  for (const chat::Value& item : value->list()->items) {
    if (!item.is_text()) return Wrong(name, item, "only strings in the list");
    texts.push_back(item.text()->bytes());
  }
  return texts;
}

absl::StatusOr<std::optional<JsonFields>> JsonFields::Object(std::string_view name) const {
  const chat::Value* value = Find(name);
  if (value == nullptr) return std::nullopt;
  if (value->dict() == nullptr) return Wrong(name, *value, "an object");
  return JsonFields(*value, absl::StrCat(prefix_, std::string(name), "."));
}

}  // namespace recycling::gateway
