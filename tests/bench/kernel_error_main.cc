// bench_kernel_error: measures the error of each kernel's logits. Prints one JSON object.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/program/program.h"
#include "tests/bench/kernel_choice.h"
#include "tests/doubles/tiny_model.h"
#include "tests/verifier/forward/golden_files.h"
#include "tests/verifier/kernels/software_amx.h"
#include "verifier/forward/transformer.h"
#include "verifier/kernels/tensor_type.h"

ABSL_FLAG(std::string, goldens, "",
          "Folder of goldens: files NAME.json and NAME.logits.f32, where NAME is the name of the "
          "model, a dot and more text. Empty: none.");
ABSL_FLAG(
    std::string, models, "",
    "Folder with the models of the goldens, MODEL.gguf, or the file of one model for all goldens.");
ABSL_FLAG(bool, outliers, true, "Also measure random models whose activations have outliers.");
ABSL_FLAG(
    bool, amx_in_software, false,
    "Also measure the AMX kernel with a software version of its tiles. This works on any machine.");
ABSL_FLAG(bool, list, false, "Only list the kernels of this machine.");
ABSL_FLAG(int, threads, 2, "Threads of a pass.");

namespace recycling::bench {
namespace {

using verifier::TensorType;

constexpr char kAmxInSoftware[] = "amx in software";

std::vector<std::string> MeasuredKernels() {
  std::vector<std::string> kernels = Kernels();
  if (absl::GetFlag(FLAGS_amx_in_software)) kernels.emplace_back(kAmxInSoftware);
  return kernels;
}

// The logits of every position of `ids`.
absl::StatusOr<std::vector<float>> Logits(const std::shared_ptr<const verifier::Model>& model,
                                          const std::string& kernel,
                                          const std::vector<TokenId>& ids) {
  verifier::TransformerOptions options = {.threads = absl::GetFlag(FLAGS_threads),
                                          .max_rows = static_cast<int>(ids.size())};
  if (kernel == kAmxInSoftware) {
    options.matmul_kernels = {&verifier::PlainAmxKernel()};
  } else {
    RETURN_IF_ERROR(ChooseKernel(kernel, options));
  }
  ASSIGN_OR_RETURN(const auto transformer, verifier::Transformer::Create(model, options));
  ASSIGN_OR_RETURN(const auto cache, verifier::KvCache::Create(model->config(), options.kv_type,
                                                               transformer->context_length(), 1));
  ASSIGN_OR_RETURN(const auto sequence, cache->Open());
  std::vector<std::int32_t> parents(ids.size());
  std::iota(parents.begin(), parents.end(), -1);
  std::vector<int> rows(ids.size());
  std::iota(rows.begin(), rows.end(), 0);
  const verifier::Segment segment = {
      .kv = sequence.get(), .tokens = ids, .parents = parents, .logit_rows = rows};
  RETURN_IF_ERROR(transformer->Forward({&segment, 1}, nullptr));
  std::vector<float> logits;
  for (const int row : rows) {
    const auto of_row = transformer->logits(row);
    logits.insert(logits.end(), of_row.begin(), of_row.end());
  }
  return logits;
}

// The largest difference, divided by the largest expected magnitude.
double RelativeError(const std::vector<float>& got, const std::vector<float>& expected) {
  double scale = 0;
  double difference = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    scale = std::max(scale, std::fabs(double{expected[i]}));
    const double one = std::fabs(double{got[i]} - double{expected[i]});
    if (!(one <= difference)) difference = one;  // also true for a NaN
  }
  return difference / scale;
}

// The largest error of a kernel on one model, and the number of prompts that were compared.
struct Worst {
  int prompts = 0;
  double error = 0;
};

nlohmann::json ToJson(const std::map<std::string, Worst>& errors) {
  nlohmann::json json = nlohmann::json::object();
  for (const auto& [name, worst] : errors) {
    json[name] = {{"prompts", worst.prompts}, {"error", worst.error}};
  }
  return json;
}

void Add(Worst& worst, double error) {
  ++worst.prompts;
  if (!(error <= worst.error)) worst.error = error;
}

// The errors against the logits of the goldens, by the name of the model.
absl::StatusOr<std::map<std::string, Worst>> GoldenErrors(const std::string& kernel) {
  std::map<std::string, Worst> errors;
  const std::filesystem::path models = absl::GetFlag(FLAGS_models);
  for (const auto& golden : verifier::ReadGoldens(absl::GetFlag(FLAGS_goldens), "")) {
    const bool one = std::filesystem::is_regular_file(models);
    const std::string name =
        one ? models.stem().string() : golden.name.substr(0, golden.name.rfind('.'));
    const std::filesystem::path path = one ? models : models / (name + ".gguf");
    if (!std::filesystem::exists(path)) continue;
    ASSIGN_OR_RETURN(const auto model, verifier::Model::Load(path));
    ASSIGN_OR_RETURN(const auto logits, Logits(model, kernel, golden.ids));
    if (logits.size() != golden.logits.size()) {
      return absl::DataLossError(absl::StrCat(golden.name, ": got ", golden.logits.size(),
                                              " logits, expected ", logits.size()));
    }
    Add(errors[name], RelativeError(logits, golden.logits));
  }
  return errors;
}

// A random model in which one of 64 input channels of every projection is an outlier.
absl::StatusOr<std::shared_ptr<const verifier::Model>> OutlierModel(TensorType type,
                                                                    std::string& bytes) {
  doubles::TinyModelSpec spec;
  spec.vocab_size = 512;
  spec.hidden_size = 256;
  spec.layers = 4;
  spec.key_length = 32;
  spec.value_length = 32;
  spec.heads_per_group = 4;
  spec.feed_forward = 768;
  spec.matrix_type = static_cast<std::uint32_t>(type);
  spec.outlier_every = 64;
  bytes = doubles::TinyModelBytes(spec);
  ASSIGN_OR_RETURN(auto file,
                   verifier::GgufFile::Parse(std::as_bytes(std::span<const char>(bytes))));
  return verifier::Model::FromFile(std::move(file), "outliers");
}

// The errors against the exact arithmetic, by tensor type.
absl::StatusOr<std::map<std::string, Worst>> OutlierErrors(const std::string& kernel) {
  constexpr int kPrompts = 4;
  constexpr std::size_t kTokens = 64;
  std::map<std::string, Worst> errors;
  for (const TensorType type : {TensorType::kF32, TensorType::kF16, TensorType::kBF16,
                                TensorType::kQ8_0, TensorType::kQ4_0}) {
    std::string bytes;
    ASSIGN_OR_RETURN(const auto model, OutlierModel(type, bytes));
    for (unsigned prompt = 0; prompt < kPrompts; ++prompt) {
      std::vector<TokenId> ids(kTokens);
      for (unsigned i = 0; i < kTokens; ++i) ids[i] = (17 + 131 * prompt + 97 * i * (i + 1)) % 512;
      ASSIGN_OR_RETURN(const auto expected, Logits(model, kExact, ids));
      ASSIGN_OR_RETURN(const auto got, Logits(model, kernel, ids));
      Add(errors[std::string(verifier::InfoOf(type).name)], RelativeError(got, expected));
    }
  }
  return errors;
}

absl::StatusOr<nlohmann::json> Measure() {
  if (absl::GetFlag(FLAGS_list)) return nlohmann::json{{"kernels", Kernels()}};
  nlohmann::json kernels = nlohmann::json::array();
  for (const std::string& kernel : MeasuredKernels()) {
    ASSIGN_OR_RETURN(const auto goldens, GoldenErrors(kernel));
    std::map<std::string, Worst> outliers;
    if (absl::GetFlag(FLAGS_outliers)) {
      ASSIGN_OR_RETURN(outliers, OutlierErrors(kernel));
    }
    kernels.push_back(
        {{"kernel", kernel}, {"goldens", ToJson(goldens)}, {"outliers", ToJson(outliers)}});
  }
  return nlohmann::json{{"kernels", kernels}};
}

}  // namespace
}  // namespace recycling::bench

int main(int argc, char** argv) {
  const std::vector<std::string> arguments = recycling::ParseProgramFlags(
      argc, argv,
      {.name = "bench_kernel_error",
       .summary =
           "Compares the logits of every kernel of this machine with goldens. On random models "
           "whose activations have outliers, compares them with the logits of the exact "
           "arithmetic. The error is the largest difference divided by the largest logit of a "
           "prompt.",
       .examples = "  bench_kernel_error --goldens shared/goldens --models shared/models\n"});
  if (!arguments.empty()) {
    std::cerr << "bench_kernel_error: got \"" << arguments[0] << "\", expected flags only\n";
    return recycling::kExitUsage;
  }
  const auto result = recycling::bench::Measure();
  if (!result.ok()) {
    std::cerr << "bench_kernel_error: " << result.status().message() << "\n";
    return recycling::kExitFailure;
  }
  std::cout << result->dump() << std::endl;
  return recycling::kExitOk;
}
