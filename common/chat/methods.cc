#include "common/chat/methods.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/chat/lookup.h"
#include "common/chat/operators.h"
#include "common/chat/text_format.h"
#include "common/chat/unicode_text.h"
#include "common/tokenizer/utf8.h"

namespace recycling::chat {
namespace {

using Result = absl::StatusOr<Value>;
using Bound = std::vector<std::optional<Value>>;

// One call of a method.
struct Call {
  const Value& self;
  std::string_view name;
  const Arguments& arguments;
  Budget& budget;

  const MarkedText& text() const { return *self.text(); }
  absl::StatusOr<Bound> Bind(std::initializer_list<std::string_view> parameters,
                             std::size_t required = 0) const {
    return arguments.Bind(name, parameters, required);
  }
};

// Valid while `value` is.
absl::StatusOr<const MarkedText*> TextOf(const std::optional<Value>& value,
                                         std::string_view method) {
  if (value.has_value() && value->is_text()) return value->text();
  if (value.has_value() && value->is_undefined()) return UndefinedError(*value->undefined());
  return TypeError(absl::StrCat(std::string(method), "() expects a str, got ",
                                value.has_value() ? TypeName(*value) : "nothing"));
}

absl::StatusOr<std::int64_t> IntOf(const std::optional<Value>& value, std::int64_t otherwise,
                                   std::string_view method) {
  if (!value.has_value()) return otherwise;
  if (value->is_integral()) return value->integer();
  return TypeError(absl::StrCat(std::string(method), "() expects an int, got ", TypeName(*value)));
}

Result List(std::vector<MarkedText> parts, Budget& budget) {
  std::vector<Value> items;
  items.reserve(parts.size());
  for (MarkedText& part : parts) {
    ASSIGN_OR_RETURN(Value item, MakeText(std::move(part), budget));
    items.push_back(std::move(item));
  }
  return MakeList(std::move(items), budget);
}

// The length in bytes of the characters at the start or the end of `text` that are in `set`.
std::size_t SpanOf(std::string_view text, std::string_view set, bool from_end) {
  absl::flat_hash_set<char32_t> members;
  for (Utf8Reader reader(set); !reader.done();) members.insert(reader.Next().value_or(0xFFFD));
  std::size_t length = 0;
  while (length < text.size()) {
    const std::size_t begin =
        from_end ? LastCharacterOffset(text.substr(0, text.size() - length)) : length;
    Utf8Reader reader(text.substr(begin));
    if (!members.contains(reader.Next().value_or(0xFFFD))) break;
    length = from_end ? text.size() - begin : length + reader.position();
  }
  return length;
}

// Applies `change` to each part, so that marks stay where they are.
absl::StatusOr<MarkedText> MapParts(const MarkedText& text, Budget& budget,
                                    std::string (*change)(std::string_view)) {
  RETURN_IF_ERROR(budget.Bytes(text.size()));
  RETURN_IF_ERROR(budget.Step(text.size() / 64));
  MarkedText result;
  for (const MarkedText::Part& part : text.Parts()) result.Append(change(part.bytes), part.marked);
  return result;
}

// ---- str: parts

// At most `splits` parts from the left or the right, and the rest; -1: all parts.
Result SplitWords(const Call& call, std::int64_t splits, bool from_end) {
  const MarkedText& text = call.text();
  const std::string_view bytes = text.bytes();
  std::vector<MarkedText> parts;
  std::size_t begin = 0;
  std::size_t end = bytes.size();
  for (;;) {
    begin += LeadingSpace(bytes.substr(begin, end - begin));
    end -= TrailingSpace(bytes.substr(begin, end - begin));
    if (begin == end) break;
    RETURN_IF_ERROR(call.budget.Bytes(sizeof(Value)));
    if (splits == 0) {
      parts.push_back(from_end ? text.Slice(0, end) : text.Slice(begin, bytes.size()));
      break;
    }
    if (splits > 0) --splits;
    std::size_t cut = from_end ? end : begin;
    if (from_end) {
      while (cut > begin && TrailingSpace(bytes.substr(begin, cut - begin)) == 0) --cut;
      parts.push_back(text.Slice(cut, end));
      end = cut;
    } else {
      while (cut < end && LeadingSpace(bytes.substr(cut, 4)) == 0) ++cut;
      parts.push_back(text.Slice(begin, cut));
      begin = cut;
    }
  }
  if (from_end) std::reverse(parts.begin(), parts.end());
  return List(std::move(parts), call.budget);
}

Result SplitBy(const Call& call, const MarkedText& separator, std::int64_t splits, bool from_end) {
  const MarkedText& text = call.text();
  // A search from the right reads both texts backwards.
  std::string bytes = text.bytes();
  std::string wanted = separator.bytes();
  if (from_end) {
    std::reverse(bytes.begin(), bytes.end());
    std::reverse(wanted.begin(), wanted.end());
  }
  const auto part = [&](std::size_t begin, std::size_t end) {
    return from_end ? text.Slice(bytes.size() - end, bytes.size() - begin) : text.Slice(begin, end);
  };
  std::vector<MarkedText> parts;
  std::size_t begin = 0;
  while (splits != 0) {
    const std::size_t found = FindBytes(bytes, wanted, begin);
    if (found == std::string::npos) break;
    if (splits > 0) --splits;
    RETURN_IF_ERROR(call.budget.Bytes(sizeof(Value)));
    parts.push_back(part(begin, found));
    begin = found + wanted.size();
  }
  parts.push_back(part(begin, bytes.size()));
  if (from_end) std::reverse(parts.begin(), parts.end());
  return List(std::move(parts), call.budget);
}

Result Split(const Call& call) {
  ASSIGN_OR_RETURN(const Bound bound, call.Bind({"sep", "maxsplit"}));
  ASSIGN_OR_RETURN(const std::int64_t splits, IntOf(bound[1], -1, call.name));
  const bool from_end = call.name == "rsplit";
  RETURN_IF_ERROR(call.budget.Read(call.text().size()));
  const std::int64_t most = std::max<std::int64_t>(splits, -1);
  if (!bound[0].has_value() || bound[0]->is_none()) return SplitWords(call, most, from_end);
  ASSIGN_OR_RETURN(const MarkedText* separator, TextOf(bound[0], call.name));
  if (separator->empty()) return TypeError("empty separator");
  return SplitBy(call, *separator, most, from_end);
}

Result SplitIntoLines(const Call& call) {
  ASSIGN_OR_RETURN(const Bound bound, call.Bind({"keepends"}));
  const bool keeps = bound[0].has_value() && IsTruthy(*bound[0]);
  std::vector<MarkedText> lines;
  RETURN_IF_ERROR(call.budget.Bytes(call.text().size()));
  for (const Line& line : SplitLines(call.text().bytes())) {
    RETURN_IF_ERROR(call.budget.Bytes(sizeof(Value) + sizeof(Line)));
    lines.push_back(call.text().Slice(line.begin, keeps ? line.end : line.content_end));
  }
  return List(std::move(lines), call.budget);
}

Result Partition(const Call& call) {
  ASSIGN_OR_RETURN(const Bound bound, call.Bind({"sep"}, 1));
  ASSIGN_OR_RETURN(const MarkedText* separator, TextOf(bound[0], call.name));
  if (separator->empty()) return TypeError("empty separator");
  RETURN_IF_ERROR(call.budget.Read(call.text().size()));
  const MarkedText& text = call.text();
  const bool from_end = call.name == "rpartition";
  const std::size_t found = from_end ? FindLastBytes(text.bytes(), separator->bytes())
                                     : FindBytes(text.bytes(), separator->bytes());
  std::vector<Value> parts(3, Value::Text(""));
  if (found == std::string::npos) {
    parts[from_end ? 2 : 0] = call.self;
  } else {
    const std::size_t after = found + separator->size();
    parts[0] = Value::Text(text.Slice(0, found));
    parts[1] = Value::Text(text.Slice(found, after));
    parts[2] = Value::Text(text.Slice(after, text.size()));
    RETURN_IF_ERROR(call.budget.Bytes(text.size()));
  }
  return MakeList(std::move(parts), call.budget, ListKind::kTuple);
}

Result Join(const Call& call) {
  ASSIGN_OR_RETURN(const Bound bound, call.Bind({"iterable"}, 1));
  ASSIGN_OR_RETURN(const std::vector<Value> items, Iterate(*bound[0], call.budget));
  MarkedText joined;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i > 0) joined.Append(call.text());
    ASSIGN_OR_RETURN(const MarkedText* item, TextOf(items[i], call.name));
    RETURN_IF_ERROR(call.budget.Bytes(item->size() + call.text().size()));
    joined.Append(*item);
  }
  return MakeText(std::move(joined), call.budget);
}

