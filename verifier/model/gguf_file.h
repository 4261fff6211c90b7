// Reads model files: GGUF version 3, little-endian.
//
// A large model may be split into several files, which are called shards. Their names end in
// "-00001-of-00003.gguf" and so on. The first one has all metadata, and each one has some of the
// tensors. The class reads all shards as one file.
//
// For a file with any bytes, a GgufFile guarantees:
// 1. Every view (string, array, tensor) is inside the file or inside one shard.
// 2. Keys are distinct, tensor names are distinct, tensors do not overlap.
// 3. Reading needs memory in proportion to the size of the file, not to the counts in the file.
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
  std::span<const std::byte> bytes;  // a string: its text; an array of strings: length, text, ...
};

// One tensor; a view of the file's bytes.
struct GgufTensor {
  const TensorTypeInfo* type = nullptr;
  std::vector<std::uint64_t>
      shape;  // 1 to 4 extents of at least 1; the first one is a row's length
  std::span<const std::byte> bytes;  // exactly the bytes of the tensor

  // The number of values, which is the product of the extents.
  std::uint64_t values() const;
};

// Threads: immutable; all methods may be called from any thread.
class GgufFile {
 public:
  // Maps the file, and the other shards if it is the first one. Returns NotFound or
  // PermissionDenied if it cannot open a file, InvalidArgument if a file is not regular or if it is
  // a shard but not the first one, DataLoss if it is not a complete and consistent GGUF v3 file,
  // and Unimplemented if the size of a tensor type is not known. The files must not change while
  // the GgufFile exists.
  static absl::StatusOr<std::unique_ptr<const GgufFile>> Open(const std::string& path);

  // Reads a file in memory, which must not be a shard. `bytes` must outlive the result. For tests
  // and the fuzz target.
  static absl::StatusOr<std::unique_ptr<const GgufFile>> Parse(std::span<const std::byte> bytes);

  ~GgufFile();
  GgufFile(const GgufFile&) = delete;
  GgufFile& operator=(const GgufFile&) = delete;

  // Return the value of a key, or no value if the key is absent. Return DataLoss, with the key, if
  // the value has another type. An integer may have any width if the number fits. Float accepts 32
  // and 64 bits.
  absl::StatusOr<std::optional<std::uint32_t>> Uint32(std::string_view key) const;
  absl::StatusOr<std::optional<double>> Float(std::string_view key) const;
  absl::StatusOr<std::optional<bool>> Bool(std::string_view key) const;
  absl::StatusOr<std::optional<std::string>> String(std::string_view key) const;
  absl::StatusOr<std::optional<std::vector<std::string>>> Strings(std::string_view key) const;
  absl::StatusOr<std::optional<std::vector<float>>> Floats(std::string_view key) const;
  absl::StatusOr<std::optional<std::vector<std::int32_t>>> Int32s(std::string_view key) const;

  // Returns null if there is no tensor with this name.
  const GgufTensor* FindTensor(std::string_view name) const;

  // All values by key, and all tensors by name. The values are those of the first shard.
  using Values = std::map<std::string, GgufValue, std::less<>>;
  const Values& values() const { return values_; }
  const std::map<std::string, GgufTensor, std::less<>>& tensors() const { return tensors_; }

  // All bytes of the file, or of each shard in order.
  const std::vector<std::span<const std::byte>>& shards() const { return shards_; }
  // The number of bytes in all shards.
  std::uint64_t size() const;

  // Returns the memory of `bytes`, a part of a mapped file, to the system. If the bytes are used
  // again, the system reads them from the file. Does nothing if the file is not mapped.
  void DropPages(std::span<const std::byte> bytes) const;

 private:
  GgufFile() = default;
  static absl::StatusOr<std::unique_ptr<GgufFile>> OpenShard(const std::string& path);
  // Reads the only one of shards_.
  absl::Status ReadAll();
  // Reads split.count and split.no, for the shard that has `index` shards before it. Returns the
  // number of shards.
  absl::StatusOr<std::uint32_t> CheckShard(std::uint32_t index) const;
  // Takes over the tensors and the bytes of the next shard. `count` is the number of shards.
  absl::Status Add(GgufFile& shard, std::uint32_t count);
  // Checks that the shards together have as many tensors as split.tensors.count says.
  absl::Status CheckComplete() const;

  std::vector<std::span<const std::byte>> shards_;
  bool mapped_ = false;
  Values values_;
  std::map<std::string, GgufTensor, std::less<>> tensors_;
};

// The value as text for people, cut off after about `limit` characters: `llama`,
// `[512 strings] "<unk>" ...`.
std::string GgufValueText(const GgufValue& value, std::size_t limit);

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_MODEL_GGUF_FILE_H_
