// Reads model files: GGUF version 3, little-endian.
//
// Whatever the bytes of the file are, a GgufFile promises:
//  1. Every view (string, array, tensor) lies inside the file.
//  2. Keys are distinct, tensor names are distinct, tensors do not overlap.
//  3. Reading takes memory in proportion to the size of the file, whatever counts the file says.
#ifndef RECYCLING_VERIFIER_MODEL_GGUF_FILE_H_
#define RECYCLING_VERIFIER_MODEL_GGUF_FILE_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "verifier/kernels/tensor_type.h"

namespace recycling::verifier {

// The values are those of the file format.
enum class GgufValueType : std::uint32_t {
  kUint8 = 0,
  kInt8 = 1,
  kUint16 = 2,
  kInt16 = 3,
  kUint32 = 4,
  kInt32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kUint64 = 10,
  kInt64 = 11,
  kFloat64 = 12,
};

// One metadata value; a view of the file's bytes.
struct GgufValue {
  GgufValueType type = GgufValueType::kUint8;
  GgufValueType element_type = GgufValueType::kUint8;  // arrays only
  std::uint64_t count = 1;                             // elements of an array
  std::span<const std::byte> bytes;  // a string's text alone; in an array each has its length first
};

// One tensor; a view of the file's bytes.
struct GgufTensor {
  const TensorTypeInfo* type = nullptr;
  std::vector<std::uint64_t>
      shape;  // 1 to 4 extents of at least 1; the first one is a row's length
  std::span<const std::byte> bytes;  // exactly the tensor's
};

// Threads: immutable; all methods may be called from any thread.
class GgufFile {
 public:
  // Maps the file. NotFound or PermissionDenied if it cannot be opened, InvalidArgument if it is
  // not a regular file, DataLoss if it is not a whole and consistent GGUF v3 file, Unimplemented
  // for a tensor type whose size is not known. The file must not change while the GgufFile lives.
  static absl::StatusOr<std::unique_ptr<const GgufFile>> Open(const std::string& path);

  // The same for bytes in memory, which must outlive the result. For tests and the fuzz target.
  static absl::StatusOr<std::unique_ptr<const GgufFile>> Parse(std::span<const std::byte> bytes);

  ~GgufFile();
  GgufFile(const GgufFile&) = delete;
  GgufFile& operator=(const GgufFile&) = delete;

  // The value of a key; absent if the key is absent. DataLoss, with the key, if the value has
  // another type. An integer may have any width if its value fits. Float takes both widths.
  absl::StatusOr<std::optional<std::uint32_t>> Uint32(std::string_view key) const;
  absl::StatusOr<std::optional<double>> Float(std::string_view key) const;
  absl::StatusOr<std::optional<bool>> Bool(std::string_view key) const;
  absl::StatusOr<std::optional<std::string>> String(std::string_view key) const;
  absl::StatusOr<std::optional<std::vector<std::string>>> Strings(std::string_view key) const;
  absl::StatusOr<std::optional<std::vector<float>>> Floats(std::string_view key) const;
  absl::StatusOr<std::optional<std::vector<std::int32_t>>> Int32s(std::string_view key) const;

  // Null if there is no tensor of this name.
  const GgufTensor* FindTensor(std::string_view name) const;

  // All values by key, and all tensors by name.
  const std::map<std::string, GgufValue, std::less<>>& values() const { return values_; }
  const std::map<std::string, GgufTensor, std::less<>>& tensors() const { return tensors_; }

  // The whole file.
  std::span<const std::byte> bytes() const { return bytes_; }

  // Gives the memory of `bytes`, a part of a mapped file, back to the system. The system reads it
  // from the file again if it is used. Does nothing for a file in memory.
  void DropPages(std::span<const std::byte> bytes) const;

 private:
  GgufFile() = default;
  absl::Status ReadAll();

  std::span<const std::byte> bytes_;
  bool mapped_ = false;
  std::map<std::string, GgufValue, std::less<>> values_;
  std::map<std::string, GgufTensor, std::less<>> tensors_;
};

// The value as text for people, in about `limit` characters or fewer: `llama`,
// `[512 strings] "<unk>" ...`.
std::string GgufValueText(const GgufValue& value, std::size_t limit);

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_MODEL_GGUF_FILE_H_
