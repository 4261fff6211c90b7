// Attributes and items of values, and what can be called.
#ifndef RECYCLING_COMMON_CHAT_LOOKUP_H_
#define RECYCLING_COMMON_CHAT_LOOKUP_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/chat/template_ast.h"
#include "common/chat/value.h"

namespace recycling::chat {

class Scope;

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

// The state of a loop, which its body sees as `loop`.
class Loop {
 public:
  std::vector<Value> items;
  std::size_t index = 0;                 // of the current item
  std::size_t depth = 0;                 // of recursion, from 0
  std::optional<Value> changed;          // what loop.changed() was called with last
  const Statement* statement = nullptr;  // not owned
  std::shared_ptr<Scope> scope;          // around the loop
};

// value.name, as Jinja2's sandbox finds it: methods, then items. An undefined value if there is
// none, or if it is not safe. InvalidArgument if `value` is undefined.
absl::StatusOr<Value> GetAttribute(const Value& value, const std::string& name);

// value[index], as Jinja2 finds it: items, then methods. Undefined as above.
absl::StatusOr<Value> GetItem(const Value& value, const Value& index);

// The value at a path such as "function.name" or "0", which filters take.
absl::StatusOr<Value> GetPath(const Value& value, const Value& path);

}  // namespace recycling::chat

#endif  // RECYCLING_COMMON_CHAT_LOOKUP_H_
