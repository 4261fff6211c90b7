#include "drafter/store/snapshot.h"

#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <span>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"

namespace recycling::drafter {
namespace {

constexpr std::string_view kMagic = "RCYMATRX";
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kDigestBytes = 32;
constexpr std::size_t kRowsOffset = 20;  // where the number of rows stands, in bytes
constexpr std::size_t kMinBytes = kMagic.size() + 4 + kDigestBytes;

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

// Reads one row: its token and its ids. Returns the number of ids that the bytes claim. This number
// may be more than kMaxK; then only the first kMaxK ids are read.
std::uint32_t TakeRow(Reader* reader, TokenId* token, std::span<TokenId, kMaxK> ids) {
  *token = reader->Take<std::uint32_t>();
  const std::uint32_t count = reader->Take<std::uint32_t>();
  for (std::uint32_t i = 0; i < count && i < kMaxK; ++i) ids[i] = reader->Take<std::uint32_t>();
  return count;
}

absl::Status CheckRows(std::string_view row_bytes, std::uint32_t rows, std::uint32_t vocab_size,
                       std::uint32_t k) {
  Reader reader(row_bytes);
  std::array<TokenId, kMaxK> ids;
  std::uint64_t lowest = 0;  // the lowest token that the next row may have
  for (std::uint32_t row = 0; row < rows; ++row) {
    TokenId token = 0;
    const std::uint32_t count = TakeRow(&reader, &token, ids);
    if (reader.truncated()) return Corrupt(absl::StrCat("row ", row, " of ", rows, " is cut off"));
    if (token < lowest || count > k ||
        !AdjacencyMatrix::IsValidRow(token, std::span(ids).first(count), vocab_size, k)) {
      return Corrupt(absl::StrCat("row ", row, " of ", rows, ": got token ", token, " with ", count,
                                  " candidates, expected ascending tokens and 1 to ", k,
                                  " distinct ids less than ", vocab_size));
    }
    lowest = std::uint64_t{token} + 1;
  }
  if (reader.rest().empty()) return absl::OkStatus();
  return Corrupt(absl::StrCat("got ", reader.rest().size(), " bytes after the last row"));
}

}  // namespace

std::string EncodeSnapshot(const ModelIdentity& model, const AdjacencyMatrix& matrix) {
  std::string out(kMagic);
  out.reserve(kMaxSnapshotOverhead +
              AdjacencyMatrix::MemoryBytes(matrix.rows_filled(), matrix.k()));
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
  for (TokenId token = 0; token < matrix.vocab_size(); ++token) {
    const std::uint32_t count = matrix.ReadRow(token, ids);
    if (count == 0) continue;
    ++rows;
    Put(token, &out);
    Put(count, &out);
    for (std::uint32_t i = 0; i < count; ++i) Put(ids[i], &out);
  }
  // Other threads may write rows during this function. Each row above was written before this line
  // reads the number of updates. So there are at least as many updates as rows.
  std::string counts;
  Put(rows, &counts);
  Put(std::max(matrix.row_updates(), std::uint64_t{rows}), &counts);
  out.replace(kRowsOffset, counts.size(), counts);
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
  snapshot.row_bytes_ = reader.rest();
  RETURN_IF_ERROR(CheckRows(snapshot.row_bytes_, snapshot.rows_, snapshot.binding_.model.vocab_size,
                            snapshot.binding_.k));
  return snapshot;
}

void Snapshot::Restore(AdjacencyMatrix* matrix) const {
  Reader reader(row_bytes_);
  std::array<TokenId, kMaxK> ids;
  for (std::uint32_t row = 0; row < rows_; ++row) {
    TokenId token = 0;
    const std::uint32_t count = TakeRow(&reader, &token, ids);
    matrix->WriteRow(token, std::span(ids).first(count));
  }
  matrix->set_row_updates(row_updates_);
}

absl::Status LoadSnapshot(const Snapshot& snapshot, const MatrixKey& key, MatrixStore* store) {
  RETURN_IF_ERROR(store->ValidateKey(key));
  RETURN_IF_ERROR(store->Bind(snapshot.binding()));
  ASSIGN_OR_RETURN(std::shared_ptr<ScopeMemory> memory, store->Allocate());
  snapshot.Restore(&memory->matrix);
  return store->Replace(key, std::move(memory));
}

}  // namespace recycling::drafter
