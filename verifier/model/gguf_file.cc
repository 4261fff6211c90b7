#include "verifier/model/gguf_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <limits>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "common/base/status_macros.h"
#include "verifier/model/gguf_cursor.h"

namespace recycling::verifier {
namespace {

constexpr std::uint32_t kVersion = 3;
constexpr std::uint64_t kDefaultAlignment = 32;
constexpr std::uint32_t kMaxShape = 4;
constexpr int kMaxArrayNesting = 4;
constexpr std::uint32_t kMaxShards = 99999;  // the number in a name has five digits
// The smallest sizes, in bytes, of a metadata value (a key of one byte, a type, a value of one
// byte) and of a tensor entry (a name of one byte, one extent, a type, an offset).
constexpr std::uint64_t kMinEntryBytes = 8 + 1 + 4 + 1;
constexpr std::uint64_t kMinTensorBytes = 8 + 1 + 4 + 8 + 4 + 8;

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

// Moves the cursor over `count` values of one type and checks all of them.
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

// The place of a tensor, relative to the start of the tensor data. The start is known only after
// all entries are read.
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
                                              "] has more bytes than fit into 64 bits"));
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

// How the name of the shard ends that has `index` shards before it.
std::string ShardEnding(std::uint32_t index, std::uint32_t count) {
  return absl::StrFormat("-%05d-of-%05d.gguf", index + 1, count);
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

}  // namespace

std::uint64_t GgufTensor::values() const {
  std::uint64_t values = 1;  // does not overflow: the file has more bits than the tensor has values
  for (const std::uint64_t extent : shape) values *= extent;
  return values;
}

absl::StatusOr<std::unique_ptr<const GgufFile>> GgufFile::Open(const std::string& path) {
  ASSIGN_OR_RETURN(std::unique_ptr<GgufFile> file, OpenShard(path));
  const auto named = [](const absl::Status& status, const std::string& name) {
    return absl::Status(status.code(), absl::StrCat(name, ": ", status.message()));
  };
  const absl::StatusOr<std::uint32_t> count = file->CheckShard(0);
  if (!count.ok()) return named(count.status(), path);
  if (*count == 1) return file;
  const std::string ending = ShardEnding(0, *count);
  if (!absl::EndsWith(path, ending)) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": got the first of ", *count, " shards, expected a name that ends in ", ending));
  }
  const std::string stem = path.substr(0, path.size() - ending.size());
  for (std::uint32_t index = 1; index < *count; ++index) {
    const std::string name = stem + ShardEnding(index, *count);
    ASSIGN_OR_RETURN(const std::unique_ptr<GgufFile> shard, OpenShard(name));
    if (const absl::Status status = file->Add(*shard, *count); !status.ok()) {
      return named(status, name);
    }
  }
  if (const absl::Status status = file->CheckComplete(); !status.ok()) return named(status, path);
  return file;
}

