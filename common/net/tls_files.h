// Certificates and keys in PEM files, checked before anybody relies on them.
#ifndef RECYCLING_COMMON_NET_TLS_FILES_H_
#define RECYCLING_COMMON_NET_TLS_FILES_H_

#include <string>

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

// Reads the files. InvalidArgument naming the file and what is wrong with it: not readable, above
// 1 MiB, no certificate or key in PEM in it, a key that is encrypted or is not the certificate's, a
// certificate that is expired; or a certificate without a key, or a key without a certificate.
absl::StatusOr<TlsMaterial> ReadTlsFiles(const TlsFiles& files);

}  // namespace recycling

#endif  // RECYCLING_COMMON_NET_TLS_FILES_H_
