// gRPC credentials from PEM files. When the files change, the credentials change with them.
#ifndef RECYCLING_COMMON_NET_TLS_CREDENTIALS_H_
#define RECYCLING_COMMON_NET_TLS_CREDENTIALS_H_

#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/net/certificate_expiry.h"
#include "common/net/tls_files.h"

namespace recycling {

struct ServerTlsOptions {
  // Certificate and key are needed. With `ca`, a client must show a certificate that one of its
  // authorities signed; without `ca` clients are asked for none.
  TlsFiles files;
  // If not empty, the client's certificate must also have one of these names among its subject
  // alternative names; other clients get PermissionDenied. Needs `ca`.
  std::vector<std::string> allowed_names;
  // Gets the end of the certificate, now and whenever another one is taken; may be null.
  std::shared_ptr<CertificateExpiry> expiry;
};

// For servers. TLS 1.2 and above. The files are read every second. When they change and are in
// order, connections that begin about two seconds later use them; older connections go on. If they
// are not in order (half written, not fitting together), that is logged and the old ones stay in
// use. Errors as ReadTlsFiles; InvalidArgument too without a certificate, or for allowed names
// without `ca`. Leaves one or two descriptors open for the life of the process: call it once for
// each set of files.
absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> CreateServerCredentials(
    const ServerTlsOptions& options);

struct ChannelTlsOptions {
  // `ca` is needed: servers are trusted if one of its authorities signed their certificate.
  // Certificate and key, if given, are shown to servers that ask for them.
  TlsFiles files;
  // The server's certificate must carry one of these DNS names. Empty: the host that the channel
  // was created for, or the name in its channel argument GRPC_SSL_TARGET_NAME_OVERRIDE_ARG.
  std::vector<std::string> names;
  // As in ServerTlsOptions, for the certificate that is shown to servers; set only if there is one.
  std::shared_ptr<CertificateExpiry> expiry;
};

// For clients. Versions and changed files: as for servers. Errors as ReadTlsFiles; InvalidArgument
// too without `ca`.
absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> CreateChannelCredentials(
    const ChannelTlsOptions& options);

}  // namespace recycling

#endif  // RECYCLING_COMMON_NET_TLS_CREDENTIALS_H_
