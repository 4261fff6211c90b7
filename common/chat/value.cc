#include "common/chat/value.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "absl/strings/str_cat.h"

namespace recycling::chat {
namespace {

constexpr std::size_t kMaxTupleKey = 4096;
constexpr std::size_t kMostWithoutIndex = 8;

template <typename T, typename Data>
T* PointerIn(const Data& data) {
  const auto* pointer = std::get_if<std::shared_ptr<T>>(&data);
  return pointer == nullptr ? nullptr : pointer->get();
}

}  // namespace

Value Value::Text(MarkedText text) {
  return Value(std::make_shared<const MarkedText>(std::move(text)), false);
}

Value Value::MissingValue(std::string reason) {
  return Value(std::make_shared<const Undefined>(Undefined{std::move(reason)}), false);
}

Value Value::Of(std::shared_ptr<List> list, bool marked) { return Value(std::move(list), marked); }
Value Value::Of(std::shared_ptr<Dict> dict, bool marked) { return Value(std::move(dict), marked); }
Value Value::Of(std::shared_ptr<Namespace> names) { return Value(std::move(names), false); }
Value Value::Of(std::shared_ptr<const Callable> callable) {
  return Value(std::move(callable), false);
}
Value Value::Of(std::shared_ptr<Loop> loop) { return Value(std::move(loop), false); }

const Undefined* Value::undefined() const { return PointerIn<const Undefined>(data_); }
const MarkedText* Value::text() const { return PointerIn<const MarkedText>(data_); }
List* Value::list() const { return PointerIn<List>(data_); }
Dict* Value::dict() const { return PointerIn<Dict>(data_); }
Namespace* Value::names() const { return PointerIn<Namespace>(data_); }
const Callable* Value::callable() const { return PointerIn<const Callable>(data_); }
Loop* Value::loop() const { return PointerIn<Loop>(data_); }

std::int64_t Value::integer() const {
  return is_bool() ? (boolean() ? 1 : 0) : *std::get_if<std::int64_t>(&data_);
}

double Value::number() const {
  return is_float() ? *std::get_if<double>(&data_) : static_cast<double>(integer());
}

Value Value::AsMarkup() const {
  Value copy = *this;
  copy.markup_ = true;
  return copy;
}

int Value::depth() const {
  if (const List* items = list()) return items->depth;
  if (const Dict* entries = dict()) return entries->depth();
  if (const Callable* called = callable()) {
    return called->kind == Callable::Kind::kMethod ? 1 + called->self.depth() : 0;
  }
  return 0;
}

std::shared_ptr<List> List::Make(std::vector<Value> items, ListKind kind) {
  auto list = std::make_shared<List>();
  list->kind = kind;
  list->items = std::move(items);
  for (const Value& item : list->items) list->depth = std::max(list->depth, 1 + item.depth());
  return list;
}

Dict::Dict(const Dict& other)
    : entries_(other.entries_),
      index_(other.index_ == nullptr ? nullptr : std::make_unique<Index>(*other.index_)),
      depth_(other.depth_) {}

bool Dict::Set(const Value& key, Value value) {
  std::optional<std::string> name = KeyOf(key);
  if (!name.has_value()) return false;
  depth_ = std::max({depth_, 1 + value.depth(), 1 + key.depth()});
  const std::size_t place = PlaceOf(*name);
  if (place < entries_.size()) {
    entries_[place].value = std::move(value);
    return true;
  }
  entries_.push_back({key, std::move(value)});
  if (index_ != nullptr) {
    index_->emplace(*std::move(name), place);
  } else if (entries_.size() > kMostWithoutIndex) {
    index_ = std::make_unique<Index>();
    for (std::size_t i = 0; i < entries_.size(); ++i) index_->emplace(*KeyOf(entries_[i].key), i);
  }
  return true;
}

const Value* Dict::Find(const Value& key) const {
  const std::optional<std::string> name = KeyOf(key);
  if (!name.has_value()) return nullptr;
  const std::size_t place = PlaceOf(*name);
  return place < entries_.size() ? &entries_[place].value : nullptr;
}

const Value* Dict::Find(std::string_view key) const {
  const std::size_t place = PlaceOf(absl::StrCat("t", std::string(key)));
  return place < entries_.size() ? &entries_[place].value : nullptr;
}

std::size_t Dict::PlaceOf(const std::string& name) const {
  if (index_ != nullptr) {
    const auto found = index_->find(name);
    return found == index_->end() ? entries_.size() : found->second;
  }
  const auto found = std::find_if(entries_.begin(), entries_.end(), [&name](const Entry& entry) {
    const MarkedText* text = entry.key.text();
    return text == nullptr ? KeyOf(entry.key) == name
                           : name[0] == 't' && std::string_view(name).substr(1) == text->bytes();
  });
  return static_cast<std::size_t>(found - entries_.begin());
}

std::optional<std::string> Dict::KeyOf(const Value& key) {
  if (const MarkedText* text = key.text()) return absl::StrCat("t", text->bytes());
  if (key.is_none()) return "n";
  if (key.is_integral()) return absl::StrCat("i", key.integer());
  if (key.is_float()) {
    const double number = key.number();
    if (number == std::floor(number) && std::abs(number) < 0x1p63) {
      return absl::StrCat("i", static_cast<std::int64_t>(number));
    }
    return absl::StrCat("f", std::bit_cast<std::uint64_t>(number));
  }
  const List* list = key.list();
  if (list == nullptr || list->kind != ListKind::kTuple) return std::nullopt;
  std::string name = "(";
  for (const Value& item : list->items) {
    const std::optional<std::string> part = KeyOf(item);
    if (!part.has_value()) return std::nullopt;
    absl::StrAppend(&name, part->size(), ":", *part);
    if (name.size() > kMaxTupleKey) return std::nullopt;
  }
  return name;
}

}  // namespace recycling::chat
