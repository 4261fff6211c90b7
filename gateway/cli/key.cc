#include <cstdio>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "common/auth/api_keys.h"
#include "common/program/program.h"
#include "gateway/cli/client.h"
#include "gateway/cli/commands.h"
#include "gateway/cli/flags.h"

ABSL_FLAG(std::string, role, "inference",
          "What the key is for: inference (text), or admin (statistics, matrices, draining).");

namespace recycling::cli {
namespace {

constexpr char kProgram[] = "recycling key";

int New(const std::string& tenant, KeyRole role) {
  const auto key = NewApiKey();
  if (!key.ok()) return Fail(kProgram, "new", key.status());
  const auto line = ApiKeyLine(tenant, role, *key);
  if (!line.ok()) return FailUsage(kProgram, absl::StrCat("--", line.status().message()));
  std::fprintf(stderr,
               "The key, which is shown this once, and the line for the file of --api_keys:\n");
  return Print(kProgram, absl::StrCat(*key, "\n", *line, "\n")) ? kExitOk : kExitFailure;
}

}  // namespace

int RunKey(int argc, char** argv) {
  const ProgramInfo info = {.name = kProgram,
                            .summary = "makes an API key: new.",
                            .examples =
                                "recycling key new --tenant acme\n"
                                "recycling key new --tenant operators --role admin\n",
                            .flag_files = {"gateway/cli/key.cc", kTenantFlag}};
  const std::vector<std::string> words = ParseProgramFlags(argc, argv, info);
  if (words.size() != 1 || words[0] != "new") return FailUsage(kProgram, "expected new");
  const std::string role = absl::GetFlag(FLAGS_role);
  if (role == "inference") return New(absl::GetFlag(FLAGS_tenant), KeyRole::kInference);
  if (role == "admin") return New(absl::GetFlag(FLAGS_tenant), KeyRole::kAdmin);
  return FailUsage(kProgram,
                   absl::StrCat("--role: got \"", role, "\", expected inference or admin"));
}

}  // namespace recycling::cli
