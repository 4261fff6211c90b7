#include "drafter/store/snapshot.h"

#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <bit>
#include <span>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "drafter/tree/mixing_estimator.h"

namespace recycling::drafter {
namespace {

constexpr std::string_view kMagic = "RCYMATRX";
constexpr std::uint32_t kVersion = 2;
constexpr std::size_t kDigestBytes = 32;
constexpr std::size_t kRowsOffset = 20;  // where the number of rows stands, in bytes
constexpr std::size_t kMinBytes = kMagic.size() + 4 + kDigestBytes;
// The most mixing numbers of a snapshot. Real ones have some hundreds.
constexpr std::uint32_t kMostMixing = 4096;

std::string Checksum(std::string_view bytes) {
  std::string digest(kDigestBytes, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
         reinterpret_cast<unsigned char*>(digest.data()));
  return digest;
}

// Appends `value` to `out` in little-endian order, on every machine.
template <typename Unsigned>
void Put(Unsigned value, std::string* out) {
  for (std::size_t i = 0; i < sizeof(value); ++i) {
    out->push_back(static_cast<char>((value >> (8 * i)) & 0xff));
  }
}

// Reads fields from the front of a string. If the string ends inside a field, the field reads as
// zero, and truncated() is true from then on.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  template <typename Unsigned>
  Unsigned Take() {
    const std::string_view bytes = TakeBytes(sizeof(Unsigned));
    Unsigned value = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      value |= static_cast<Unsigned>(static_cast<Unsigned>(static_cast<unsigned char>(bytes[i]))
                                     << (8 * i));
    }
    return value;
  }

  std::string_view TakeBytes(std::size_t size) {
    if (size > rest_.size()) {
      truncated_ = true;
      rest_ = {};
      return {};
    }
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }

  std::string_view rest() const { return rest_; }
  bool truncated() const { return truncated_; }

 private:
  std::string_view rest_;
  bool truncated_ = false;
};

absl::Status Corrupt(const std::string& message) {
  return absl::DataLossError(absl::StrCat("snapshot: ", message));
}

void PutFloat(float value, std::string* out) { Put(std::bit_cast<std::uint32_t>(value), out); }

float TakeFloat(Reader* reader) { return std::bit_cast<float>(reader->Take<std::uint32_t>()); }

// Reads the number of ids in a row, and the ids. The bytes may claim more than kMaxK; then only the
// first kMaxK ids are read.
std::uint32_t TakeIds(Reader* reader, std::span<TokenId, kMaxK> ids) {
  const std::uint32_t count = reader->Take<std::uint32_t>();
  for (std::uint32_t i = 0; i < count && i < kMaxK; ++i) ids[i] = reader->Take<std::uint32_t>();
  return count;
}

// Rows of the matrix or of token pairs.
struct RowsFormat {
  const char* name;    // of a row in messages
  const char* number;  // of the ascending number that a row begins with
  std::uint64_t numbers = 0;
  bool tagged = false;  // the tag of a pair follows the number
};

// Checks `rows` rows at the front of `bytes` and returns their bytes.
absl::StatusOr<std::string_view> CheckRows(std::string_view bytes, std::uint32_t rows,
                                           const RowsFormat& format, const MatrixBinding& binding) {
  Reader reader(bytes);
  std::array<TokenId, kMaxK> ids;
  std::uint64_t lowest = 0;  // the lowest number that the next row may have
  const std::uint32_t vocab_size = binding.model.vocab_size;
  for (std::uint32_t row = 0; row < rows; ++row) {
    const auto number = reader.Take<std::uint32_t>();
    if (format.tagged) reader.Take<std::uint32_t>();
    const std::uint32_t count = TakeIds(&reader, ids);
    if (reader.truncated()) {
      return Corrupt(absl::StrCat(format.name, " ", row, " of ", rows, " is cut off"));
    }
    if (number < lowest || number >= format.numbers || count > binding.k ||
        !AreDistinctIds(std::span(ids).first(count), vocab_size, binding.k)) {
      return Corrupt(absl::StrCat(format.name, " ", row, " of ", rows, ": got ", format.number, " ",
                                  number, " with ", count, " candidates, expected ascending ",
                                  format.number, "s less than ", format.numbers, " and 1 to ",
                                  binding.k, " distinct ids less than ", vocab_size));
    }
    lowest = std::uint64_t{number} + 1;
  }
  return bytes.substr(0, bytes.size() - reader.rest().size());
}

