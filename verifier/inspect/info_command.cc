#include <map>
#include <ostream>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "common/tokenizer/tokenizer_check.h"
#include "verifier/inspect/commands.h"
#include "verifier/kv/kv_cache.h"
#include "verifier/model/packed_weights.h"
#include "verifier/model/tokenizer_data.h"
#include "verifier/model/weights.h"

namespace recycling::verifier {
namespace {

std::string Megabytes(double bytes) { return absl::StrFormat("%.2f MB", bytes / 1e6); }
std::string Millions(std::uint64_t values) {
  return absl::StrFormat("%.2f M", static_cast<double>(values) / 1e6);
}

// The name of a tensor without the number of its layer: "blk.7.attn_q.weight" gives
// "blk.*.attn_q.weight".
std::string KindOf(const std::string& name) {
  constexpr std::size_t kPrefix = 4;  // "blk."
  const std::size_t end = name.find('.', kPrefix);
  if (name.compare(0, kPrefix, "blk.") != 0 || end == std::string::npos) return name;
  return absl::StrCat("blk.*", name.substr(end));
}

// What is known of a file, and why the verifier cannot serve it.
struct Facts {
  absl::StatusOr<ModelConfig> config;
  absl::StatusOr<Weights> weights;
  absl::StatusOr<TokenizerData> tokenizer;
  std::vector<std::string> reasons;
};

Facts FactsOf(const GgufFile& file, const ServingPlan& plan) {
  Facts facts = {ReadModelConfig(file),
                 absl::UnknownError(""),
                 ReadTokenizerData(file, plan.pretokenizer),
                 {}};
  const auto must = [&](const absl::Status& status) {
    if (!status.ok()) facts.reasons.emplace_back(status.message());
  };
  must(facts.config.status());
  if (facts.config.ok()) {
    facts.weights = ReadWeights(file, *facts.config);
  }
  must(facts.tokenizer.status());
  if (facts.tokenizer.ok()) {
    must(CheckTokenizerData(*facts.tokenizer));
    const absl::Status known = CheckKnownTokenizer(*facts.tokenizer);
    must(known);
    if (!known.ok() && facts.tokenizer->model == "gpt2") {
      facts.reasons.back() += ". --pretokenizer sets another one";
    }
  }
  // ReadWeights stops at the first tensor that it refuses. This names one tensor of each type that
  // is not supported, so that its error would be a repetition.
  std::map<std::string, std::pair<std::string, int>> unsupported;
  for (const auto& [name, tensor] : file.tensors()) {
    if (tensor.type->supported) continue;
    const auto at = unsupported.try_emplace(std::string(tensor.type->name), name, 0).first;
    ++at->second.second;
  }
  for (const auto& [type, of] : unsupported) {
    const std::string reason =
        absl::StrCat(of.second, of.second == 1 ? " tensor has" : " tensors have", " type ", type,
                     ", which is not supported, the first one is ", absl::Utf8SafeCEscape(of.first),
                     "; expected ", SupportedTensorTypes());
    facts.reasons.push_back(reason);
  }
  if (facts.config.ok() && unsupported.empty()) must(facts.weights.status());
  return facts;
}

void PrintModel(const GgufFile& file, const Facts& facts, std::ostream& out) {
  std::uint64_t parameters = 0;
  for (const auto& [name, tensor] : file.tensors()) parameters += tensor.values();
  const auto architecture = file.String("general.architecture");
  const bool named = architecture.ok() && architecture->has_value();
  out << "\nmodel\n  architecture    " << (named ? absl::Utf8SafeCEscape(**architecture) : "none")
      << "\n  parameters      " << Millions(parameters) << "\n";
  if (facts.config.ok()) {
    const ModelConfig& c = *facts.config;
    out << "  context         " << c.context_length << " tokens\n";
    if (c.experts != 0) {
      out << "  experts         " << c.experts << ", of which a token uses " << c.experts_used
          << "\n";
    }
    if (c.window != 0) out << "  window          " << c.window << " tokens in some layers\n";
  }
  out << "  tokenizer       ";
  if (facts.tokenizer.ok()) {
    const TokenizerData& data = *facts.tokenizer;
    out << absl::Utf8SafeCEscape(data.model) << ", " << data.tokens.size() << " tokens";
    if (!data.pre.empty()) out << ", pre-tokenizer " << absl::Utf8SafeCEscape(data.pre);
  } else {
    out << "none";
  }
  const auto chat = file.String("tokenizer.chat_template");
  out << "\n  chat template   "
      << (chat.ok() && chat->has_value() ? absl::StrCat("yes, ", (*chat)->size(), " bytes") : "no")
      << "\n";
}

void PrintFormats(const GgufFile& file, std::ostream& out) {
  std::map<std::string, std::map<std::string, std::uint64_t>> kinds;
  for (const auto& [name, tensor] : file.tensors()) {
    kinds[KindOf(name)][std::string(tensor.type->name)] += tensor.values();
  }
  out << "\nnumber formats\n";
  for (const auto& [kind, types] : kinds) {
    out << absl::StrFormat("  %-32s ", absl::Utf8SafeCEscape(kind))
        << absl::StrJoin(types, ", ",
                         [](std::string* text, const auto& type) {
                           absl::StrAppend(text, type.first, " ", Millions(type.second));
                         })
        << "\n";
  }
}

void PrintMemory(const GgufFile& file, const Facts& facts, const ServingPlan& plan,
                 std::ostream& out) {
  std::uint64_t tensors = 0;
  for (const auto& [name, tensor] : file.tensors()) tensors += tensor.bytes.size();
  out << "\nmemory\n  file, mapped           " << Megabytes(static_cast<double>(file.size()));
  if (file.shards().size() > 1) out << " in " << file.shards().size() << " shards";
  out << "\n  tensors in it          " << Megabytes(static_cast<double>(tensors)) << "\n";
  if (!facts.weights.ok()) return;  // the numbers of the configuration may then be absurd
  const auto packed = PackedWeights::Bytes(*facts.weights, MatMulKernel::For(BestInstructionSet()));
  if (packed.ok()) {
    out << "  packed weights         " << Megabytes(static_cast<double>(*packed)) << "\n";
  }
  const std::uint32_t context =
      plan.context_length != 0 ? plan.context_length : facts.config->context_length;
  for (const auto& [type, name] : {std::pair(KvType::kF16, "f16"), {KvType::kF32, "f32"}}) {
    const KvLayout layout = KvLayout::Of(*facts.config, type);
    out << absl::StrFormat(
        "  keys and values, %s   %d bytes a token, %s for %d sequences of %d tokens\n", name,
        layout.token_bytes(),
        Megabytes(static_cast<double>(KvCache::AllBytes(layout, context, plan.max_sequences))),
        plan.max_sequences, context);
  }
}

}  // namespace

void PrintInfo(const GgufFile& file, const std::string& path, const ServingPlan& plan,
               std::ostream& out) {
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
  const Facts facts = FactsOf(file, plan);
  PrintModel(file, facts, out);
  PrintFormats(file, out);
  PrintMemory(file, facts, plan, out);
  out << "\ncan be served: " << (facts.reasons.empty() ? "yes" : "no") << "\n";
  for (const std::string& reason : facts.reasons) out << "  " << reason << "\n";
}

}  // namespace recycling::verifier
