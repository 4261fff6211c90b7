#include "common/chat/lookup.h"

#include <charconv>
#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/chat/methods.h"
#include "common/chat/operators.h"
#include "common/chat/unicode_text.h"

namespace recycling::chat {
namespace {

Value Missing(const Value& value, const std::string& name) {
  return Value::MissingValue(
      absl::StrCat("'", TypeName(value), " object' has no attribute '", Excerpt(name), "'"));
}

Value Count(std::size_t count) { return Value::Int(static_cast<std::int64_t>(count)); }

Value LoopAttribute(const Value& value, const Loop& loop, const std::string& name) {
  const std::size_t size = loop.items.size();
  if (name == "index") return Count(loop.index + 1);
  if (name == "index0") return Count(loop.index);
  if (name == "revindex") return Count(size - loop.index);
  if (name == "revindex0") return Count(size - loop.index - 1);
  if (name == "first") return Value::Bool(loop.index == 0);
  if (name == "last") return Value::Bool(loop.index + 1 == size);
  if (name == "length") return Count(size);
  if (name == "depth") return Count(loop.depth + 1);
  if (name == "depth0") return Count(loop.depth);
  if (name == "previtem") {
    return loop.index > 0 ? loop.items[loop.index - 1]
                          : Value::MissingValue("there is no previous item");
  }
  if (name == "nextitem") {
    return loop.index + 1 < size ? loop.items[loop.index + 1]
                                 : Value::MissingValue("there is no next item");
  }
  return Missing(value, name);
}

// A method of the value, or an undefined value if it is not safe; nothing if there is none.
absl::StatusOr<std::optional<Value>> Method(const Value& value, const std::string& name,
                                            Budget& budget) {
  if (!HasMethod(value, name)) return std::nullopt;
  if (value.depth() >= kMaxValueDepth) {
    return absl::ResourceExhaustedError(
        absl::StrCat("a value nests deeper than ", kMaxValueDepth, " levels"));
  }
  RETURN_IF_ERROR(budget.Bytes(sizeof(Callable)));
  if (!IsSafeMethod(value, name)) {
    return Value::MissingValue(absl::StrCat("access to attribute '", name, "' of '",
                                            TypeName(value), "' object is unsafe."));
  }
  auto method = std::make_shared<Callable>();
  method->kind = Callable::Kind::kMethod;
  method->name = name;
  method->self = value;
  return Value::Of(std::shared_ptr<const Callable>(std::move(method)));
}

}  // namespace

absl::StatusOr<Value> GetAttribute(const Value& value, const std::string& name, Budget& budget) {
  if (value.is_undefined()) return UndefinedError(*value.undefined());
  if (const Namespace* names = value.names()) {
    const auto found = names->values.find(name);
    return found == names->values.end() ? Missing(value, name) : found->second;
  }
  ASSIGN_OR_RETURN(const std::optional<Value> method, Method(value, name, budget));
  if (method.has_value()) return *method;
  if (const Loop* loop = value.loop()) return LoopAttribute(value, *loop, name);
  if (const Dict* dict = value.dict()) {
    if (const Value* found = dict->Find(name)) return *found;
  }
  return Missing(value, name);
}

absl::StatusOr<Value> GetItem(const Value& value, const Value& index, Budget& budget) {
  RETURN_IF_ERROR(budget.Step());
  if (const MarkedText* text = value.text()) RETURN_IF_ERROR(budget.Read(text->size()));
  if (const MarkedText* text = index.text()) RETURN_IF_ERROR(budget.Read(text->size()));
  ASSIGN_OR_RETURN(std::optional<Value> item, ItemOf(value, index));
  if (item.has_value()) return *item;
  if (const MarkedText* name = index.text()) {
    if (value.names() != nullptr || value.loop() != nullptr) {
      return GetAttribute(value, name->bytes(), budget);
    }
    ASSIGN_OR_RETURN(const std::optional<Value> method, Method(value, name->bytes(), budget));
    if (method.has_value()) return *method;
    return Missing(value, name->bytes());
  }
  if (index.is_integral()) return Missing(value, absl::StrCat(index.integer()));
  return Missing(value, TypeName(index));
}

absl::StatusOr<Value> GetPath(const Value& value, const Value& path, Budget& budget) {
  if (!path.is_text()) return GetItem(value, path, budget);
  std::string_view rest = path.text()->bytes();
  Value found = value;
  for (;;) {
    const std::string_view name = rest.substr(0, rest.find('.'));
    std::int64_t number = 0;
    const auto read = std::from_chars(name.data(), name.data() + name.size(), number);
    const bool is_number = !name.empty() && read.ec == std::errc() &&
                           read.ptr == name.data() + name.size() && number >= 0;
    ASSIGN_OR_RETURN(found,
                     GetItem(found, is_number ? Value::Int(number) : Value::Text(name), budget));
    if (name.size() == rest.size()) return found;
    rest.remove_prefix(name.size() + 1);
  }
}

}  // namespace recycling::chat
