#include "gateway/cli/api_key.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "absl/flags/flag.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/program/program.h"
#include "common/rpc/keyed_channel.h"
#include "gateway/cli/flags.h"

namespace recycling::cli {
namespace {

// The caller's key; empty if there is none. InvalidArgument if the text is not a key.
absl::StatusOr<std::string> ApiKeyFromFlags() {
  const std::string path = absl::GetFlag(FLAGS_api_key_file);
  if (!path.empty()) return ReadKeyFile("--api_key_file", path);
  const char* const variable = std::getenv("RECYCLING_API_KEY");
  const std::string key = variable == nullptr ? "" : variable;
  if (!key.empty()) RETURN_IF_ERROR(CheckKey("RECYCLING_API_KEY", key));
  return key;
}

}  // namespace

void AddApiKey(grpc::ClientContext* context) {
  static const auto* const key = new absl::StatusOr<std::string>(ApiKeyFromFlags());
  if (!key->ok()) {
    std::fprintf(stderr, "recycling: %s\n", Escaped(std::string(key->status().message())).c_str());
    _exit(kExitUsage);
  }
  if (!(*key)->empty()) context->AddMetadata("authorization", absl::StrCat("Bearer ", **key));
}

}  // namespace recycling::cli
