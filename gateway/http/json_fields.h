// Reads fields of a JSON object and names the field that is wrong.
#ifndef RECYCLING_GATEWAY_HTTP_JSON_FIELDS_H_
#define RECYCLING_GATEWAY_HTTP_JSON_FIELDS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/chat/value.h"

namespace recycling::gateway {

// A field that is absent or null counts as not given. Errors are InvalidField.
class JsonFields {
 public:
  // InvalidArgument if `body` is no JSON object. Texts in it are marked.
  static absl::StatusOr<JsonFields> Parse(std::string_view body);

  // Null if the field is not given.
  const chat::Value* Find(std::string_view name) const;
  bool Has(std::string_view name) const { return Find(name) != nullptr; }

  absl::StatusOr<std::optional<bool>> Bool(std::string_view name) const;
  // Within [lowest, highest].
  absl::StatusOr<std::optional<std::int64_t>> Integer(std::string_view name, std::int64_t lowest,
                                                      std::int64_t highest) const;
  absl::StatusOr<std::optional<double>> Number(std::string_view name) const;
  absl::StatusOr<std::optional<std::string>> Text(std::string_view name) const;
  // A text, or a list of texts.
  absl::StatusOr<std::vector<std::string>> Texts(std::string_view name) const;
  absl::StatusOr<std::optional<JsonFields>> Object(std::string_view name) const;

  const chat::Value& value() const { return value_; }

 private:
  JsonFields(chat::Value value, std::string prefix)
      : value_(std::move(value)), prefix_(std::move(prefix)) {}

  absl::Status Wrong(std::string_view name, const chat::Value& got,
                     std::string_view expected) const;

  chat::Value value_;   // a dict
  std::string prefix_;  // "stream_options." within that object
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_HTTP_JSON_FIELDS_H_
