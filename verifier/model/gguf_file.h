// Reads GGUF version 3, the file format of models, little-endian.
//
// Promises about what a GgufFile holds, whatever the bytes were:
//  1. Every view (string, array, tensor) lies inside the file.
//  2. Keys are distinct, tensor names are distinct, tensors do not overlap.
//  3. Reading takes memory in proportion to the file's size, never to a count written in it.
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

// Values are the file format's.
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

// One metadata value, still in the file's bytes.
struct GgufValue {
  GgufValueType type = GgufValueType::kUint8;
  GgufValueType element_type = GgufValueType::kUint8;  // arrays only
  std::uint64_t count = 1;                             // elements of an array
  std::span<const std::byte> bytes;  // the value; a string without, an array's strings with lengths
};

// One tensor, still in the file's bytes.
struct GgufTensor {
  const TensorTypeInfo* type = nullptr;
  std::vector<std::uint64_t> shape;  // 1 to 4 extents, all at least 1, fastest-running first
  std::span<const std::byte> bytes;  // exactly the tensor's
};

// Threads: immutable; all methods may be called from any thread.
class GgufFile {
 public:
  // Maps the file. NotFound or PermissionDenied if it cannot be opened, InvalidArgument if it is
  // not a regular file, DataLoss if it is not a whole and consistent GGUF v3 file, Unimplemented
  // for a tensor type nothing is known of. The file must not change while the GgufFile lives.
  static absl::StatusOr<std::unique_ptr<const GgufFile>> Open(const std::string& path);

  // The same over bytes in memory, which must outlive the result. For tests and the fuzz target.
  static absl::StatusOr<std::unique_ptr<const GgufFile>> Parse(std::span<const std::byte> bytes);

  ~GgufFile();
  GgufFile(const GgufFile&) = delete;
  GgufFile& operator=(const GgufFile&) = delete;

  // Typed metadata. Nothing if the key is absent; DataLoss, naming the key, if it holds another
  // type. Integers of any width are taken where the value fits; Float takes both widths.
  absl::StatusOr<std::optional<std::uint32_t>> Uint32(std::string_view key) const;
  absl::StatusOr<std::optional<double>> Float(std::string_view key) const;
  absl::StatusOr<std::optional<bool>> Bool(std::string_view key) const;
  absl::StatusOr<std::optional<std::string>> String(std::string_view key) const;
  absl::StatusOr<std::optional<std::vector<std::string>>> Strings(std::string_view key) const;
  absl::StatusOr<std::optional<std::vector<float>>> Floats(std::string_view key) const;
  absl::StatusOr<std::optional<std::vector<std::int32_t>>> Int32s(std::string_view key) const;

  // Null if there is none of this name.
  const GgufTensor* FindTensor(std::string_view name) const;

  // Everything, by key or name.
  const std::map<std::string, GgufValue, std::less<>>& values() const { return values_; }
  const std::map<std::string, GgufTensor, std::less<>>& tensors() const { return tensors_; }

  // The whole file.
  std::span<const std::byte> bytes() const { return bytes_; }

  // Gives the memory that `bytes`, a part of a mapped file, takes back to the system; what is read
  // of it later comes from the file again. Does nothing for a file in memory.
  void DropPages(std::span<const std::byte> bytes) const;

 private:
  GgufFile() = default;
  absl::Status ReadAll();

  std::span<const std::byte> bytes_;
  bool mapped_ = false;
  std::map<std::string, GgufValue, std::less<>> values_;
  std::map<std::string, GgufTensor, std::less<>> tensors_;
};

// The value for people, in at most about `limit` characters: `llama`, `[512 strings] "<unk>" ...`.
std::string GgufValueText(const GgufValue& value, std::size_t limit);

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_MODEL_GGUF_FILE_H_