Result StripMethod(const Call& call) {
  ASSIGN_OR_RETURN(const Bound bound, call.Bind({"chars"}));
  RETURN_IF_ERROR(call.budget.Read(call.text().size()));
  if (bound[0].has_value() && bound[0]->is_text()) {
    RETURN_IF_ERROR(call.budget.Items(bound[0]->text()->size(), sizeof(char32_t)));
  }
  ASSIGN_OR_RETURN(MarkedText text, Strip(call.text(), bound[0].value_or(Value()),
                                          call.name != "rstrip", call.name != "lstrip"));
  return MakeText(std::move(text), call.budget);
}

Result RemoveAffix(const Call& call) {
  ASSIGN_OR_RETURN(const Bound bound, call.Bind({"affix"}, 1));
  ASSIGN_OR_RETURN(const MarkedText* affix, TextOf(bound[0], call.name));
  const MarkedText& text = call.text();
  if (call.name == "removeprefix" && text.bytes().starts_with(affix->bytes())) {
    return MakeText(text.Slice(affix->size(), text.size()), call.budget);
  }
  if (call.name == "removesuffix" && text.bytes().ends_with(affix->bytes())) {
    return MakeText(text.Slice(0, text.size() - affix->size()), call.budget);
  }
  return call.self;
}

Result ReplaceMethod(const Call& call) {
  ASSIGN_OR_RETURN(const Bound bound, call.Bind({"old", "new", "count"}, 2));
  ASSIGN_OR_RETURN(const MarkedText* old, TextOf(bound[0], call.name));
  ASSIGN_OR_RETURN(const MarkedText* replacement, TextOf(bound[1], call.name));
  ASSIGN_OR_RETURN(const std::int64_t count, IntOf(bound[2], -1, call.name));
  ASSIGN_OR_RETURN(MarkedText text, Replace(call.text(), *old, *replacement, count, call.budget));
  return Value::Text(std::move(text));
}

