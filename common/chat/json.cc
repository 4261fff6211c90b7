#include "common/chat/json.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/status_macros.h"
#include "common/chat/operators.h"
#include "common/tokenizer/utf8.h"
#include "nlohmann/json.hpp"

namespace recycling::chat {
namespace {

constexpr std::size_t kMaxJsonDepth = 64;
// A value takes far more memory than its shortest text. The sizes are what a value, an entry, and
// an object or array take at least, with the allocator's part.
constexpr std::size_t kMaxJsonMemory = 48 << 20;
constexpr std::size_t kValueBytes = 32;
constexpr std::size_t kTextBytes = 96;
constexpr std::size_t kContainerBytes = 128;
static_assert(kMaxJsonDepth < kMaxValueDepth);

// Builds the value from the events of the parser. A method returns false to stop it.
class ValueBuilder : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit ValueBuilder(bool marked) : marked_(marked) {}

  bool null() override { return Add(Value::NoneValue(marked_)); }
  bool boolean(bool value) override { return Add(Value::Bool(value, marked_)); }
  bool number_integer(std::int64_t value) override { return Add(Value::Int(value, marked_)); }
  bool number_unsigned(std::uint64_t value) override {
    if (value > static_cast<std::uint64_t>(INT64_MAX)) return Fail("an integer beyond 64 bits");
    return Add(Value::Int(static_cast<std::int64_t>(value), marked_));
  }
  bool number_float(double value, const std::string& text) override {
    if (text.find_first_of(".eE") == std::string::npos) return Fail("an integer beyond 64 bits");
    return Add(Value::Float(value, marked_));
  }
  bool string(std::string& value) override {
    return Charge(kTextBytes + value.size()) &&
           Add(Value::Text(MarkedText(std::move(value), marked_)));
  }
  bool binary(nlohmann::json::binary_t&) override { return Fail("binary data"); }
  bool start_object(std::size_t) override { return Open(true); }
  bool start_array(std::size_t) override { return Open(false); }
  bool key(std::string& name) override {
    if (!Charge(kValueBytes + kTextBytes + name.size())) return false;
    open_.back().key = Value::Text(MarkedText(std::move(name), marked_));
    return true;
  }
  bool end_object() override {
    Value value = Value::Of(std::move(open_.back().dict), marked_);
    open_.pop_back();
    return Add(std::move(value));
  }
  bool end_array() override {
    Value value = Value::Of(List::Make(std::move(open_.back().items)), marked_);
    open_.pop_back();
    return Add(std::move(value));
  }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& error) override {
    // The message of the library begins with its own error code and position.
    std::string_view message = error.what();
    const std::size_t colon = message.rfind("; ");
    if (colon != std::string_view::npos) message.remove_prefix(colon + 2);
    error_ = absl::StrCat("not JSON at byte ", position, ": ", std::string(message));
    return false;
  }

  absl::Status error() const { return absl::InvalidArgumentError(error_); }
  Value Take() { return std::move(root_); }

 private:
  struct Container {
    std::shared_ptr<Dict> dict;  // null: a list
    std::vector<Value> items;
    Value key;
  };

  bool Fail(std::string message) {
    error_ = std::move(message);
    return false;
  }
  bool Charge(std::size_t bytes) {
    memory_ += bytes;
    return memory_ <= kMaxJsonMemory ||
           Fail(absl::StrCat("JSON that takes more than ", kMaxJsonMemory, " bytes of memory"));
  }
  bool Open(bool is_dict) {
    if (open_.size() >= kMaxJsonDepth) {
      return Fail(absl::StrCat("JSON nested deeper than ", kMaxJsonDepth, " levels"));
    }
    if (!Charge(kContainerBytes)) return false;
    open_.emplace_back();
    if (is_dict) open_.back().dict = std::make_shared<Dict>();
    return true;
  }
  bool Add(Value value) {
    if (!Charge(kValueBytes)) return false;
    if (open_.empty()) {
      root_ = std::move(value);
    } else if (open_.back().dict != nullptr) {
      open_.back().dict->Set(open_.back().key, std::move(value));
    } else {
      open_.back().items.push_back(std::move(value));
    }
    return true;
  }

  const bool marked_;
  std::size_t memory_ = 0;  // of the values so far, about
  std::vector<Container> open_;
  Value root_;
  std::string error_ = "not JSON";
};

class Dumper {
 public:
  Dumper(const JsonStyle& style, Budget& budget) : style_(style), budget_(budget) {}

  absl::Status Write(const Value& value, std::size_t level) {
    RETURN_IF_ERROR(budget_.Step());
    RETURN_IF_ERROR(budget_.Bytes(8));
    const bool marked = value.marked();
    if (const MarkedText* text = value.text()) return WriteText(*text);
    if (value.is_none()) {
      text_.Append("null", marked);
    } else if (value.is_bool()) {
      text_.Append(value.boolean() ? "true" : "false", marked);
    } else if (value.is_int()) {
      text_.Append(absl::StrCat(value.integer()), marked);
    } else if (value.is_float()) {
      text_.Append(NumberText(value.number()), marked);
    } else if (const Dict* dict = value.dict()) {
      return WriteDict(*dict, marked, level);
    } else if (const List* list = value.list();
               list != nullptr &&
               (list->kind == ListKind::kList || list->kind == ListKind::kTuple)) {
      return WriteList(*list, marked, level);
    } else {
      return TypeError(
          absl::StrCat("Object of type ", TypeName(value), " is not JSON serializable"));
    }
    return absl::OkStatus();
  }

  MarkedText Take() { return std::move(text_); }

