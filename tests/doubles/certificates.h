// Makes certificates for tests.
#ifndef RECYCLING_TESTS_DOUBLES_CERTIFICATES_H_
#define RECYCLING_TESTS_DOUBLES_CERTIFICATES_H_

#include <memory>
#include <string>

#include "absl/time/time.h"
#include "common/net/tls_files.h"

namespace recycling::doubles {

// A certificate and its key, in PEM.
struct Identity {
  std::string certificate;
  std::string key;
};

// A certificate authority with its own key. Threads: only one thread may use it at a time.
class CertificateAuthority {
 public:
  explicit CertificateAuthority(const std::string& name);
  ~CertificateAuthority();

  const std::string& certificate() const { return certificate_; }

  // Signs a certificate for `names`, as OpenSSL writes them: "DNS:localhost,IP:127.0.0.1". A
  // certificate with a negative lifetime has expired.
  Identity Issue(const std::string& names, absl::Duration lifetime = absl::Hours(1));

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
  std::string certificate_;
};

// Writes the text to a file. It replaces an old file atomically.
void ReplaceFile(const std::string& path, const std::string& text);

// Writes FOLDER/NAME.crt, NAME.key and NAME.ca, and returns their paths.
TlsFiles WriteTlsFiles(const std::string& folder, const std::string& name, const Identity& identity,
                       const std::string& ca);

}  // namespace recycling::doubles

#endif  // RECYCLING_TESTS_DOUBLES_CERTIFICATES_H_