absl::StatusOr<std::unique_ptr<GgufFile>> GgufFile::OpenShard(const std::string& path) {
  // O_NONBLOCK: if the file is a pipe, open does not wait for a writer.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
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
  file->shards_.emplace_back();
  if (info.st_size > 0) {
    const auto size = static_cast<std::size_t>(info.st_size);
    void* at = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (at == MAP_FAILED) return absl::ErrnoToStatus(errno, absl::StrCat("cannot map ", path));
    file->shards_.back() = {static_cast<const std::byte*>(at), size};
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
  file->shards_.push_back(bytes);
  RETURN_IF_ERROR(file->ReadAll());
  ASSIGN_OR_RETURN(const std::uint32_t count, file->CheckShard(0));
  if (count == 1) return file;
  return absl::DataLossError(absl::StrCat("GGUF: split.count: got ", count, ", expected 1"));
}

absl::StatusOr<std::uint32_t> GgufFile::CheckShard(std::uint32_t index) const {
  ASSIGN_OR_RETURN(const auto read_count, Uint32("split.count"));
  const std::uint32_t count = std::max(1U, read_count.value_or(1));
  if (count > kMaxShards) {
    return absl::DataLossError(
        absl::StrCat("GGUF: split.count: got ", count, ", expected at most ", kMaxShards));
  }
  ASSIGN_OR_RETURN(const auto number, Uint32("split.no"));
  if (count > 1 && number != index) {
    const std::string message = absl::StrCat(
        "GGUF: split.no: got ", number ? absl::StrCat(*number) : "none", ", expected ", index);
    if (index == 0 && number) {
      return absl::InvalidArgumentError(
          absl::StrCat(message, ". This is not the first shard. Give the file whose name ends in ",
                       ShardEnding(0, count)));
    }
    return absl::DataLossError(message);
  }
  return count;
}

absl::Status GgufFile::Add(GgufFile& shard, std::uint32_t count) {
  ASSIGN_OR_RETURN(const std::uint32_t own_count,
                   shard.CheckShard(static_cast<std::uint32_t>(shards_.size())));
  if (own_count != count) {
    return absl::DataLossError(absl::StrCat("GGUF: split.count: got ", own_count, ", expected ",
                                            count, " as in the first shard"));
  }
  for (auto& [name, tensor] : shard.tensors_) {
    if (!tensors_.emplace(name, std::move(tensor)).second) {
      return absl::DataLossError(
          absl::StrCat("GGUF: tensor ", Quoted(name), " occurs in two shards"));
    }
  }
  shards_.push_back(shard.shards_.front());
  shard.mapped_ = false;  // this object unmaps it
  return absl::OkStatus();
}

absl::Status GgufFile::CheckComplete() const {
  ASSIGN_OR_RETURN(const auto expected, Uint32("split.tensors.count"));
  if (!expected || *expected == tensors_.size()) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("GGUF: got ", tensors_.size(),
                                          " tensors in all shards, expected ", *expected,
                                          ", which is split.tensors.count"));
}

std::uint64_t GgufFile::size() const {
  std::uint64_t size = 0;
  for (const auto& shard : shards_) size += shard.size();
  return size;
}

void GgufFile::DropPages(std::span<const std::byte> bytes) const {
  if (!mapped_ || bytes.empty()) return;
  const auto shard = std::find_if(shards_.begin(), shards_.end(), [&](const auto& candidate) {
    return bytes.data() >= candidate.data() && bytes.data() < candidate.data() + candidate.size();
  });
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  const std::size_t offset = static_cast<std::size_t>(bytes.data() - shard->data());
  const std::size_t begin = (offset + page - 1) / page * page;  // whole pages only
  const std::size_t end = (offset + bytes.size()) / page * page;
  if (begin >= end) return;
  // An error is ignored: pages that are not dropped only cost memory.
  madvise(const_cast<std::byte*>(shard->data()) + begin, end - begin, MADV_DONTNEED);
}

GgufFile::~GgufFile() {
  if (!mapped_) return;
  for (const auto& shard : shards_) munmap(const_cast<std::byte*>(shard.data()), shard.size());
}

absl::Status GgufFile::ReadAll() {
  const std::span<const std::byte> bytes = shards_.front();
  Cursor cursor(bytes);
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
    ASSIGN_OR_RETURN(GgufValue value, ReadValue(cursor, key, bytes));
    if (!values_.emplace(key, value).second) {
      return absl::DataLossError(absl::StrCat("GGUF: key ", Quoted(key), " occurs twice"));
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
  const std::uint64_t data_size = data < bytes.size() ? bytes.size() - data : 0;
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
    place.tensor.bytes = bytes.subspan(data + place.offset, place.size);
    if (!tensors_.emplace(place.name, std::move(place.tensor)).second) {
      return absl::DataLossError(
          absl::StrCat("GGUF: tensor ", Quoted(place.name), " occurs twice"));
    }
  }
  return absl::OkStatus();
}

const GgufTensor* GgufFile::FindTensor(std::string_view name) const {
  const auto it = tensors_.find(name);
  return it == tensors_.end() ? nullptr : &it->second;
}

}  // namespace recycling::verifier
