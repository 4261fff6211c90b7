#include "absl/flags/flag.h"
#include "gateway/cli/flags.h"

ABSL_FLAG(std::string, gateway, "127.0.0.1:50050",
          "Address of the gateway, host:port or unix:/path.");
ABSL_FLAG(absl::Duration, timeout, absl::ZeroDuration(),
          "Longest time for each call, for example 30s or 5m. 0: no limit.");
ABSL_FLAG(std::string, api_key_file, "",
          "File with the API key that the client sends. Empty: the key in the environment variable "
          "RECYCLING_API_KEY, if it is set.");
ABSL_FLAG(bool, json, false,
          "Print JSON, one object per line; gateway/cli/README.md describes it.");
ABSL_FLAG(std::string, tls_name, "",
          "Name that the server's certificate must have. Empty: the host of the server's address.");
ABSL_FLAG(std::string, tenant, "default", "Tenant that the matrix or the key belongs to.");

namespace recycling::cli {

std::vector<FlagGroup> WithConnectionFlags(std::vector<FlagGroup> own) {
  own.push_back(GroupOf("Connection and output", FLAGS_gateway, FLAGS_timeout, FLAGS_json,
                        FLAGS_api_key_file));
  own.push_back(RareGroupOf("TLS", FLAGS_tls_ca, FLAGS_tls_cert, FLAGS_tls_key, FLAGS_tls_name,
                            FLAGS_allow_plaintext));
  return own;
}

}  // namespace recycling::cli
