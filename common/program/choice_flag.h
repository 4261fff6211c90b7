// A flag whose value is one of a few names.
#ifndef RECYCLING_COMMON_PROGRAM_CHOICE_FLAG_H_
#define RECYCLING_COMMON_PROGRAM_CHOICE_FLAG_H_

#include <string>
#include <type_traits>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace recycling {

// The type of such a flag. `choices` is a constant array of pairs of a name and its value:
//   constexpr std::pair<absl::string_view, LogFormat> kFormats[] = {{"text", LogFormat::kText},
//   ...}; ABSL_FLAG(ChoiceFlag<kFormats>, log_format, LogFormat::kText, "...");
template <const auto& choices>
class ChoiceFlag {
 public:
  using Value = std::decay_t<decltype(choices[0].second)>;

  constexpr ChoiceFlag(Value value) : value_(value) {}  // implicit: it is a flag's default

  Value value() const { return value_; }

  friend bool AbslParseFlag(absl::string_view text, ChoiceFlag* flag, std::string* error) {
    for (const auto& [name, value] : choices) {
      if (text == name) {
        flag->value_ = value;
        return true;
      }
      absl::StrAppend(error, error->empty() ? "expected " : ", ", name);
    }
    return false;
  }

  friend std::string AbslUnparseFlag(const ChoiceFlag& flag) {
    for (const auto& [name, value] : choices) {
      if (flag.value_ == value) return std::string(name);
    }
    return "";
  }

 private:
  Value value_;
};

}  // namespace recycling

#endif  // RECYCLING_COMMON_PROGRAM_CHOICE_FLAG_H_
