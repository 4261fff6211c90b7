#include <ostream>

#include "absl/strings/escaping.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "verifier/inspect/commands.h"
#include "verifier/kv/kv_rows.h"
#include "verifier/model/weights.h"

namespace recycling::verifier {
namespace {

std::string Megabytes(double bytes) { return absl::StrFormat("%.2f MB", bytes / 1e6); }

void PrintMemory(const GgufFile& file, std::ostream& out) {
  std::uint64_t tensors = 0;
  for (const auto& [name, tensor] : file.tensors()) tensors += tensor.bytes.size();
  out << "\nmemory\n  file, mapped              "
      << Megabytes(static_cast<double>(file.bytes().size())) << "\n  tensors in it             "
      << Megabytes(static_cast<double>(tensors)) << "\n";
  const auto config = ReadModelConfig(file);
  if (!config.ok()) return;
  for (const auto& [type, name] : {std::pair(KvType::kF32, "f32"), {KvType::kF16, "f16"}}) {
    const auto token = static_cast<double>(KvLayout::Of(*config, type).token_bytes());
    out << absl::StrFormat("  keys and values, %s      %.0f bytes a token, %s for %d tokens\n",
                           name, token, Megabytes(token * config->context_length),
                           config->context_length);
  }
}

absl::Status CheckRunnable(const GgufFile& file) {
  const auto config = ReadModelConfig(file);
  return config.ok() ? ReadWeights(file, *config).status() : config.status();
}

}  // namespace

void PrintInfo(const GgufFile& file, const std::string& path, std::ostream& out) {
  constexpr std::size_t kShown = 100;
  out << path << "\n\nmetadata, " << file.values().size() << " values\n";
  for (const auto& [key, value] : file.values()) {
    out << "  " << absl::Utf8SafeCEscape(key) << " = " << GgufValueText(value, kShown) << "\n";
  }
  out << "\ntensors, " << file.tensors().size() << "\n";
  for (const auto& [name, tensor] : file.tensors()) {
    out << absl::StrFormat("  %-28s %-5s %12d bytes  [%s]\n", absl::Utf8SafeCEscape(name),
                           std::string(tensor.type->name), tensor.bytes.size(),
                           absl::StrJoin(tensor.shape, ", "));
  }
  PrintMemory(file, out);
  const absl::Status runnable = CheckRunnable(file);
  out << "\ncan be served: " << (runnable.ok() ? "yes" : "no, " + std::string(runnable.message()))
      << "\n";
}

}  // namespace recycling::verifier
