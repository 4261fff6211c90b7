#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "common/auth/api_keys.h"
#include "common/program/choice_flag.h"
#include "gateway/cli/client.h"
#include "gateway/cli/commands.h"
#include "gateway/cli/flags.h"

namespace recycling::cli {
namespace {

constexpr std::pair<absl::string_view, KeyRole> kRoles[] = {
    {"inference", KeyRole::kInference}, {"peer", KeyRole::kPeer}, {"admin", KeyRole::kAdmin}};

}  // namespace
}  // namespace recycling::cli

ABSL_FLAG(
    recycling::ChoiceFlag<recycling::cli::kRoles>, role, recycling::KeyRole::kInference,
    "What the key is for: inference (text), peer (a gateway's calls to drafters and verifiers, "
    "for any tenant), or admin (statistics, matrices, draining).");

namespace recycling::cli {
namespace {

constexpr char kKeyProgram[] = "recycling key";

int New(const std::string& tenant, KeyRole role) {
  const auto key = NewApiKey();
  if (!key.ok()) return Fail(kKeyProgram, "new", key.status());
  const auto line = ApiKeyLine(tenant, role, *key);
  if (!line.ok()) return FailUsage(kKeyProgram, absl::StrCat("--", line.status().message()));
  std::fprintf(stderr,
               "The key, which is never shown again, and the line for the file of --api_keys:\n");
  return Print(kKeyProgram, absl::StrCat(*key, "\n", *line, "\n")) ? kExitOk : kExitFailure;
}

}  // namespace

ProgramInfo KeyInfo() {
  return {.name = kKeyProgram,
          .summary = "Makes an API key. The argument must be the word 'new'.",
          .examples =
              "recycling key new --tenant acme\n"
              "recycling key new --tenant gateways --role peer\n"
              "recycling key new --tenant operators --role admin\n",
          .flags = {GroupOf("Key", FLAGS_tenant, FLAGS_role)}};
}

int RunKey(const std::vector<std::string>& words) {
  if (words.size() != 1 || words[0] != "new")
    return FailUsage(kKeyProgram, "expected the word 'new'");
  return New(absl::GetFlag(FLAGS_tenant), absl::GetFlag(FLAGS_role).value());
}

}  // namespace recycling::cli