absl::StatusOr<MixingNumbers> TakeMixing(Reader* reader) {
  const auto weights = reader->Take<std::uint32_t>();
  const auto classes = reader->Take<std::uint32_t>();
  if (weights > kMostMixing || classes > kMostMixing) {
    return Corrupt(absl::StrCat("got ", weights, " weights and ", classes,
                                " classes, expected at most ", kMostMixing, " of each"));
  }
  MixingNumbers numbers;
  for (std::uint32_t i = 0; i < weights; ++i) numbers.weights.push_back(TakeFloat(reader));
  for (std::uint32_t i = 0; i < classes; ++i) {
    const float trials = TakeFloat(reader);
    numbers.classes.push_back({.trials = trials, .hits = TakeFloat(reader)});
  }
  if (reader->truncated()) return Corrupt("the weights are cut off");
  if (!AreValid(numbers)) {
    return Corrupt(absl::StrCat("got weights or counts out of range, expected weights of at most ",
                                kMostWeight, " and hits <= trials < ", kMostTrials));
  }
  return numbers;
}

}  // namespace

std::string EncodeSnapshot(const ModelIdentity& model, const ScopeMemory& memory) {
  const AdjacencyMatrix& matrix = memory.matrix;
  const PairMatrix& pairs = memory.pairs;
  const int pair_bits = pairs.bits();
  std::string out(kMagic);
  out.reserve(kMaxSnapshotOverhead +
              AdjacencyMatrix::MemoryBytes(matrix.rows_filled(), matrix.k()) +
              std::uint64_t{pairs.rows_filled()} * (12 + 4 * pairs.k()));
  Put(kVersion, &out);
  Put(matrix.k(), &out);
  Put(matrix.vocab_size(), &out);
  // These two fields are filled in below: the number of rows and the number of row updates.
  Put(std::uint32_t{0}, &out);
  Put(std::uint64_t{0}, &out);
  out += model.tokenizer_digest;
  Put(static_cast<std::uint32_t>(model.model_id.size()), &out);
  out += model.model_id;
  std::uint32_t rows = 0;
  std::array<TokenId, kMaxK> ids;
  const auto put_ids = [&](std::uint32_t count) {
    Put(count, &out);
    for (std::uint32_t i = 0; i < count; ++i) Put(ids[i], &out);
  };
  for (TokenId token = 0; token < matrix.vocab_size(); ++token) {
    const std::uint32_t count = matrix.ReadRow(token, ids);
    if (count == 0) continue;
    ++rows;
    Put(token, &out);
    put_ids(count);
  }
  // Other threads may write rows during this function. Each row above was written before this line
  // reads the number of updates. So there are at least as many updates as rows.
  std::string counts;
  Put(rows, &counts);
  Put(std::max(matrix.row_updates(), std::uint64_t{rows}), &counts);
  out.replace(kRowsOffset, counts.size(), counts);

  MixingNumbers mixing;
  memory.mixing.Read(&mixing);
  Put(static_cast<std::uint32_t>(mixing.weights.size()), &out);
  Put(static_cast<std::uint32_t>(mixing.classes.size()), &out);
  for (const float weight : mixing.weights) PutFloat(weight, &out);
  for (const ClassCount& count : mixing.classes) {
    PutFloat(count.trials, &out);
    PutFloat(count.hits, &out);
  }

  Put(static_cast<std::uint32_t>(pair_bits), &out);
  const std::size_t pair_rows_at = out.size();
  Put(std::uint32_t{0}, &out);
  std::uint32_t pair_rows = 0;
  for (std::uint32_t slot = 0; slot < 1U << pair_bits; ++slot) {
    const auto found = pairs.ReadSlot(slot, ids);
    if (!found.has_value()) continue;
    ++pair_rows;
    Put(slot, &out);
    Put(found->tag, &out);
    put_ids(found->count);
  }
  std::string pair_count;
  Put(pair_rows, &pair_count);
  out.replace(pair_rows_at, pair_count.size(), pair_count);
  out += Checksum(out);
  return out;
}

