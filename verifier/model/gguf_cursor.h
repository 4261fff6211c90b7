// Reads bytes that are not trusted, one item after the other. The sources of GgufFile share this
// header.
#ifndef RECYCLING_VERIFIER_MODEL_GGUF_CURSOR_H_
#define RECYCLING_VERIFIER_MODEL_GGUF_CURSOR_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "verifier/model/gguf_file.h"

namespace recycling::verifier {

// Quotes and escapes the start of `text`, for messages.
inline std::string Quoted(std::string_view text) {
  constexpr std::size_t kShown = 80;
  return absl::StrCat("\"", absl::CEscape(std::string(text.substr(0, kShown))),
                      text.size() > kShown ? "..." : "", "\"");
}

// Bytes of one value of a fixed-size type; 0 for strings, arrays and unknown types.
inline std::uint64_t ScalarBytes(GgufValueType type) {
  switch (type) {
    case GgufValueType::kUint8:
    case GgufValueType::kInt8:
    case GgufValueType::kBool:
      return 1;
    case GgufValueType::kUint16:
    case GgufValueType::kInt16:
      return 2;
    case GgufValueType::kUint32:
    case GgufValueType::kInt32:
    case GgufValueType::kFloat32:
      return 4;
    case GgufValueType::kUint64:
    case GgufValueType::kInt64:
    case GgufValueType::kFloat64:
      return 8;
    case GgufValueType::kString:
    case GgufValueType::kArray:
      return 0;
  }
  return 0;
}

// The number at `at`, which may have any alignment.
template <typename T>
T Load(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof(T));
  return value;
}

inline std::string_view AsText(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// A position in the file. It never leaves the file. `what` is the name of the item that is read,
// for messages.
class Cursor {
 public:
  explicit Cursor(std::span<const std::byte> bytes) : bytes_(bytes) {}

  std::uint64_t position() const { return position_; }
  std::uint64_t remaining() const { return bytes_.size() - position_; }

  absl::StatusOr<std::span<const std::byte>> Take(std::uint64_t size, std::string_view what) {
    if (size > remaining()) {
      return absl::DataLossError(absl::StrCat("GGUF: ", Quoted(what), " at byte ", position_,
                                              ": got ", remaining(), " bytes, expected ", size));
    }
    const auto taken = bytes_.subspan(position_, size);
    position_ += size;
    return taken;
  }

  template <typename T>
  absl::StatusOr<T> Number(std::string_view what) {
    ASSIGN_OR_RETURN(const auto taken, Take(sizeof(T), what));
    return Load<T>(taken.data());
  }

  absl::StatusOr<std::span<const std::byte>> Text(std::string_view what) {
    ASSIGN_OR_RETURN(const std::uint64_t size, Number<std::uint64_t>(what));
    return Take(size, what);
  }

  // Reads a key or the name of a tensor.
  absl::StatusOr<std::string> Name(std::string_view what) {
    ASSIGN_OR_RETURN(const auto text, Text(what));
    if (text.empty() || text.size() > kMaxNameBytes) {
      return absl::DataLossError(absl::StrCat("GGUF: ", Quoted(what), ": got ", text.size(),
                                              " bytes, expected 1 to ", kMaxNameBytes));
    }
    return std::string(AsText(text));
  }

  // Checks that `count` items of at least `min_bytes` bytes each fit into the bytes that are left.
  absl::Status CheckCount(std::uint64_t count, std::uint64_t min_bytes,
                          std::string_view what) const {
    if (count <= remaining() / min_bytes) return absl::OkStatus();
    return absl::DataLossError(absl::StrCat("GGUF: count of ", Quoted(what), ": got ", count,
                                            ", but only ", remaining(), " bytes follow"));
  }

 private:
  static constexpr std::uint64_t kMaxNameBytes = 65535;

  std::span<const std::byte> bytes_;
  std::uint64_t position_ = 0;
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_MODEL_GGUF_CURSOR_H_
