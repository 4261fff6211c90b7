// Reads certificates and keys from PEM files and checks them before they are used.
#ifndef RECYCLING_COMMON_NET_TLS_FILES_H_
#define RECYCLING_COMMON_NET_TLS_FILES_H_

#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace recycling {

// Paths of PEM files. `certificate` and `key` come together or not at all.
struct TlsFiles {
  std::string certificate;  // this side's: the leaf first, then what links it to its authority
  std::string key;          // of the leaf, not encrypted
  std::string ca;           // authorities that sign the other side's certificates
};

// What the files hold; empty where no file is named.
struct TlsMaterial {
  std::string identity;                         // chain, then key, in PEM
  std::string ca;                               // in PEM
  absl::Time expires = absl::InfiniteFuture();  // of the leaf

  bool operator==(const TlsMaterial&) const = default;
};

// Reads the files once. InvalidArgument naming the file and what is wrong with it: not readable,
// above 1 MiB, no certificate or key in PEM in it, a key that is encrypted or is not the
// certificate's, a certificate that is expired; or a certificate without a key, or a key without a
// certificate.
absl::StatusOr<TlsMaterial> ReadTlsFiles(const TlsFiles& files);

// Reads the same files again and again, and parses them only when their bytes have changed.
// Threads: one at a time.
class TlsFileReader {
 public:
  explicit TlsFileReader(TlsFiles files) : files_(std::move(files)) {}

  // What the files hold now. Errors as ReadTlsFiles.
  absl::StatusOr<TlsMaterial> Read();

  // How often bytes were parsed.
  int parses() const { return parses_; }

 private:
  // What the files hold, unparsed; empty where no file is named.
  struct Bytes {
    std::string certificate;
    std::string key;
    std::string ca;

    bool operator==(const Bytes&) const = default;
  };

  absl::StatusOr<Bytes> ReadBytes() const;
  absl::StatusOr<TlsMaterial> Parse(const Bytes& bytes) const;

  const TlsFiles files_;
  int parses_ = 0;
  std::optional<Bytes> bytes_;                          // those that were parsed last
  absl::StatusOr<TlsMaterial> parsed_ = TlsMaterial();  // what came of them
};

}  // namespace recycling

#endif  // RECYCLING_COMMON_NET_TLS_FILES_H_
