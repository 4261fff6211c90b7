#include "absl/flags/flag.h"
#include "gateway/cli/flags.h"

ABSL_FLAG(std::string, gateway, "127.0.0.1:50050",
          "Address of the gateway, host:port or unix:/path.");
ABSL_FLAG(absl::Duration, timeout, absl::ZeroDuration(),
          "Longest time for each call, for example 30s or 5m; 0 waits as long as it takes.");
ABSL_FLAG(bool, json, false, "Print JSON, one object per line; see gateway/cli/README.md.");