// ---- str: questions

// The range of bytes that the optional bounds `begin` and `end`, in characters, leave. Nothing if
// `begin` is behind the text.
absl::StatusOr<std::optional<ByteRange>> Window(const Call& call, const std::optional<Value>& begin,
                                                const std::optional<Value>& end) {
  const std::string_view text = call.text().bytes();
  RETURN_IF_ERROR(call.budget.Read(text.size()));
  const auto given = [](const std::optional<Value>& value) {
    return value.has_value() && !value->is_none();
  };
  if (!given(begin) && !given(end)) return ByteRange{0, text.size()};
  const auto length = static_cast<std::int64_t>(CountCharacters(text));
  const auto position = [&](std::int64_t index) {
    if (index < 0) index = std::max<std::int64_t>(index, -length) + length;
    return OffsetOfCharacter(text, static_cast<std::size_t>(std::min(index, length)));
  };
  std::int64_t first = 0;
  std::int64_t last = length;
  if (given(begin)) {
    ASSIGN_OR_RETURN(first, IntOf(begin, 0, call.name));
  }
  if (given(end)) {
    ASSIGN_OR_RETURN(last, IntOf(end, length, call.name));
  }
  if (first > length) return std::nullopt;
  return ByteRange{position(first), std::max(position(first), position(last))};
}

