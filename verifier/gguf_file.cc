#include "verifier/gguf_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <limits>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/status_macros.h"

namespace recycling::verifier {
namespace {

static_assert(std::endian::native == std::endian::little, "GGUF values are read in place");

constexpr std::uint32_t kVersion = 3;
constexpr std::uint64_t kDefaultAlignment = 32;
constexpr std::uint64_t kMaxNameBytes = 65535;
constexpr std::uint32_t kMaxShape = 4;
constexpr int kMaxArrayNesting = 4;
// Smallest encodings: key of one byte, type and value of one byte; name of one byte, one extent,
// type and offset.
constexpr std::uint64_t kMinEntryBytes = 8 + 1 + 4 + 1;
constexpr std::uint64_t kMinTensorBytes = 8 + 1 + 4 + 8 + 4 + 8;

std::string Quoted(std::string_view text) {
  constexpr std::size_t kShown = 80;
  return absl::StrCat("\"", absl::CEscape(std::string(text.substr(0, kShown))),
                      text.size() > kShown ? "..." : "", "\"");
}

// Bytes of one value of a fixed-size type; 0 for strings, arrays and unknown types.
std::uint64_t ScalarBytes(GgufValueType type) {
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

template <typename T>
T Load(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof(T));
  return value;
}

std::string_view AsText(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// A position in the file that never leaves it. `what` names what is being read, for messages.
class Cursor {
 public:
  explicit Cursor(std::span<const std::byte> bytes) : bytes_(bytes) {}

  std::uint64_t position() const { return position_; }
  std::uint64_t remaining() const { return bytes_.size() - position_; }

  absl::StatusOr<std::span<const std::byte>> Take(std::uint64_t size, std::string_view what) {
    if (size > remaining()) {
      return absl::DataLossError(absl::StrCat("GGUF: ", std::string(what), " at byte ", position_,
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

  // A key or a tensor's name.
  absl::StatusOr<std::string> Name(std::string_view what) {
    ASSIGN_OR_RETURN(const auto text, Text(what));
    if (text.empty() || text.size() > kMaxNameBytes) {
      return absl::DataLossError(absl::StrCat("GGUF: ", std::string(what), ": got ", text.size(),
                                              " bytes, expected 1 to ", kMaxNameBytes));
    }
    return std::string(AsText(text));
  }

  // A count of things that take at least `min_bytes` each.
  absl::Status CheckCount(std::uint64_t count, std::uint64_t min_bytes,
                          std::string_view what) const {
    if (count <= remaining() / min_bytes) return absl::OkStatus();
    return absl::DataLossError(absl::StrCat("GGUF: count of ", std::string(what), ": got ", count,
                                            ", but only ", remaining(), " bytes follow"));
  }

 private:
  std::span<const std::byte> bytes_;
  std::uint64_t position_ = 0;
};

absl::StatusOr<GgufValueType> ReadValueType(Cursor& cursor, const std::string& key) {
  ASSIGN_OR_RETURN(const auto number, cursor.Number<std::uint32_t>(key));
  if (number > static_cast<std::uint32_t>(GgufValueType::kFloat64)) {
    return absl::DataLossError(
        absl::StrCat("GGUF: value type of ", Quoted(key), ": got ", number, ", expected 0 to 12"));
  }
  return static_cast<GgufValueType>(number);
}

absl::Status CheckBools(std::span<const std::byte> bytes, const std::string& key) {
  const auto bad = std::find_if(bytes.begin(), bytes.end(),
                                [](std::byte b) { return std::to_integer<int>(b) > 1; });
  if (bad == bytes.end()) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("GGUF: ", Quoted(key), ": got boolean ",
                                          std::to_integer<int>(*bad), ", expected 0 or 1"));
}

// Moves the cursor over `count` values of one type, checking all of them.
absl::Status SkipValues(Cursor& cursor, GgufValueType type, std::uint64_t count,
                        const std::string& key, int nesting) {
  if (const std::uint64_t size = ScalarBytes(type); size != 0) {
    RETURN_IF_ERROR(cursor.CheckCount(count, size, key));
    ASSIGN_OR_RETURN(const auto bytes, cursor.Take(count * size, key));
    return type == GgufValueType::kBool ? CheckBools(bytes, key) : absl::OkStatus();
  }
  RETURN_IF_ERROR(cursor.CheckCount(count, type == GgufValueType::kString ? 8 : 12, key));
  for (std::uint64_t i = 0; i < count; ++i) {
    if (type == GgufValueType::kString) {
      RETURN_IF_ERROR(cursor.Text(key).status());
      continue;
    }
    if (nesting >= kMaxArrayNesting) {
      return absl::DataLossError(absl::StrCat("GGUF: ", Quoted(key), ": arrays nest deeper than ",
                                              kMaxArrayNesting, " levels"));
    }
    ASSIGN_OR_RETURN(const GgufValueType element, ReadValueType(cursor, key));
    ASSIGN_OR_RETURN(const auto elements, cursor.Number<std::uint64_t>(key));
    RETURN_IF_ERROR(SkipValues(cursor, element, elements, key, nesting + 1));
  }
  return absl::OkStatus();
}

absl::StatusOr<GgufValue> ReadValue(Cursor& cursor, const std::string& key,
                                    std::span<const std::byte> file) {
  GgufValue value;
  ASSIGN_OR_RETURN(value.type, ReadValueType(cursor, key));
  if (value.type == GgufValueType::kString) {
    ASSIGN_OR_RETURN(value.bytes, cursor.Text(key));
    return value;
  }
  value.element_type = value.type;
  if (value.type == GgufValueType::kArray) {
    ASSIGN_OR_RETURN(value.element_type, ReadValueType(cursor, key));
    ASSIGN_OR_RETURN(value.count, cursor.Number<std::uint64_t>(key));
  }
  const std::uint64_t begin = cursor.position();
  RETURN_IF_ERROR(SkipValues(cursor, value.element_type, value.count, key, 1));
  value.bytes = file.subspan(begin, cursor.position() - begin);
  return value;
}

// Where a tensor lies before the start of the data is known.
struct TensorPlace {
  GgufTensor tensor;
  std::string name;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
};

absl::StatusOr<std::uint64_t> TensorBytes(const GgufTensor& tensor, std::string_view name) {
  if (tensor.shape[0] % tensor.type->block_values != 0) {
    return absl::DataLossError(absl::StrCat("GGUF: tensor ", Quoted(name), ": got rows of ",
                                            tensor.shape[0], " values, expected a multiple of ",
                                            tensor.type->block_values, " for ",
                                            std::string(tensor.type->name)));
  }
  std::uint64_t bytes = tensor.type->block_bytes;
  for (std::size_t i = 0; i < tensor.shape.size(); ++i) {
    const std::uint64_t factor =
        i == 0 ? tensor.shape[0] / tensor.type->block_values : tensor.shape[i];
    if (bytes > std::numeric_limits<std::uint64_t>::max() / factor) {
      return absl::DataLossError(absl::StrCat("GGUF: tensor ", Quoted(name), ": shape [",
                                              absl::StrJoin(tensor.shape, ", "),
                                              "] is too large to count its bytes"));
    }
    bytes *= factor;
  }
  return bytes;
}

absl::StatusOr<TensorPlace> ReadTensorPlace(Cursor& cursor) {
  TensorPlace place;
  ASSIGN_OR_RETURN(place.name, cursor.Name("tensor name"));
  const std::string& name = place.name;
  ASSIGN_OR_RETURN(const auto extents, cursor.Number<std::uint32_t>(name));
  if (extents == 0 || extents > kMaxShape) {
    return absl::DataLossError(absl::StrCat("GGUF: tensor ", Quoted(name), ": got ", extents,
                                            " dimensions, expected 1 to ", kMaxShape));
  }
  for (std::uint32_t i = 0; i < extents; ++i) {
    ASSIGN_OR_RETURN(const auto extent, cursor.Number<std::uint64_t>(name));
    if (extent == 0) {
      return absl::DataLossError(
          absl::StrCat("GGUF: tensor ", Quoted(name), ": got an extent of 0, expected at least 1"));
    }
    place.tensor.shape.push_back(extent);
  }
  ASSIGN_OR_RETURN(const auto type, cursor.Number<std::uint32_t>(name));
  place.tensor.type = FindTensorType(type);
  if (place.tensor.type == nullptr) {
    return absl::UnimplementedError(absl::StrCat("GGUF: tensor ", Quoted(name), " has type number ",
                                                 type, ", which is not known"));
  }
  ASSIGN_OR_RETURN(place.offset, cursor.Number<std::uint64_t>(name));
  ASSIGN_OR_RETURN(place.size, TensorBytes(place.tensor, name));
  return place;
}

absl::Status CheckNoOverlap(std::vector<TensorPlace>& places) {
  std::sort(places.begin(), places.end(), [](const TensorPlace& a, const TensorPlace& b) {
    return std::pair(a.offset, a.size) < std::pair(b.offset, b.size);
  });
  for (std::size_t i = 1; i < places.size(); ++i) {
    if (places[i - 1].offset + places[i - 1].size > places[i].offset) {
      return absl::DataLossError(absl::StrCat("GGUF: tensors ", Quoted(places[i - 1].name), " and ",
                                              Quoted(places[i].name), " overlap"));
    }
  }
  return absl::OkStatus();
}

absl::Status WrongType(std::string_view key, std::string_view expected) {
  return absl::DataLossError(absl::StrCat(
      "GGUF: ", Quoted(key), ": got a value of another type, expected ", std::string(expected)));
}

// The value as an integer, if it is one that fits.
std::optional<std::int64_t> AsInteger(GgufValueType type, const std::byte* at) {
  switch (type) {
    case GgufValueType::kUint8:
      return Load<std::uint8_t>(at);
    case GgufValueType::kInt8:
      return Load<std::int8_t>(at);
    case GgufValueType::kUint16:
      return Load<std::uint16_t>(at);
    case GgufValueType::kInt16:
      return Load<std::int16_t>(at);
    case GgufValueType::kUint32:
      return Load<std::uint32_t>(at);
    case GgufValueType::kInt32:
      return Load<std::int32_t>(at);
    case GgufValueType::kInt64:
      return Load<std::int64_t>(at);
    case GgufValueType::kUint64: {
      const auto value = Load<std::uint64_t>(at);
      if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
        return std::nullopt;
      }
      return static_cast<std::int64_t>(value);
    }
    default:
      return std::nullopt;
  }
}

// Element `index` of a value of a fixed-size type, for people.
std::string ElementText(GgufValueType type, const std::byte* at) {
  if (type == GgufValueType::kFloat32) return absl::StrCat(Load<float>(at));
  if (type == GgufValueType::kFloat64) return absl::StrCat(Load<double>(at));
  if (type == GgufValueType::kBool) return std::to_integer<int>(*at) ? "true" : "false";
  if (type == GgufValueType::kUint64) return absl::StrCat(Load<std::uint64_t>(at));
  return absl::StrCat(AsInteger(type, at).value_or(0));
}

}  // namespace

absl::StatusOr<std::unique_ptr<const GgufFile>> GgufFile::Open(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", path));
  const absl::Cleanup close_fd = [fd] { close(fd); };
  struct stat info = {};
  if (fstat(fd, &info) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot read the size of ", path));
  }
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat(path, " is not a regular file"));
  }
  std::unique_ptr<GgufFile> file(new GgufFile());
  if (info.st_size > 0) {
    const auto size = static_cast<std::size_t>(info.st_size);
    void* at = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (at == MAP_FAILED) return absl::ErrnoToStatus(errno, absl::StrCat("cannot map ", path));
    file->bytes_ = {static_cast<const std::byte*>(at), size};
    file->mapped_ = true;
  }
  const absl::Status status = file->ReadAll();
  if (!status.ok()) {
    return absl::Status(status.code(), absl::StrCat(path, ": ", status.message()));
  }
  return file;
}

absl::StatusOr<std::unique_ptr<const GgufFile>> GgufFile::Parse(std::span<const std::byte> bytes) {
  std::unique_ptr<GgufFile> file(new GgufFile());
  file->bytes_ = bytes;
  RETURN_IF_ERROR(file->ReadAll());
  return file;
}

GgufFile::~GgufFile() {
  if (mapped_) munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

absl::Status GgufFile::ReadAll() {
  Cursor cursor(bytes_);
  ASSIGN_OR_RETURN(const auto magic, cursor.Take(4, "magic"));
  if (AsText(magic) != "GGUF") {
    return absl::DataLossError(
        absl::StrCat("GGUF: magic: got ", Quoted(AsText(magic)), ", expected \"GGUF\""));
  }
  ASSIGN_OR_RETURN(const auto version, cursor.Number<std::uint32_t>("version"));
  if (version != kVersion) {
    return absl::DataLossError(
        absl::StrCat("GGUF: version: got ", version, ", expected ", kVersion,
                     version == kVersion << 24 ? " (this is a big-endian file)" : ""));
  }
  ASSIGN_OR_RETURN(const auto tensor_count, cursor.Number<std::uint64_t>("tensor count"));
  ASSIGN_OR_RETURN(const auto value_count, cursor.Number<std::uint64_t>("value count"));

  RETURN_IF_ERROR(cursor.CheckCount(value_count, kMinEntryBytes, "metadata values"));
  for (std::uint64_t i = 0; i < value_count; ++i) {
    ASSIGN_OR_RETURN(std::string key, cursor.Name("key"));
    ASSIGN_OR_RETURN(GgufValue value, ReadValue(cursor, key, bytes_));
    if (!values_.emplace(key, value).second) {
      return absl::DataLossError(absl::StrCat("GGUF: key ", Quoted(key), " stands twice"));
    }
  }

  RETURN_IF_ERROR(cursor.CheckCount(tensor_count, kMinTensorBytes, "tensors"));
  std::vector<TensorPlace> places;
  for (std::uint64_t i = 0; i < tensor_count; ++i) {
    ASSIGN_OR_RETURN(TensorPlace place, ReadTensorPlace(cursor));
    places.push_back(std::move(place));
  }

  ASSIGN_OR_RETURN(const auto alignment_key, Uint32("general.alignment"));
  const std::uint64_t alignment = alignment_key.value_or(kDefaultAlignment);
  if (!std::has_single_bit(alignment)) {
    return absl::DataLossError(
        absl::StrCat("GGUF: general.alignment: got ", alignment, ", expected a power of two"));
  }
  const std::uint64_t data = (cursor.position() + alignment - 1) & ~(alignment - 1);
  const std::uint64_t data_size = data < bytes_.size() ? bytes_.size() - data : 0;
  for (const TensorPlace& place : places) {
    if (place.offset % alignment != 0) {
      return absl::DataLossError(absl::StrCat("GGUF: tensor ", Quoted(place.name), ": got offset ",
                                              place.offset, ", expected a multiple of ",
                                              alignment));
    }
    if (place.offset > data_size || place.size > data_size - place.offset) {
      return absl::DataLossError(absl::StrCat(
          "GGUF: tensor ", Quoted(place.name), ": got ", place.size, " bytes at offset ",
          place.offset, ", expected to end within ", data_size, " bytes of data"));
    }
  }
  RETURN_IF_ERROR(CheckNoOverlap(places));
  for (TensorPlace& place : places) {
    place.tensor.bytes = bytes_.subspan(data + place.offset, place.size);
    if (!tensors_.emplace(place.name, std::move(place.tensor)).second) {
      return absl::DataLossError(
          absl::StrCat("GGUF: tensor ", Quoted(place.name), " stands twice"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<std::uint32_t>> GgufFile::Uint32(std::string_view key) const {
  const auto it = values_.find(key);
  if (it == values_.end()) return std::optional<std::uint32_t>();
  if (it->second.type == GgufValueType::kArray || it->second.type == GgufValueType::kString) {
    return WrongType(key, "an integer");
  }
  const auto value = AsInteger(it->second.type, it->second.bytes.data());
  if (!value || *value < 0 || *value > std::numeric_limits<std::uint32_t>::max()) {
    return WrongType(key, "an integer from 0 to 4294967295");
  }
  return static_cast<std::uint32_t>(*value);
}

absl::StatusOr<std::optional<double>> GgufFile::Float(std::string_view key) const {
  const auto it = values_.find(key);
  if (it == values_.end()) return std::optional<double>();
  const std::byte* at = it->second.bytes.data();
  if (it->second.type == GgufValueType::kFloat32) return double{Load<float>(at)};
  if (it->second.type == GgufValueType::kFloat64) return Load<double>(at);
  return WrongType(key, "a floating-point number");
}

absl::StatusOr<std::optional<bool>> GgufFile::Bool(std::string_view key) const {
  const auto it = values_.find(key);
  if (it == values_.end()) return std::optional<bool>();
  if (it->second.type != GgufValueType::kBool) return WrongType(key, "a boolean");
  return std::to_integer<int>(it->second.bytes[0]) != 0;
}

absl::StatusOr<std::optional<std::string>> GgufFile::String(std::string_view key) const {
  const auto it = values_.find(key);
  if (it == values_.end()) return std::optional<std::string>();
  if (it->second.type != GgufValueType::kString) return WrongType(key, "a string");
  return std::string(AsText(it->second.bytes));
}

absl::StatusOr<std::optional<std::vector<std::string>>> GgufFile::Strings(
    std::string_view key) const {
  const auto it = values_.find(key);
  if (it == values_.end()) return std::optional<std::vector<std::string>>();
  const GgufValue& value = it->second;
  if (value.type != GgufValueType::kArray || value.element_type != GgufValueType::kString) {
    return WrongType(key, "an array of strings");
  }
  std::vector<std::string> strings;
  strings.reserve(value.count);
  Cursor cursor(value.bytes);
  for (std::uint64_t i = 0; i < value.count; ++i) {
    ASSIGN_OR_RETURN(const auto text, cursor.Text(key));
    strings.emplace_back(AsText(text));
  }
  return strings;
}

absl::StatusOr<std::optional<std::vector<float>>> GgufFile::Floats(std::string_view key) const {
  const auto it = values_.find(key);
  if (it == values_.end()) return std::optional<std::vector<float>>();
  const GgufValue& value = it->second;
  if (value.type != GgufValueType::kArray || value.element_type != GgufValueType::kFloat32) {
    return WrongType(key, "an array of 32-bit floating-point numbers");
  }
  std::vector<float> numbers(value.count);
  if (!numbers.empty()) std::memcpy(numbers.data(), value.bytes.data(), value.bytes.size());
  return numbers;
}

absl::StatusOr<std::optional<std::vector<std::int32_t>>> GgufFile::Int32s(
    std::string_view key) const {
  const auto it = values_.find(key);
  if (it == values_.end()) return std::optional<std::vector<std::int32_t>>();
  const GgufValue& value = it->second;
  const std::uint64_t size = ScalarBytes(value.element_type);
  if (value.type != GgufValueType::kArray || size == 0) {
    return WrongType(key, "an array of integers");
  }
  std::vector<std::int32_t> numbers;
  numbers.reserve(value.count);
  for (std::uint64_t i = 0; i < value.count; ++i) {
    const auto number = AsInteger(value.element_type, value.bytes.data() + i * size);
    if (!number || *number < std::numeric_limits<std::int32_t>::min() ||
        *number > std::numeric_limits<std::int32_t>::max()) {
      return WrongType(key, "an array of 32-bit integers");
    }
    numbers.push_back(static_cast<std::int32_t>(*number));
  }
  return numbers;
}

const GgufTensor* GgufFile::FindTensor(std::string_view name) const {
  const auto it = tensors_.find(name);
  return it == tensors_.end() ? nullptr : &it->second;
}

std::string GgufValueText(const GgufValue& value, std::size_t limit) {
  const bool array = value.type == GgufValueType::kArray;
  const bool text = value.element_type == GgufValueType::kString;
  if (value.type == GgufValueType::kString) {
    const std::string_view shown = AsText(value.bytes).substr(0, limit);
    return absl::StrCat(absl::Utf8SafeCEscape(std::string(shown)),
                        shown.size() < value.bytes.size() ? " ..." : "");
  }
  if (array && value.element_type == GgufValueType::kArray) {
    return absl::StrCat("[", value.count, " arrays]");
  }
  std::string out = array ? absl::StrCat("[", value.count, "] ") : "";
  Cursor cursor(value.bytes);
  for (std::uint64_t i = 0; i < value.count; ++i) {
    if (out.size() >= limit) return absl::StrCat(out, " ...");
    if (i > 0) out += ' ';
    const std::uint64_t size = ScalarBytes(value.element_type);
    const auto element = text ? cursor.Text("string") : cursor.Take(size, "element");
    if (!element.ok()) return out;  // cannot be: the value was checked
    out += text ? absl::StrCat("\"", absl::Utf8SafeCEscape(std::string(AsText(*element))), "\"")
                : ElementText(value.element_type, element->data());
  }
  return out;
}

}  // namespace recycling::verifier
