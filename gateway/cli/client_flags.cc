#include "absl/flags/flag.h"
#include "gateway/cli/flags.h"

ABSL_FLAG(std::string, gateway, "127.0.0.1:50050",
          "Address of the gateway, host:port or unix:/path.");
ABSL_FLAG(absl::Duration, timeout, absl::ZeroDuration(),
          "Longest time for each call, for example 30s or 5m; 0 waits as long as it takes.");
ABSL_FLAG(std::string, api_key_file, "",
          "File with the API key that calls carry. Empty: the environment's RECYCLING_API_KEY, if "
          "set.");
ABSL_FLAG(bool, json, false, "Print JSON, one object per line; see gateway/cli/README.md.");
ABSL_FLAG(std::string, tls_ca, "",
          "File of the authorities, in PEM, one of which must have signed the server's certificate "
          "(/etc/ssl/certs/ca-certificates.crt: those this system trusts). With it TLS alone is "
          "spoken; empty: plaintext.");
ABSL_FLAG(std::string, tls_cert, "",
          "File of the certificate, in PEM, shown to servers that ask for one; needs --tls_key and "
          "--tls_ca. Empty: none.");
ABSL_FLAG(std::string, tls_key, "",
          "File of the private key of --tls_cert, in PEM, not encrypted.");
ABSL_FLAG(std::string, tls_name, "",
          "Name that the server's certificate must carry. Empty: the host it is reached at.");
ABSL_FLAG(bool, allow_plaintext, false,
          "Allow connections without TLS beyond this machine: whoever is on their way reads and "
          "changes prompts, texts and keys.");
