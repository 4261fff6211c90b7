#include "tests/doubles/gguf_writer.h"

namespace recycling::doubles {
namespace {

constexpr std::uint32_t kVersion = 3;
constexpr std::uint32_t kInt32 = 5;
constexpr std::uint32_t kFloat32 = 6;
constexpr std::uint32_t kUint32 = 4;
constexpr std::uint32_t kBool = 7;
constexpr std::uint32_t kString = 8;
constexpr std::uint32_t kArray = 9;

void PadTo(std::string& bytes, std::uint64_t alignment) {
  bytes.resize((bytes.size() + alignment - 1) / alignment * alignment, '\0');
}

std::string ArrayHead(std::uint32_t element_type, std::size_t count) {
  return GgufBytes(element_type) + GgufBytes(std::uint64_t{count});
}

}  // namespace

std::string GgufText(std::string_view text) {
  return GgufBytes(std::uint64_t{text.size()}) + std::string(text);
}

void GgufWriter::Uint32(std::string_view key, std::uint32_t value) {
  Raw(key, kUint32, GgufBytes(value));
}

void GgufWriter::Float(std::string_view key, float value) { Raw(key, kFloat32, GgufBytes(value)); }

void GgufWriter::Bool(std::string_view key, bool value) {
  Raw(key, kBool, GgufBytes(std::uint8_t{value}));
}

void GgufWriter::String(std::string_view key, std::string_view value) {
  Raw(key, kString, GgufText(value));
}

void GgufWriter::Strings(std::string_view key, const std::vector<std::string>& values) {
  std::string bytes = ArrayHead(kString, values.size());
  for (const std::string& value : values) bytes += GgufText(value);
  Raw(key, kArray, bytes);
}

void GgufWriter::Floats(std::string_view key, const std::vector<float>& values) {
  std::string bytes = ArrayHead(kFloat32, values.size());
  for (const float value : values) bytes += GgufBytes(value);
  Raw(key, kArray, bytes);
}

void GgufWriter::Int32s(std::string_view key, const std::vector<std::int32_t>& values) {
  std::string bytes = ArrayHead(kInt32, values.size());
  for (const std::int32_t value : values) bytes += GgufBytes(value);
  Raw(key, kArray, bytes);
}

void GgufWriter::Raw(std::string_view key, std::uint32_t type, std::string_view bytes) {
  metadata_ += GgufText(key) + GgufBytes(type);
  metadata_ += bytes;
  ++values_;
}

void GgufWriter::Tensor(std::string_view name, const std::vector<std::uint64_t>& shape,
                        std::uint32_t type, std::string_view data) {
  PadTo(data_, kAlignment);
  tensor_infos_ += GgufText(name) + GgufBytes(static_cast<std::uint32_t>(shape.size()));
  for (const std::uint64_t extent : shape) tensor_infos_ += GgufBytes(extent);
  tensor_infos_ += GgufBytes(type) + GgufBytes(std::uint64_t{data_.size()});
  data_ += data;
  ++tensors_;
}

std::string GgufWriter::Finish() const {
  std::string file = "GGUF" + GgufBytes(kVersion) + GgufBytes(tensors_) + GgufBytes(values_) +
                     metadata_ + tensor_infos_;
  if (tensors_ > 0) PadTo(file, kAlignment);
  return file + data_;
}

}  // namespace recycling::doubles
