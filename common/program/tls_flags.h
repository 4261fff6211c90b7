// The TLS flags that the services and the client share.
#ifndef RECYCLING_COMMON_PROGRAM_TLS_FLAGS_H_
#define RECYCLING_COMMON_PROGRAM_TLS_FLAGS_H_

#include <string>

#include "absl/flags/declare.h"

ABSL_DECLARE_FLAG(std::string, tls_cert);
ABSL_DECLARE_FLAG(std::string, tls_key);
ABSL_DECLARE_FLAG(std::string, tls_ca);
ABSL_DECLARE_FLAG(bool, allow_plaintext);

#endif  // RECYCLING_COMMON_PROGRAM_TLS_FLAGS_H_