Result HasAffix(const Call& call) {
  ASSIGN_OR_RETURN(const Bound bound, call.Bind({"affix", "start", "end"}, 1));
  ASSIGN_OR_RETURN(const std::optional<ByteRange> window, Window(call, bound[1], bound[2]));
  if (!window.has_value()) return Value::Bool(false);
  const std::string_view text =
      std::string_view(call.text().bytes()).substr(window->begin, window->end - window->begin);
  std::vector<Value> affixes = {*bound[0]};
  if (const chat::List* list = bound[0]->list();
      list != nullptr && list->kind == ListKind::kTuple) {
    RETURN_IF_ERROR(call.budget.Items(list->items.size(), sizeof(Value)));
    affixes = list->items;
  }
  for (const Value& item : affixes) {
    RETURN_IF_ERROR(call.budget.Step());
    const std::optional<Value> held = item;
    ASSIGN_OR_RETURN(const MarkedText* affix, TextOf(held, call.name));
    RETURN_IF_ERROR(call.budget.Read(affix->size()));
    if (call.name == "startswith" ? text.starts_with(affix->bytes())
                                  : text.ends_with(affix->bytes())) {
      return Value::Bool(true);
    }
  }
  return Value::Bool(false);
}

Result Find(const Call& call) {
  ASSIGN_OR_RETURN(const Bound bound, call.Bind({"sub", "start", "end"}, 1));
  ASSIGN_OR_RETURN(const MarkedText* wanted, TextOf(bound[0], call.name));
  ASSIGN_OR_RETURN(const std::optional<ByteRange> window, Window(call, bound[1], bound[2]));
  const std::string_view bytes = call.text().bytes();
  const bool marked = call.text().HasMarks();
  if (!window.has_value()) {
    if (call.name.ends_with("index")) return TypeError("substring not found");
    return Value::Int(-1, marked);
  }
  const std::string_view text = bytes.substr(window->begin, window->end - window->begin);
  const bool from_end = call.name.starts_with('r');
  const std::size_t found =
      from_end ? FindLastBytes(text, wanted->bytes()) : FindBytes(text, wanted->bytes());
  if (found == std::string_view::npos) {
    if (call.name.ends_with("index")) return TypeError("substring not found");
    return Value::Int(-1, marked);
  }
  return Value::Int(
      static_cast<std::int64_t>(CountCharacters(bytes.substr(0, window->begin + found))), marked);
}

Result Count(const Call& call) {
  ASSIGN_OR_RETURN(const Bound bound, call.Bind({"sub", "start", "end"}, 1));
  ASSIGN_OR_RETURN(const MarkedText* wanted, TextOf(bound[0], call.name));
  ASSIGN_OR_RETURN(const std::optional<ByteRange> window, Window(call, bound[1], bound[2]));
  const bool marked = call.text().HasMarks();
  if (!window.has_value()) return Value::Int(0, marked);
  const std::string_view text =
      std::string_view(call.text().bytes()).substr(window->begin, window->end - window->begin);
  if (wanted->empty()) {
    return Value::Int(static_cast<std::int64_t>(CountCharacters(text)) + 1, marked);
  }
  std::int64_t count = 0;
  for (std::size_t at = FindBytes(text, wanted->bytes()); at != std::string_view::npos;
       at = FindBytes(text, wanted->bytes(), at + wanted->size())) {
    ++count;
  }
  return Value::Int(count, marked);
}

