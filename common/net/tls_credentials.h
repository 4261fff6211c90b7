// gRPC credentials from PEM files. When the files change, the credentials use the new content.
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
  // Certificate and key are required. With `ca`, a client must show a certificate that an authority
  // in the file `ca` signed. Without `ca`, clients need no certificate.
  TlsFiles files;
  // If not empty, the client's certificate must also have one of these names among its subject
  // alternative names; other clients get PermissionDenied. Needs `ca`.
  std::vector<std::string> allowed_names;
  // Gets the expiry of the certificate in use: at once, and each time that another certificate
  // comes into use. May be null.
  std::shared_ptr<CertificateExpiry> expiry;
};

// InvalidArgument without a certificate or a key, or for allowed names without `ca`.
absl::Status CheckServerTls(const ServerTlsOptions& options);

// Credentials for servers, TLS 1.2 and above. The files are read every second. If they changed and
// are valid, connections that begin about two seconds later use the new content; older connections
// go on. If the new content is not valid (half written, or the key is not the certificate's), an
// error is logged and the old content stays in use. Errors as CheckServerTls and ReadTlsFiles. One
// or two descriptors stay open as long as the process runs, so call it once for each set of files.
absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> CreateServerCredentials(
    const ServerTlsOptions& options);

struct ChannelTlsOptions {
  // `ca` is required: a server is trusted if one of these authorities signed its certificate.
  // Certificate and key are optional. They are shown to servers that ask for them.
  TlsFiles files;
  // The server's certificate must carry one of these DNS names. Empty: the host that the channel
  // was created for, or the name in its channel argument GRPC_SSL_TARGET_NAME_OVERRIDE_ARG.
  std::vector<std::string> names;
  // As in ServerTlsOptions, for the certificate that is shown to servers. Stays unset if there is
  // no certificate.
  std::shared_ptr<CertificateExpiry> expiry;
};

// Credentials for clients. TLS versions and changed files are handled as for servers. Errors as
// ReadTlsFiles. InvalidArgument too without `ca`.
absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> CreateChannelCredentials(
    const ChannelTlsOptions& options);

}  // namespace recycling

#endif  // RECYCLING_COMMON_NET_TLS_CREDENTIALS_H_
