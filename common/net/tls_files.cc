#include "common/net/tls_files.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <fstream>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/status_macros.h"
#include "common/net/openssl_objects.h"

namespace recycling {
namespace {

constexpr std::size_t kMaxBytes = 1 << 20;

absl::Status Wrong(const std::string& path, const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat("TLS file ", path, ": ", what));
}

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::string bytes(kMaxBytes + 1, '\0');
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!file.is_open() || file.bad() || (errno != 0 && file.gcount() == 0)) {
    return Wrong(path, absl::StrCat("cannot read it: ", std::strerror(errno)));
  }
  bytes.resize(static_cast<std::size_t>(file.gcount()));
  if (bytes.size() > kMaxBytes) {
    return Wrong(path, absl::StrCat("got more than ", kMaxBytes, " bytes"));
  }
  return bytes;
}

std::string OpenSslReason() {
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  return reason == nullptr ? "unknown" : reason;
}

absl::StatusOr<std::vector<Certificate>> ParseCertificates(const std::string& path,
                                                           const std::string& pem) {
  const Bio reader = Reader(pem);
  std::vector<Certificate> certificates;
  while (X509* next = PEM_read_bio_X509(reader.get(), nullptr, NoPassword, nullptr)) {
    certificates.emplace_back(next);
  }
  if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
    return Wrong(path, absl::StrCat("certificate ", certificates.size() + 1,
                                    " cannot be read: ", OpenSslReason()));
  }
  ERR_clear_error();
  if (certificates.empty()) {
    return Wrong(path, "got no certificate in it, expected at least one in PEM");
  }
  return certificates;
}

absl::StatusOr<Key> ParseKey(const std::string& path, const std::string& pem) {
  const Bio reader = Reader(pem);
  Key key(PEM_read_bio_PrivateKey(reader.get(), nullptr, NoPassword, nullptr));
  if (key != nullptr) return key;
  const std::string reason = OpenSslReason();
  ERR_clear_error();
  if (pem.find("PRIVATE KEY-----") == std::string::npos) {
    return Wrong(path, "got no private key in it, expected one in PEM");
  }
  if (pem.find("ENCRYPTED") != std::string::npos) {
    return Wrong(path, "the key is encrypted, expected one without a password");
  }
  return Wrong(path, absl::StrCat("the key cannot be read: ", reason));
}

absl::Time Expiry(const X509& certificate) {
  std::tm time = {};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(&certificate), &time) != 1) return absl::InfinitePast();
  return absl::FromUnixSeconds(timegm(&time));
}

}  // namespace

absl::StatusOr<TlsMaterial> ReadTlsFiles(const TlsFiles& files) {
  return TlsFileReader(files).Read();
}

absl::StatusOr<TlsMaterial> TlsFileReader::Read() {
  ASSIGN_OR_RETURN(Bytes bytes, ReadBytes());
  if (bytes != bytes_) {
    ++parses_;
    parsed_ = Parse(bytes);
    bytes_ = std::move(bytes);
  }
  if (parsed_.ok() && parsed_->expires < absl::Now()) {
    return Wrong(files_.certificate,
                 absl::StrCat("the certificate expired at ", absl::FormatTime(parsed_->expires)));
  }
  return parsed_;
}

absl::StatusOr<TlsFileReader::Bytes> TlsFileReader::ReadBytes() const {
  if (files_.certificate.empty() != files_.key.empty()) {
    return absl::InvalidArgumentError(
        files_.key.empty() ? absl::StrCat("TLS: got certificate ", files_.certificate,
                                          " without a key, expected both or none")
                           : absl::StrCat("TLS: got key ", files_.key,
                                          " without a certificate, expected both or none"));
  }
  Bytes bytes;
  if (!files_.certificate.empty()) {
    ASSIGN_OR_RETURN(bytes.certificate, ReadFile(files_.certificate));
    ASSIGN_OR_RETURN(bytes.key, ReadFile(files_.key));
  }
  if (!files_.ca.empty()) {
    ASSIGN_OR_RETURN(bytes.ca, ReadFile(files_.ca));
  }
  return bytes;
}

absl::StatusOr<TlsMaterial> TlsFileReader::Parse(const Bytes& bytes) const {
  TlsMaterial material;
  if (!files_.certificate.empty()) {
    ASSIGN_OR_RETURN(const auto chain, ParseCertificates(files_.certificate, bytes.certificate));
    ASSIGN_OR_RETURN(const Key key, ParseKey(files_.key, bytes.key));
    if (X509_check_private_key(chain.front().get(), key.get()) != 1) {
      ERR_clear_error();
      return Wrong(files_.key, absl::StrCat("the key is not that of the first certificate in ",
                                            files_.certificate));
    }
    material.expires = Expiry(*chain.front());
    material.identity = absl::StrCat(bytes.certificate, "\n", bytes.key);
  }
  if (!files_.ca.empty()) {
    RETURN_IF_ERROR(ParseCertificates(files_.ca, bytes.ca).status());
    material.ca = bytes.ca;
  }
  return material;
}

}  // namespace recycling