Result IsOfClass(const Call& call) {
  ASSIGN_OR_RETURN(const Bound bound, call.Bind({}));
  const std::string_view text = call.text().bytes();
  RETURN_IF_ERROR(call.budget.Step(text.size() / 16));
  const bool upper = call.name == "isupper";
  if (upper || call.name == "islower") {
    bool found = false;
    Utf8Reader reader(text);
    while (!reader.done()) {
      const char32_t character = reader.Next().value_or(0xFFFD);
      if (upper ? IsLower(character) : IsUpper(character)) return Value::Bool(false);
      found = found || (upper ? IsUpper(character) : IsLower(character));
    }
    return Value::Bool(found);
  }
  bool (*is_member)(char32_t) = call.name == "isspace"     ? IsSpace
                                : call.name == "isalpha"   ? IsAlphabetic
                                : call.name == "isalnum"   ? IsAlphanumeric
                                : call.name == "isdecimal" ? IsDecimal
                                : call.name == "isnumeric" ? IsNumeric
                                                           : IsDigit;
  Utf8Reader reader(text);
  while (!reader.done()) {
    if (!is_member(reader.Next().value_or(0xFFFD))) return Value::Bool(false);
  }
  return Value::Bool(!text.empty());
}

// ---- str: case and width

Result ChangeCase(const Call& call) {
  ASSIGN_OR_RETURN(const Bound bound, call.Bind({}));
  if (call.name == "upper") {
    ASSIGN_OR_RETURN(MarkedText upper, UpperCase(call.text(), call.budget));
    return Value::Text(std::move(upper));
  }
  if (call.name == "casefold") {
    ASSIGN_OR_RETURN(MarkedText folded, MapParts(call.text(), call.budget, FoldCase));
    return Value::Text(std::move(folded));
  }
  if (call.name == "lower") {
    ASSIGN_OR_RETURN(MarkedText lower, LowerCase(call.text(), call.budget));
    return Value::Text(std::move(lower));
  }
  if (call.name == "capitalize") {
    ASSIGN_OR_RETURN(MarkedText capitalized, Capitalize(call.text(), call.budget));
    return Value::Text(std::move(capitalized));
  }
  // title and swapcase go character by character.
  MarkedText result;
  const MarkedText& text = call.text();
  RETURN_IF_ERROR(call.budget.Step(text.size() / 16));
  bool in_word = false;
  for (Utf8Reader reader(text.bytes()); !reader.done();) {
    const std::size_t begin = reader.position();
    const char32_t code = reader.Next().value_or(0xFFFD);
    const std::string_view character =
        std::string_view(text.bytes()).substr(begin, reader.position() - begin);
    const bool is_title = call.name == "title" && !in_word;
    const bool is_upper = call.name == "swapcase" && IsLower(code);
    result.Append(is_title   ? ToTitle(character)
                  : is_upper ? ToUpper(character)
                             : ToLower(character),
                  text.IsMarked(begin));
    in_word = IsUpper(code) || IsLower(code);
  }
  return MakeText(std::move(result), call.budget);
}

Result Justify(const Call& call) {
  ASSIGN_OR_RETURN(const Bound bound, call.Bind({"width", "fillchar"}, 1));
  ASSIGN_OR_RETURN(const std::int64_t width, IntOf(bound[0], 0, call.name));
  MarkedText fill(call.name == "zfill" ? "0" : " ", false);
  if (bound[1].has_value()) {
    ASSIGN_OR_RETURN(const MarkedText* given, TextOf(bound[1], call.name));
    fill = *given;
    if (CountCharacters(fill.bytes()) != 1) {
      return TypeError("the fill character must be exactly one character long");
    }
  }
  const MarkedText& text = call.text();
  const std::int64_t missing = MissingCharacters(text, width);
  RETURN_IF_ERROR(call.budget.Items(static_cast<std::uint64_t>(missing), fill.size()));
  if (call.name == "center") return MakeText(Center(text, width, fill), call.budget);
  MarkedText padding;
  for (std::int64_t i = 0; i < missing; ++i) padding.Append(fill);
  MarkedText result;
  if (call.name == "ljust") {
    result = text;
    result.Append(padding);
  } else {
    const bool has_sign =
        call.name == "zfill" && (text.bytes().starts_with('-') || text.bytes().starts_with('+'));
    result.AppendRange(text, 0, has_sign ? 1 : 0);
    result.Append(padding);
    result.AppendRange(text, has_sign ? 1 : 0, text.size());
  }
  return MakeText(std::move(result), call.budget);
}