absl::StatusOr<Snapshot> Snapshot::Parse(std::string_view bytes) {
  if (bytes.size() < kMinBytes) return Corrupt(absl::StrCat("got only ", bytes.size(), " bytes"));
  if (bytes.substr(0, kMagic.size()) != kMagic) return Corrupt("got a file that is not a snapshot");
  const std::string_view body = bytes.substr(0, bytes.size() - kDigestBytes);
  if (Checksum(body) != bytes.substr(body.size())) return Corrupt("the checksum does not match");

  Reader reader(body.substr(kMagic.size()));
  if (const auto version = reader.Take<std::uint32_t>(); version != kVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat("snapshot: got format version ", version, ", expected ", kVersion));
  }
  Snapshot snapshot;
  snapshot.binding_.k = reader.Take<std::uint32_t>();
  snapshot.binding_.model.vocab_size = reader.Take<std::uint32_t>();
  snapshot.rows_ = reader.Take<std::uint32_t>();
  snapshot.row_updates_ = reader.Take<std::uint64_t>();
  snapshot.binding_.model.tokenizer_digest = std::string(reader.TakeBytes(kDigestBytes));
  const std::uint32_t id_bytes = reader.Take<std::uint32_t>();
  snapshot.binding_.model.model_id = std::string(reader.TakeBytes(id_bytes));
  if (reader.truncated()) return Corrupt("the header is cut off");
  if (absl::Status status = ValidateBinding(snapshot.binding_); !status.ok()) {
    return Corrupt(std::string(status.message()));
  }
  if (snapshot.row_updates_ < snapshot.rows_) {
    return Corrupt(absl::StrCat("got ", snapshot.row_updates_, " row updates, expected at least ",
                                snapshot.rows_));
  }
  ASSIGN_OR_RETURN(
      snapshot.row_bytes_,
      CheckRows(reader.rest(), snapshot.rows_,
                {.name = "row", .number = "token", .numbers = snapshot.binding_.model.vocab_size},
                snapshot.binding_));
  reader.TakeBytes(snapshot.row_bytes_.size());
  ASSIGN_OR_RETURN(snapshot.mixing_, TakeMixing(&reader));
  const auto bits = reader.Take<std::uint32_t>();
  snapshot.pair_rows_ = reader.Take<std::uint32_t>();
  if (reader.truncated()) return Corrupt("the header of the pair rows is cut off");
  if (bits < PairMatrix::kFirstBits || bits > PairMatrix::kLastBits) {
    return Corrupt(absl::StrCat("pair_bits: got ", bits, ", expected ", PairMatrix::kFirstBits,
                                " to ", PairMatrix::kLastBits));
  }
  snapshot.pair_bits_ = static_cast<int>(bits);
  ASSIGN_OR_RETURN(snapshot.pair_bytes_, CheckRows(reader.rest(), snapshot.pair_rows_,
                                                   {.name = "pair row",
                                                    .number = "slot",
                                                    .numbers = std::uint64_t{1} << bits,
                                                    .tagged = true},
                                                   snapshot.binding_));
  reader.TakeBytes(snapshot.pair_bytes_.size());
  if (reader.rest().empty()) return snapshot;
  return Corrupt(absl::StrCat("got ", reader.rest().size(), " bytes after the last row"));
}

int Snapshot::wanted_pair_bits() const {
  int bits = PairMatrix::kFirstBits;
  while (bits < pair_bits_ && pair_rows_ > 1U << (bits - 1)) ++bits;
  return bits;
}

void Snapshot::RestoreRows(AdjacencyMatrix* matrix) const {
  Reader rows(row_bytes_);
  std::array<TokenId, kMaxK> ids;
  for (std::uint32_t row = 0; row < rows_; ++row) {
    const auto token = rows.Take<std::uint32_t>();
    const std::uint32_t count = TakeIds(&rows, ids);
    matrix->WriteRow(token, std::span(ids).first(count));
  }
  matrix->set_row_updates(row_updates_);
}

void Snapshot::Restore(ScopeMemory* memory) const {
  RestoreRows(&memory->matrix);
  memory->mixing.Begin(WithBaseRowClasses(mixing_));
  Reader pairs(pair_bytes_);
  std::array<TokenId, kMaxK> ids;
  const std::uint32_t last_slot = (1U << memory->pairs.bits()) - 1;
  for (std::uint32_t row = 0; row < pair_rows_; ++row) {
    const auto slot = pairs.Take<std::uint32_t>();
    const auto tag = pairs.Take<std::uint32_t>();
    const std::uint32_t count = TakeIds(&pairs, ids);
    // The low bits of the slot are the slot in a smaller table.
    memory->pairs.WriteSlot(slot & last_slot, tag, std::span(ids).first(count));
  }
}

absl::Status LoadSnapshot(const Snapshot& snapshot, const MatrixKey& key, MatrixStore* store) {
  RETURN_IF_ERROR(store->ValidateKey(key));
  RETURN_IF_ERROR(store->Bind(snapshot.binding()));
  ASSIGN_OR_RETURN(std::shared_ptr<ScopeMemory> memory, store->Allocate());
  store->GrowTo(snapshot.wanted_pair_bits(), memory.get());
  snapshot.Restore(memory.get());
  return store->Replace(key, std::move(memory));
}

}  // namespace recycling::drafter
