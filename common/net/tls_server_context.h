// TLS of servers that do not use gRPC, as OpenSSL contexts.
#ifndef RECYCLING_COMMON_NET_TLS_SERVER_CONTEXT_H_
#define RECYCLING_COMMON_NET_TLS_SERVER_CONTEXT_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/net/tls_credentials.h"
#include "common/net/tls_files.h"

struct ssl_ctx_st;  // SSL_CTX of OpenSSL
struct ssl_st;      // SSL of OpenSSL

namespace recycling {

// Threads: one at a time.
class TlsServerContext {
 public:
  // `options` and errors as for CreateServerCredentials. This does not check the clients' names
  // against `allowed_names`; the caller must. It does not set `expiry`. `clock` must outlive it.
  static absl::StatusOr<std::unique_ptr<TlsServerContext>> Create(const ServerTlsOptions& options,
                                                                  const Clock& clock);

  // The context for a connection that begins now; TLS 1.2 and above. Reads the files again if the
  // last time was a second ago. If the new content is not valid, the old content stays in use.
  std::shared_ptr<ssl_ctx_st> Get();

 private:
  TlsServerContext(TlsFiles files, const Clock& clock) : reader_(std::move(files)), clock_(clock) {}

  absl::Status Read();

  TlsFileReader reader_;
  const Clock& clock_;
  absl::Duration looked_;
  TlsMaterial material_;  // of context_
  std::shared_ptr<ssl_ctx_st> context_;
};

// The subject alternative names of the client's certificate if TLS has verified it, else nothing.
// Addresses are written as text, as gRPC does.
std::vector<std::string> VerifiedClientNames(const ssl_st* connection);

}  // namespace recycling

#endif  // RECYCLING_COMMON_NET_TLS_SERVER_CONTEXT_H_