Result Format(const Call& call) { return BraceFormat(call.text(), call.arguments, call.budget); }

// ---- list, dict, loop

Result ListCount(const Call& call) {
  ASSIGN_OR_RETURN(const Bound bound, call.Bind({"value"}, 1));
  std::int64_t count = 0;
  for (const Value& item : call.self.list()->items) {
    ASSIGN_OR_RETURN(const bool equal, Equals(item, *bound[0], call.budget));
    count += equal ? 1 : 0;
  }
  return Value::Int(count);
}

Result ListIndex(const Call& call) {
  ASSIGN_OR_RETURN(const Bound bound, call.Bind({"value"}, 1));
  const std::vector<Value>& items = call.self.list()->items;
  for (std::size_t i = 0; i < items.size(); ++i) {
    ASSIGN_OR_RETURN(const bool equal, Equals(items[i], *bound[0], call.budget));
    if (equal) return Value::Int(static_cast<std::int64_t>(i));
  }
  return TypeError("the value is not in the list");
}

// Lists and dicts never change, so a copy may be the value itself.
Result Copy(const Call& call) {
  ASSIGN_OR_RETURN(const Bound bound, call.Bind({}));
  return call.self;
}

Result DictView(const Call& call) {
  ASSIGN_OR_RETURN(const Bound bound, call.Bind({}));
  std::vector<Value> items;
  for (const Dict::Entry& entry : call.self.dict()->entries()) {
    RETURN_IF_ERROR(call.budget.Bytes(sizeof(Value)));
    if (call.name == "keys") {
      items.push_back(entry.key);
    } else if (call.name == "values") {
      items.push_back(entry.value);
    } else {
      ASSIGN_OR_RETURN(Value pair,
                       MakeList({entry.key, entry.value}, call.budget, ListKind::kTuple));
      items.push_back(std::move(pair));
    }
  }
  return MakeList(std::move(items), call.budget, ListKind::kView, call.self.marked());
}

Result DictGet(const Call& call) {
  ASSIGN_OR_RETURN(const Bound bound, call.Bind({"key", "default"}, 1));
  if (bound[0]->is_text()) RETURN_IF_ERROR(call.budget.Read(bound[0]->text()->size()));
  if (bound[0]->is_undefined()) return bound[1].value_or(Value());
  if (!Dict::IsHashable(*bound[0])) {
    return TypeError(absl::StrCat("unhashable type: '", TypeName(*bound[0]), "'"));
  }
  const Value* found = call.self.dict()->Find(*bound[0]);
  return found != nullptr ? *found : bound[1].value_or(Value());
}

Result LoopCycle(const Call& call) {
  const std::vector<Value>& values = call.arguments.positional;
  if (values.empty()) return TypeError("no items for cycling given");
  return values[call.self.loop()->index % values.size()];
}

Result LoopChanged(const Call& call) {
  ASSIGN_OR_RETURN(const Value values,
                   MakeList(call.arguments.positional, call.budget, ListKind::kTuple));
  Loop& loop = *call.self.loop();
  bool changed = true;
  if (loop.changed.has_value()) {
    ASSIGN_OR_RETURN(const bool equal, Equals(*loop.changed, values, call.budget));
    changed = !equal;
  }
  loop.changed = values;
  return Value::Bool(changed);
}

Result NotSupported(const Call& call) {
  return TypeError(absl::StrCat("the method '", std::string(call.name), "' of '",
                                TypeName(call.self), "' is not supported"));
}

struct Method {
  std::string_view name;
  Result (*apply)(const Call& call);
};

