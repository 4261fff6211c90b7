#include "common/net/tls_server_context.h"

#include <arpa/inet.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <array>
#include <cstddef>

#include "absl/status/status.h"
#include "common/base/status_macros.h"
#include "common/net/openssl_objects.h"

namespace recycling {
namespace {

constexpr absl::Duration kReadAgain = absl::Seconds(1);

using Names = std::unique_ptr<GENERAL_NAMES, Free<GENERAL_NAMES_free>>;

Certificate NextCertificate(const Bio& pem) {
  return Certificate(PEM_read_bio_X509(pem.get(), nullptr, NoPassword, nullptr));
}

absl::Status Unusable(const char* what) {
  return absl::InvalidArgumentError(std::string("TLS: OpenSSL does not take the ") + what);
}

// `identity`: the chain, then the key.
absl::Status UseIdentity(const std::string& identity, SSL_CTX* context) {
  const Bio chain = Reader(identity);
  const Certificate leaf = NextCertificate(chain);
  if (leaf == nullptr || SSL_CTX_use_certificate(context, leaf.get()) != 1) {
    return Unusable("certificate");
  }
  while (const Certificate next = NextCertificate(chain)) {
    // The file of the key, which comes last, may be that of the chain again.
    if (X509_cmp(next.get(), leaf.get()) == 0) break;
    if (SSL_CTX_add1_chain_cert(context, next.get()) != 1) return Unusable("chain");
  }
  const Bio bytes = Reader(identity);
  const Key key(PEM_read_bio_PrivateKey(bytes.get(), nullptr, NoPassword, nullptr));
  if (key == nullptr || SSL_CTX_use_PrivateKey(context, key.get()) != 1) return Unusable("key");
  return absl::OkStatus();
}

absl::Status RequireClients(const std::string& ca, SSL_CTX* context) {
  const Bio bytes = Reader(ca);
  while (const Certificate authority = NextCertificate(bytes)) {
    if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context), authority.get()) != 1 ||
        SSL_CTX_add_client_CA(context, authority.get()) != 1) {
      return Unusable("authorities");
    }
  }
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<SSL_CTX>> ContextOf(const TlsMaterial& material) {
  const std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  if (context == nullptr || SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION) != 1) {
    return absl::InternalError("TLS: OpenSSL makes no context");
  }
  // Sessions are not kept: a resumed one would be checked against files that may have changed.
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS);
  RETURN_IF_ERROR(UseIdentity(material.identity, context.get()));
  if (!material.ca.empty()) RETURN_IF_ERROR(RequireClients(material.ca, context.get()));
  return context;
}

std::string TextOfAddress(const ASN1_OCTET_STRING* address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const int family = ASN1_STRING_length(address) == sizeof(in6_addr) ? AF_INET6 : AF_INET;
  if (family == AF_INET && ASN1_STRING_length(address) != sizeof(in_addr)) return "";
  inet_ntop(family, ASN1_STRING_get0_data(address), text.data(), text.size());
  return text.data();
}

std::string TextOf(const GENERAL_NAME& name) {
  switch (name.type) {
    case GEN_DNS:
    case GEN_EMAIL:
    case GEN_URI:
      return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(name.d.ia5)),
              static_cast<std::size_t>(ASN1_STRING_length(name.d.ia5))};
    case GEN_IPADD:
      return TextOfAddress(name.d.iPAddress);
    default:
      return "";
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<TlsServerContext>> TlsServerContext::Create(
    const ServerTlsOptions& options, const Clock& clock) {
  RETURN_IF_ERROR(CheckServerTls(options));
  std::unique_ptr<TlsServerContext> context(new TlsServerContext(options.files, clock));
  RETURN_IF_ERROR(context->Read());
  return context;
}

absl::Status TlsServerContext::Read() {
  looked_ = clock_.Monotonic();
  ASSIGN_OR_RETURN(TlsMaterial material, reader_.Read());
  if (context_ != nullptr && material == material_) return absl::OkStatus();
  ASSIGN_OR_RETURN(context_, ContextOf(material));
  material_ = std::move(material);
  return absl::OkStatus();
}

std::shared_ptr<ssl_ctx_st> TlsServerContext::Get() {
  // The credentials of gRPC read the same files and log what is wrong with them.
  if (clock_.Monotonic() - looked_ >= kReadAgain) Read().IgnoreError();
  return context_;
}

std::vector<std::string> VerifiedClientNames(const ssl_st* connection) {
  std::vector<std::string> names;
  if (SSL_get_verify_result(connection) != X509_V_OK) return names;
  const Certificate certificate(SSL_get1_peer_certificate(connection));
  if (certificate == nullptr) return names;
  const Names found(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate.get(), NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; i < sk_GENERAL_NAME_num(found.get()); ++i) {
    std::string name = TextOf(*sk_GENERAL_NAME_value(found.get(), i));
    if (!name.empty()) names.push_back(std::move(name));
  }
  return names;
}

}  // namespace recycling
