#include "absl/flags/flag.h"
#include "gateway/cli/flags.h"

ABSL_FLAG(std::string, tenant, "default", "Tenant that the matrix or the key belongs to.");
