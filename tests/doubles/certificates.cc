#include "tests/doubles/certificates.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <functional>

namespace recycling::doubles {
namespace {

std::string Pem(const std::function<void(BIO*)>& write) {
  BIO* bio = BIO_new(BIO_s_mem());
  write(bio);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string text(data, static_cast<std::size_t>(size));
  BIO_free(bio);
  return text;
}

std::string CertificatePem(X509* certificate) {
  return Pem([&](BIO* bio) { PEM_write_bio_X509(bio, certificate); });
}

void AddExtension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

// Makes a certificate without a signature, with a random serial number.
X509* NewCertificate(const std::string& name, EVP_PKEY* key, absl::Duration lifetime) {
  X509* certificate = X509_new();
  X509_set_version(certificate, X509_VERSION_3);
  std::uint32_t serial = 0;
  RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof(serial));
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -7 * 24 * 3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate), absl::ToInt64Seconds(lifetime));
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  X509_set_pubkey(certificate, key);
  return certificate;
}

}  // namespace

struct CertificateAuthority::Impl {
  EVP_PKEY* key;
  X509* certificate;
};

CertificateAuthority::CertificateAuthority(const std::string& name) : impl_(new Impl) {
  impl_->key = EVP_EC_gen("P-256");
  X509* certificate = NewCertificate(name, impl_->key, absl::Hours(24));
  X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
  AddExtension(certificate, certificate, NID_basic_constraints, "critical,CA:TRUE");
  AddExtension(certificate, certificate, NID_key_usage, "critical,keyCertSign,cRLSign");
  AddExtension(certificate, certificate, NID_subject_key_identifier, "hash");
  X509_sign(certificate, impl_->key, EVP_sha256());
  impl_->certificate = certificate;
  certificate_ = CertificatePem(certificate);
}

CertificateAuthority::~CertificateAuthority() {
  X509_free(impl_->certificate);
  EVP_PKEY_free(impl_->key);
}

Identity CertificateAuthority::Issue(const std::string& names, absl::Duration lifetime) {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = NewCertificate("test", key, lifetime);
  X509_set_issuer_name(certificate, X509_get_subject_name(impl_->certificate));
  AddExtension(certificate, impl_->certificate, NID_basic_constraints, "critical,CA:FALSE");
  AddExtension(certificate, impl_->certificate, NID_subject_alt_name, names);
  AddExtension(certificate, impl_->certificate, NID_authority_key_identifier, "keyid");
  X509_sign(certificate, impl_->key, EVP_sha256());
  Identity identity = {
      .certificate = CertificatePem(certificate),
      .key = Pem([&](BIO* bio) {
        PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
      }),
  };
  X509_free(certificate);
  EVP_PKEY_free(key);
  return identity;
}

void ReplaceFile(const std::string& path, const std::string& text) {
  const std::string fresh = path + ".new";
  std::ofstream(fresh, std::ios::trunc) << text;
  std::rename(fresh.c_str(), path.c_str());
}

TlsFiles WriteTlsFiles(const std::string& folder, const std::string& name, const Identity& identity,
                       const std::string& ca) {
  const TlsFiles files = {.certificate = folder + "/" + name + ".crt",
                          .key = folder + "/" + name + ".key",
                          .ca = folder + "/" + name + ".ca"};
  ReplaceFile(files.certificate, identity.certificate);
  ReplaceFile(files.key, identity.key);
  ReplaceFile(files.ca, ca);
  return files;
}

}  // namespace recycling::doubles