constexpr std::array kTextMethods = {
    Method{"capitalize", ChangeCase},
    Method{"casefold", ChangeCase},
    Method{"center", Justify},
    Method{"count", Count},
    Method{"encode", NotSupported},
    Method{"endswith", HasAffix},
    Method{"expandtabs", NotSupported},
    Method{"find", Find},
    Method{"format", Format},
    Method{"format_map", NotSupported},
    Method{"index", Find},
    Method{"isalnum", IsOfClass},
    Method{"isalpha", IsOfClass},
    Method{"isascii", NotSupported},
    Method{"isdecimal", IsOfClass},
    Method{"isdigit", IsOfClass},
    Method{"isidentifier", NotSupported},
    Method{"islower", IsOfClass},
    Method{"isnumeric", IsOfClass},
    Method{"isprintable", NotSupported},
    Method{"isspace", IsOfClass},
    Method{"istitle", NotSupported},
    Method{"isupper", IsOfClass},
    Method{"join", Join},
    Method{"ljust", Justify},
    Method{"lower", ChangeCase},
    Method{"lstrip", StripMethod},
    Method{"maketrans", NotSupported},
    Method{"partition", Partition},
    Method{"removeprefix", RemoveAffix},
    Method{"removesuffix", RemoveAffix},
    Method{"replace", ReplaceMethod},
    Method{"rfind", Find},
    Method{"rindex", Find},
    Method{"rjust", Justify},
    Method{"rpartition", Partition},
    Method{"rsplit", Split},
    Method{"rstrip", StripMethod},
    Method{"split", Split},
    Method{"splitlines", SplitIntoLines},
    Method{"startswith", HasAffix},
    Method{"strip", StripMethod},
    Method{"swapcase", ChangeCase},
    Method{"title", ChangeCase},
    Method{"translate", NotSupported},
    Method{"upper", ChangeCase},
    Method{"zfill", Justify},
};

constexpr std::array kListMethods = {
    Method{"append", nullptr},  Method{"clear", nullptr},  Method{"copy", Copy},
    Method{"count", ListCount}, Method{"extend", nullptr}, Method{"index", ListIndex},
    Method{"insert", nullptr},  Method{"pop", nullptr},    Method{"remove", nullptr},
    Method{"reverse", nullptr}, Method{"sort", nullptr},
};

constexpr std::array kTupleMethods = {
    Method{"count", ListCount},
    Method{"index", ListIndex},
};

constexpr std::array kDictMethods = {
    Method{"clear", nullptr},  Method{"copy", Copy},       Method{"fromkeys", NotSupported},
    Method{"get", DictGet},    Method{"items", DictView},  Method{"keys", DictView},
    Method{"pop", nullptr},    Method{"popitem", nullptr}, Method{"setdefault", nullptr},
    Method{"update", nullptr}, Method{"values", DictView},
};

constexpr std::array kLoopMethods = {
    Method{"cycle", LoopCycle},
    Method{"changed", LoopChanged},
};

std::span<const Method> MethodsOf(const Value& value) {
  if (value.is_text()) return kTextMethods;
  if (value.dict() != nullptr) return kDictMethods;
  if (value.loop() != nullptr) return kLoopMethods;
  if (const chat::List* list = value.list()) {
    if (list->kind == ListKind::kList) return kListMethods;
    if (list->kind == ListKind::kTuple || list->kind == ListKind::kRange) return kTupleMethods;
  }
  return {};
}

const Method* FindMethod(const Value& value, std::string_view name) {
  const std::span<const Method> methods = MethodsOf(value);
  const auto found = std::find_if(methods.begin(), methods.end(),
                                  [name](const Method& method) { return method.name == name; });
  return found == methods.end() ? nullptr : &*found;
}

}  // namespace

bool HasMethod(const Value& value, std::string_view name) {
  return FindMethod(value, name) != nullptr;
}