 private:
  static std::string NumberText(double number) {
    if (std::isnan(number)) return "NaN";
    if (std::isinf(number)) return number > 0 ? "Infinity" : "-Infinity";
    return FloatText(number);
  }

  absl::Status WriteText(const MarkedText& text) {
    RETURN_IF_ERROR(budget_.Bytes(text.size()));
    const bool marked = text.HasMarks();
    text_.Append("\"", marked);
    Utf8Reader reader(text.bytes());
    while (!reader.done()) {
      const std::size_t begin = reader.position();
      const char32_t character = reader.Next().value_or(0xFFFD);
      const std::string escape = Escape(character);
      if (escape.empty()) {
        text_.AppendRange(text, begin, reader.position());
      } else {
        text_.Append(escape, text.IsMarked(begin));
      }
    }
    text_.Append("\"", marked);
    return absl::OkStatus();
  }

  // Empty for a character that stands for itself.
  std::string Escape(char32_t character) const {
    switch (character) {
      case '"':
        return "\\\"";
      case '\\':
        return "\\\\";
      case '\n':
        return "\\n";
      case '\r':
        return "\\r";
      case '\t':
        return "\\t";
      case '\b':
        return "\\b";
      case '\f':
        return "\\f";
      default:
        break;
    }
    const auto code = static_cast<std::uint32_t>(character);
    if (code >= 0x20 && (code <= 0x7F || !style_.ensure_ascii)) return "";
    if (code < 0x10000) return absl::StrFormat("\\u%04x", code);
    return absl::StrFormat("\\u%04x\\u%04x", 0xD800 + ((code - 0x10000) >> 10),
                           0xDC00 + ((code - 0x10000) & 0x3FF));
  }

  // Appends a part of the style in a container; marked if either is.
  void AppendPart(const MarkedText& part, bool marked) {
    if (marked) {
      text_.Append(part.bytes(), true);
    } else {
      text_.Append(part);
    }
  }

  void BreakLine(std::size_t level, bool marked) {
    if (!style_.indent.has_value()) return;
    text_.Append("\n", marked);
    for (std::size_t i = 0; i < level; ++i) AppendPart(*style_.indent, marked);
  }

  absl::Status WriteList(const List& list, bool marked, std::size_t level) {
    text_.Append("[", marked);
    for (std::size_t i = 0; i < list.items.size(); ++i) {
      if (i > 0) AppendPart(style_.item_separator, marked);
      RETURN_IF_ERROR(Indent(level + 1, marked));
      RETURN_IF_ERROR(Write(list.items[i], level + 1));
    }
    if (!list.items.empty()) BreakLine(level, marked);
    text_.Append("]", marked);
    return absl::OkStatus();
  }

  absl::Status Indent(std::size_t level, bool marked) {
    RETURN_IF_ERROR(budget_.Bytes(style_.item_separator.size() + style_.key_separator.size()));
    if (!style_.indent.has_value()) return absl::OkStatus();
    RETURN_IF_ERROR(budget_.Bytes(style_.indent->size() * level));
    BreakLine(level, marked);
    return absl::OkStatus();
  }

  absl::Status WriteDict(const Dict& dict, bool marked, std::size_t level) {
    std::vector<const Dict::Entry*> entries;
    for (const Dict::Entry& entry : dict.entries()) entries.push_back(&entry);
    if (style_.sort_keys) RETURN_IF_ERROR(Sort(entries));
    text_.Append("{", marked);
    for (std::size_t i = 0; i < entries.size(); ++i) {
      if (i > 0) AppendPart(style_.item_separator, marked);
      RETURN_IF_ERROR(Indent(level + 1, marked));
      RETURN_IF_ERROR(WriteKey(entries[i]->key, level));
      AppendPart(style_.key_separator, marked);
      RETURN_IF_ERROR(Write(entries[i]->value, level + 1));
    }
    if (!entries.empty()) BreakLine(level, marked);
    text_.Append("}", marked);
    return absl::OkStatus();
  }

  absl::Status Sort(std::vector<const Dict::Entry*>& entries) {
    absl::Status status;
    std::stable_sort(
        entries.begin(), entries.end(), [&](const Dict::Entry* left, const Dict::Entry* right) {
          const absl::StatusOr<int> order = Compare(left->key, right->key, "<", budget_);
          if (!order.ok()) status = order.status();
          return order.ok() && *order < 0;
        });
    return status;
  }

  absl::Status WriteKey(const Value& key, std::size_t level) {
    if (const MarkedText* text = key.text()) return WriteText(*text);
    if (!key.is_none() && !key.is_number()) {
      return TypeError(
          absl::StrCat("keys must be str, int, float, bool or None, not ", TypeName(key)));
    }
    text_.Append("\"", key.marked());
    RETURN_IF_ERROR(Write(key, level));
    text_.Append("\"", key.marked());
    return absl::OkStatus();
  }

  const JsonStyle& style_;
  Budget& budget_;
  MarkedText text_;
};

}  // namespace

absl::StatusOr<Value> ParseJson(std::string_view text, bool marked) {
  if (const std::optional<std::size_t> invalid = FindInvalidUtf8(text)) {
    return absl::InvalidArgumentError(absl::StrCat("not UTF-8 at byte ", *invalid));
  }
  ValueBuilder builder(marked);
  if (!nlohmann::json::sax_parse(text.begin(), text.end(), &builder)) return builder.error();
  return builder.Take();
}

absl::StatusOr<MarkedText> DumpJson(const Value& value, const JsonStyle& style, Budget& budget) {
  Dumper dumper(style, budget);
  RETURN_IF_ERROR(dumper.Write(value, 0));
  return dumper.Take();
}

}  // namespace recycling::chat
