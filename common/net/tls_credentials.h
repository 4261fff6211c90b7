// gRPC credentials from PEM files that are taken again when they change.
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
  // Certificate and key are needed. With `ca`, a client must show a certificate that one of these
  // authorities signed; without it none is asked for.
  TlsFiles files;
  // Of clients with such a certificate only those are served that have one of these names among its
  // subject alternative names; others get PermissionDenied. Empty: all. Needs `ca`.
  std::vector<std::string> allowed_names;
  // Told when the certificate ends, now and whenever another one is taken; may be null.
  std::shared_ptr<CertificateExpiry> expiry;
};

// For servers. TLS 1.2 and above. The files are looked at every second: when they change and are in
// order, connections made from about two seconds later use them, and running ones go on; what is
// not in order (half written, not fitting together) is logged and the files before stay in use.
// Errors as ReadTlsFiles; InvalidArgument too without a certificate, or for allowed names without
// `ca`. A descriptor or two stay open as long as the process: call it once for each set of files.
absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> CreateServerCredentials(
    const ServerTlsOptions& options);

struct ChannelTlsOptions {
  // `ca` is needed: it says which servers to believe. Certificate and key, if named, are shown to
  // servers that ask.
  TlsFiles files;
  // The server's certificate must carry one of these DNS names. Empty: the host that the channel
  // was created for, or the name in its channel argument GRPC_SSL_TARGET_NAME_OVERRIDE_ARG.
  std::vector<std::string> names;
  // As in ServerTlsOptions, of the certificate that is shown to servers; none: not told.
  std::shared_ptr<CertificateExpiry> expiry;
};

// For clients; the same about versions and changed files. Errors as ReadTlsFiles; InvalidArgument
// too without `ca`.
absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> CreateChannelCredentials(
    const ChannelTlsOptions& options);

}  // namespace recycling

#endif  // RECYCLING_COMMON_NET_TLS_CREDENTIALS_H_