bool IsSafeMethod(const Value& value, std::string_view name) {
  const Method* method = FindMethod(value, name);
  return method != nullptr && method->apply != nullptr;
}

absl::StatusOr<Value> CallMethod(const Value& self, std::string_view name,
                                 const Arguments& arguments, Budget& budget) {
  RETURN_IF_ERROR(budget.Step());
  return FindMethod(self, name)->apply(Call{self, name, arguments, budget});
}

std::int64_t MissingCharacters(const MarkedText& text, std::int64_t width) {
  const auto length = static_cast<std::int64_t>(CountCharacters(text.bytes()));
  return width > length ? width - length : 0;
}

absl::StatusOr<MarkedText> UpperCase(const MarkedText& text, Budget& budget) {
  return MapParts(text, budget, ToUpper);
}

absl::StatusOr<MarkedText> LowerCase(const MarkedText& text, Budget& budget) {
  return MapParts(text, budget, ToLower);
}

absl::StatusOr<MarkedText> Capitalize(const MarkedText& text, Budget& budget) {
  if (text.empty()) return text;
  Utf8Reader reader(text.bytes());
  reader.Next();
  ASSIGN_OR_RETURN(MarkedText result, MapParts(text.Slice(0, reader.position()), budget, ToTitle));
  ASSIGN_OR_RETURN(const MarkedText rest,
                   LowerCase(text.Slice(reader.position(), text.size()), budget));
  result.Append(rest);
  return result;
}

absl::StatusOr<MarkedText> Strip(const MarkedText& text, const Value& characters, bool at_begin,
                                 bool at_end) {
  const std::string_view bytes = text.bytes();
  std::size_t begin = 0;
  std::size_t end = bytes.size();
  if (characters.is_none()) {
    if (at_begin) begin = LeadingSpace(bytes);
    if (at_end) end -= TrailingSpace(bytes.substr(begin));
  } else {
    const std::optional<Value> held = characters;
    ASSIGN_OR_RETURN(const MarkedText* set, TextOf(held, "strip"));
    if (at_begin) begin = SpanOf(bytes, set->bytes(), false);
    if (at_end) end -= SpanOf(bytes.substr(begin), set->bytes(), true);
  }
  return text.Slice(begin, end);
}

absl::StatusOr<MarkedText> Replace(const MarkedText& text, const MarkedText& old,
                                   const MarkedText& replacement, std::int64_t count,
                                   Budget& budget) {
  RETURN_IF_ERROR(budget.Bytes(text.size()));
  RETURN_IF_ERROR(budget.Read(text.size()));
  count = std::max<std::int64_t>(count, -1);
  const std::string_view bytes = text.bytes();
  MarkedText result;
  std::size_t begin = 0;
  // An empty `old` is found before each character and at the end.
  std::size_t search = 0;
  while (count != 0) {
    const std::size_t found = FindBytes(bytes, old.bytes(), search);
    if (found == std::string_view::npos) break;
    if (count > 0) --count;
    RETURN_IF_ERROR(budget.Bytes(replacement.size() + sizeof(ByteRange)));
    result.AppendRange(text, begin, found);
    result.Append(replacement);
    begin = found + old.size();
    search = begin;
    if (old.empty()) {
      if (found == bytes.size()) break;
      search += OffsetOfCharacter(bytes.substr(search), 1);
    }
  }
  result.AppendRange(text, begin, text.size());
  return result;
}

MarkedText Center(const MarkedText& text, std::int64_t width, const MarkedText& fill) {
  const std::int64_t missing = MissingCharacters(text, width);
  // If an odd number of characters is missing, Python puts one more to the left of an odd width.
  const std::int64_t left = missing / 2 + (missing & width & 1);
  MarkedText result;
  for (std::int64_t i = 0; i < left; ++i) result.Append(fill);
  result.Append(text);
  for (std::int64_t i = left; i < missing; ++i) result.Append(fill);
  return result;
}

}  // namespace recycling::chat
