// Writes GGUF version 3 files for tests. It checks nothing, so tests can write wrong files.
#ifndef RECYCLING_TESTS_DOUBLES_GGUF_WRITER_H_
#define RECYCLING_TESTS_DOUBLES_GGUF_WRITER_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace recycling::doubles {

// Little-endian bytes of a number.
template <typename T>
std::string GgufBytes(T value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof(T));
}

// A string as GGUF stores it: its 64-bit length, then its bytes.
std::string GgufText(std::string_view text);

// Values and tensors are written in the order they were added.
class GgufWriter {
 public:
  void Uint32(std::string_view key, std::uint32_t value);
  void Float(std::string_view key, float value);
  void Bool(std::string_view key, bool value);
  void String(std::string_view key, std::string_view value);
  void Strings(std::string_view key, const std::vector<std::string>& values);
  void Floats(std::string_view key, const std::vector<float>& values);
  void Int32s(std::string_view key, const std::vector<std::int32_t>& values);
  // Writes a value with any type number and any bytes.
  void Raw(std::string_view key, std::uint32_t type, std::string_view bytes);

  // `type` is the format's number, `data` the tensor's bytes. The offset is the next multiple of
  // the alignment.
  void Tensor(std::string_view name, const std::vector<std::uint64_t>& shape, std::uint32_t type,
              std::string_view data);

  // The whole file.
  std::string Finish() const;

 private:
  static constexpr std::uint64_t kAlignment = 32;

  std::uint64_t values_ = 0;
  std::uint64_t tensors_ = 0;
  std::string metadata_;
  std::string tensor_infos_;
  std::string data_;
};

}  // namespace recycling::doubles

#endif  // RECYCLING_TESTS_DOUBLES_GGUF_WRITER_H_
