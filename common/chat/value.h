// The values that a chat template computes with. They behave as Python's do, because Jinja2 is
// defined by them.
#ifndef RECYCLING_COMMON_CHAT_VALUE_H_
#define RECYCLING_COMMON_CHAT_VALUE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/chat/marked_text.h"

namespace recycling::chat {

class Value;
class Callable;
struct List;
class Dict;
class Namespace;
class Loop;
class Scope;
struct Statement;

// A list or dict may nest this deep. Deeper ones could exhaust the stack when they are destroyed.
inline constexpr int kMaxValueDepth = 100;

// What Jinja2 calls undefined: printing it gives nothing, using it is an error.
struct Undefined {
  std::string reason;  // the error of using it, for example "'tools' is undefined"
};

struct None {};

// A value. Cheap to copy: texts and containers are shared. Every value but namespaces, iterators
// and loops is immutable.
//
// The mark of MarkedText exists for all values: a number, bool or None is marked if it came from a
// message, a container if its shape did. Its text then is marked too.
class Value {
 public:
  Value() : data_(None{}) {}
  static Value Bool(bool value, bool marked = false) { return Value(value, marked); }
  static Value Int(std::int64_t value, bool marked = false) { return Value(value, marked); }
  static Value Float(double value, bool marked = false) { return Value(value, marked); }
  static Value Text(MarkedText text);
  static Value Text(std::string_view text) { return Text(MarkedText(std::string(text), false)); }
  static Value MissingValue(std::string reason);
  static Value NoneValue(bool marked) { return Value(None{}, marked); }
  static Value Of(std::shared_ptr<List> list, bool marked = false);
  static Value Of(std::shared_ptr<Dict> dict, bool marked = false);
  static Value Of(std::shared_ptr<Namespace> names);
  static Value Of(std::shared_ptr<const Callable> callable);
  static Value Of(std::shared_ptr<Loop> loop);

  bool is_undefined() const { return undefined() != nullptr; }
  bool is_none() const { return std::holds_alternative<None>(data_); }
  bool is_bool() const { return std::holds_alternative<bool>(data_); }
  bool is_int() const { return std::holds_alternative<std::int64_t>(data_); }
  bool is_float() const { return std::holds_alternative<double>(data_); }
  bool is_text() const { return text() != nullptr; }
  bool is_number() const { return is_bool() || is_int() || is_float(); }
  bool is_integral() const { return is_bool() || is_int(); }  // bool is a kind of int in Python

  // Null if the value is of another kind.
  const Undefined* undefined() const;
  const MarkedText* text() const;
  List* list() const;
  Dict* dict() const;
  Namespace* names() const;
  const Callable* callable() const;
  Loop* loop() const;

  // Only for the kinds that the names say. integer(): also of a bool; number(): also of both.
  bool boolean() const { return *std::get_if<bool>(&data_); }
  std::int64_t integer() const;
  double number() const;

  bool marked() const { return marked_; }
  // Whether the text is Jinja2's Markup: "+" then escapes the other side as HTML.
  bool markup() const { return markup_; }
  Value AsMarkup() const;

  // 1 more than the deepest item of a list or dict, or than the value of a method; else 0.
  int depth() const;

 private:
  using Data = std::variant<None, std::shared_ptr<const Undefined>, bool, std::int64_t, double,
                            std::shared_ptr<const MarkedText>, std::shared_ptr<List>,
                            std::shared_ptr<Dict>, std::shared_ptr<Namespace>,
                            std::shared_ptr<const Callable>, std::shared_ptr<Loop>>;

  explicit Value(Data data, bool marked) : data_(std::move(data)), marked_(marked) {}

  Data data_;
  bool marked_ = false;
  bool markup_ = false;
};

enum class ListKind {
  kList,
  kTuple,
  kRange,     // of range()
  kView,      // of dict.items() and so on: has a length but no index
  kIterator,  // of a filter such as map: no length, no index, gives its items once
};

struct List {
  ListKind kind = ListKind::kList;
  std::vector<Value> items;
  int depth = 1;

  // Sets `depth` from the items.
  static std::shared_ptr<List> Make(std::vector<Value> items, ListKind kind = ListKind::kList);
};

// Keeps the order of insertion, as Python does.
class Dict {
 public:
  struct Entry {
    Value key;
    Value value;
  };

  Dict() = default;
  Dict(const Dict& other);

  // Sets the value of `key`. False if the key cannot be hashed: a list, a dict.
  bool Set(const Value& key, Value value);
  // Null if there is no such key, or if it cannot be hashed.
  const Value* Find(const Value& key) const;
  const Value* Find(std::string_view key) const;

  const std::vector<Entry>& entries() const { return entries_; }
  std::size_t size() const { return entries_.size(); }
  int depth() const { return depth_; }

  // Whether Python can hash `key`.
  static bool IsHashable(const Value& key) { return KeyOf(key).has_value(); }

 private:
  using Index = absl::flat_hash_map<std::string, std::size_t>;

  // Equal for keys that Python calls equal: 1, 1.0 and True are one key. Nothing for a tuple whose
  // key would have more than kMaxTupleKey bytes: a small tuple can hold itself in each half of a
  // tuple, again and again.
  static std::optional<std::string> KeyOf(const Value& key);

  // The place of the entry with this key; the number of entries if there is none. `name`: KeyOf.
  std::size_t PlaceOf(const std::string& name) const;

  std::vector<Entry> entries_;
  // From KeyOf to the place in entries_. Small dicts, of which there may be many, do without.
  std::unique_ptr<Index> index_;
  int depth_ = 1;
};

// The only thing that a template can change: {% set ns.name = value %}.
class Namespace {
 public:
  absl::flat_hash_map<std::string, Value> values;
};

// A function that templates may call, a method of a value, or a macro.
class Callable {
 public:
  enum class Kind { kFunction, kMethod, kMacro };

  Kind kind;
  std::string name;
  Value self;                        // of a method
  const Statement* macro = nullptr;  // its parameters and body; not owned
  std::shared_ptr<Scope> scope;      // in which the macro was defined
};

// The state of a loop, which its body sees as `loop`. The interpreter owns all loops and empties
// them at its end, because they can refer to each other in circles and chains.
class Loop {
 public:
  std::vector<Value> items;
  std::size_t index = 0;                 // of the current item
  std::size_t depth = 0;                 // of recursion, from 0
  std::optional<Value> changed;          // what loop.changed() was called with last
  const Statement* statement = nullptr;  // not owned
  std::shared_ptr<Scope> scope;          // around the loop
};

}  // namespace recycling::chat

#endif  // RECYCLING_COMMON_CHAT_VALUE_H_
