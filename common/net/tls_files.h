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
  std::string certificate;  // this side's: the leaf first, then the intermediate certificates
  std::string key;          // of the leaf, not encrypted
  std::string ca;           // authorities that sign the other side's certificates
};

// The content of the files. A member is empty if its file is not named.
struct TlsMaterial {
  std::string identity;                         // chain, then key, in PEM
  std::string ca;                               // in PEM
  absl::Time expires = absl::InfiniteFuture();  // of the leaf

  bool operator==(const TlsMaterial&) const = default;
};

// Reads the files once. InvalidArgument that names the file and what is wrong with it:
//  1. The file is not readable or has more than 1 MiB.
//  2. It holds no certificate or key in PEM.
//  3. The key is encrypted or is not the certificate's.
//  4. The certificate is expired.
// InvalidArgument too for a certificate without a key, or a key without a certificate.
absl::StatusOr<TlsMaterial> ReadTlsFiles(const TlsFiles& files);

// Reads the same files again and again, and parses them only when their bytes have changed.
// Threads: one at a time.
class TlsFileReader {
 public:
  explicit TlsFileReader(TlsFiles files) : files_(std::move(files)) {}

  // The content of the files now. Errors as ReadTlsFiles.
  absl::StatusOr<TlsMaterial> Read();

  // How often bytes were parsed.
  int parses() const { return parses_; }

 private:
  // The content of the files, unparsed. A member is empty if its file is not named.
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
  std::optional<Bytes> bytes_;                          // the bytes that were parsed last
  absl::StatusOr<TlsMaterial> parsed_ = TlsMaterial();  // the result of parsing `bytes_`
};

}  // namespace recycling

#endif  // RECYCLING_COMMON_NET_TLS_FILES_H_
