// bench_grow_model: writes a larger model that computes the same function as a small one.
#include <fstream>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/program/program.h"
#include "tests/bench/model_grower.h"

ABSL_FLAG(std::uint32_t, layers, 0, "Layers. 0: as many as in SMALL.");
ABSL_FLAG(
    std::uint32_t, heads, 0,
    "Heads. The hidden size is the number of heads times the head size. 0: as many as in SMALL.");
ABSL_FLAG(std::uint32_t, kv_heads, 0, "Key-value heads. 0: as many as in SMALL.");
ABSL_FLAG(std::uint32_t, feed_forward, 0, "Feed-forward neurons. 0: as many as in SMALL.");
ABSL_FLAG(std::uint32_t, experts, 0,
          "Experts of each feed-forward block, all with the weights of SMALL. 0: no mixture.");
ABSL_FLAG(std::uint32_t, experts_used, 0, "Experts that the router chooses for each row.");
ABSL_FLAG(std::string, type, "q8_0", "Number format of matrices: f32, f16, q8_0 or q4_0.");
ABSL_FLAG(std::uint64_t, seed, 1, "Seed of the added weights.");

namespace recycling::bench {
namespace {

absl::StatusOr<verifier::TensorType> TypeFlag() {
  static const auto& types =
      *new std::map<std::string, verifier::TensorType>{{"f32", verifier::TensorType::kF32},
                                                       {"f16", verifier::TensorType::kF16},
                                                       {"q8_0", verifier::TensorType::kQ8_0},
                                                       {"q4_0", verifier::TensorType::kQ4_0}};
  const std::string name = absl::GetFlag(FLAGS_type);
  const auto type = types.find(name);
  if (type != types.end()) return type->second;
  return absl::InvalidArgumentError(
      absl::StrCat("--type: got \"", name, "\", expected f32, f16, q8_0 or q4_0"));
}

absl::Status Run(const std::string& small, const std::string& big) {
  Growth growth = {.layers = absl::GetFlag(FLAGS_layers),
                   .heads = absl::GetFlag(FLAGS_heads),
                   .kv_heads = absl::GetFlag(FLAGS_kv_heads),
                   .feed_forward = absl::GetFlag(FLAGS_feed_forward),
                   .experts = absl::GetFlag(FLAGS_experts),
                   .experts_used = absl::GetFlag(FLAGS_experts_used),
                   .seed = absl::GetFlag(FLAGS_seed)};
  ASSIGN_OR_RETURN(growth.type, TypeFlag());
  ASSIGN_OR_RETURN(const auto file, verifier::GgufFile::Open(small));
  std::ofstream out(big, std::ios::binary | std::ios::trunc);
  if (!out) return absl::PermissionDeniedError(absl::StrCat("cannot write ", big));
  return GrowModel(*file, growth, out);
}

}  // namespace
}  // namespace recycling::bench

int main(int argc, char** argv) {
  const std::vector<std::string> arguments = recycling::ParseProgramFlags(
      argc, argv,
      {.name = "bench_grow_model",
       .summary = "Writes a larger model that computes the same function as a small one: "
                  "bench_grow_model SMALL BIG. The added weights have no effect on the output.",
       .examples = "  bench_grow_model small.f16.gguf big.q8_0.gguf --layers 22 --heads 30 "
                   "--kv_heads 10 --feed_forward 5120\n"});
  if (arguments.size() != 2) {
    std::cerr << "bench_grow_model: got " << arguments.size()
              << " arguments, expected SMALL BIG\nTry 'bench_grow_model --help'.\n";
    return recycling::kExitUsage;
  }
  const absl::Status status = recycling::bench::Run(arguments[0], arguments[1]);
  if (status.ok()) return recycling::kExitOk;
  std::cerr << "bench_grow_model: " << status.message() << "\n";
  return absl::IsInvalidArgument(status) ? recycling::kExitUsage : recycling::kExitFailure;
}
