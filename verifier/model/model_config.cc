#include "verifier/model/model_config.h"

#include <cmath>
#include <optional>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/status_macros.h"

namespace recycling::verifier {
namespace {

constexpr std::uint32_t kMaxDimension = 1U << 24;

// Reads the count at `key`, in [1, 2^24]. If the key is absent, returns `fallback`, or an error if
// there is no fallback.
absl::StatusOr<std::uint32_t> ReadCount(const GgufFile& file, const std::string& key,
                                        std::optional<std::uint32_t> fallback = std::nullopt) {
  ASSIGN_OR_RETURN(const std::optional<std::uint32_t> read, file.Uint32(key));
  if (!read && !fallback) return absl::DataLossError(absl::StrCat("GGUF: ", key, " is absent"));
  const std::uint32_t count = read ? *read : *fallback;
  if (count == 0 || count > kMaxDimension) {
    return absl::DataLossError(
        absl::StrCat("GGUF: ", key, ": got ", count, ", expected 1 to ", kMaxDimension));
  }
  return count;
}

// Reads a finite number of at least `low`; `fallback` if the key is absent.
absl::StatusOr<double> ReadNumber(const GgufFile& file, const std::string& key, double fallback,
                                  double low) {
  ASSIGN_OR_RETURN(const std::optional<double> read, file.Float(key));
  const double number = read.value_or(fallback);
  if (!std::isfinite(number) || number < low) {
    return absl::DataLossError(
        absl::StrCat("GGUF: ", key, ": got ", number, ", expected at least ", low));
  }
  return number;
}

absl::StatusOr<Architecture> ReadArchitecture(const GgufFile& file,
                                              std::span<const Architecture> architectures) {
  ASSIGN_OR_RETURN(const auto name, file.String("general.architecture"));
  if (!name) return absl::DataLossError("GGUF: general.architecture is absent");
  for (const Architecture& architecture : architectures) {
    if (architecture.name == *name) return architecture;
  }
  const std::string expected =
      absl::StrJoin(architectures, ", ", [](std::string* out, const Architecture& architecture) {
        absl::StrAppend(out, "\"", std::string(architecture.name), "\"");
      });
  return absl::UnimplementedError(absl::StrCat("architecture \"", absl::CEscape(*name),
                                               "\" is not supported, expected ", expected));
}

// Refuses keys that would change the result of the model and that the forward pass does not
// support.
absl::Status RefuseUnsupported(const GgufFile& file, const std::string& prefix) {
  ASSIGN_OR_RETURN(const auto scaling, file.String(prefix + "rope.scaling.type"));
  if (scaling && *scaling != "none") {
    return absl::UnimplementedError(absl::StrCat("rope scaling \"", absl::CEscape(*scaling),
                                                 "\" is not supported, expected \"none\""));
  }
  ASSIGN_OR_RETURN(const auto linear, file.Float(prefix + "rope.scale_linear"));
  if (linear && *linear != 1) {
    return absl::UnimplementedError(
        absl::StrCat(prefix, "rope.scale_linear: got ", *linear, ", only 1 is supported"));
  }
  ASSIGN_OR_RETURN(const auto experts, file.Uint32(prefix + "expert_count"));
  if (experts && *experts != 0) {
    return absl::UnimplementedError(absl::StrCat(prefix, "expert_count: got ", *experts,
                                                 ", mixtures of experts are not supported"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ModelConfig> ReadModelConfig(const GgufFile& file,
                                            std::span<const Architecture> architectures) {
  ModelConfig config;
  ASSIGN_OR_RETURN(config.architecture, ReadArchitecture(file, architectures));
  const std::string prefix = absl::StrCat(std::string(config.architecture.name), ".");
  RETURN_IF_ERROR(RefuseUnsupported(file, prefix));
  const auto tokens = file.values().find("tokenizer.ggml.tokens");
  if (tokens == file.values().end() || tokens->second.type != GgufValueType::kArray) {
    return absl::DataLossError("GGUF: tokenizer.ggml.tokens is absent or not an array");
  }
  if (tokens->second.count == 0 || tokens->second.count > kMaxDimension) {
    return absl::DataLossError(absl::StrCat("GGUF: tokenizer.ggml.tokens: got ",
                                            tokens->second.count, " tokens, expected 1 to ",
                                            kMaxDimension));
  }
  config.vocab_size = static_cast<std::uint32_t>(tokens->second.count);
  ASSIGN_OR_RETURN(config.context_length, ReadCount(file, prefix + "context_length"));
  ASSIGN_OR_RETURN(config.hidden_size, ReadCount(file, prefix + "embedding_length"));
  ASSIGN_OR_RETURN(config.layers, ReadCount(file, prefix + "block_count"));
  ASSIGN_OR_RETURN(config.feed_forward, ReadCount(file, prefix + "feed_forward_length"));
  ASSIGN_OR_RETURN(config.heads, ReadCount(file, prefix + "attention.head_count"));
  ASSIGN_OR_RETURN(config.kv_heads,
                   ReadCount(file, prefix + "attention.head_count_kv", config.heads));
  if (config.heads % config.kv_heads != 0) {
    return absl::DataLossError(absl::StrCat("GGUF: ", prefix, "attention.head_count_kv: got ",
                                            config.kv_heads, ", expected a divisor of ",
                                            config.heads, " heads"));
  }
  const std::uint32_t head_size = config.hidden_size / config.heads;
  ASSIGN_OR_RETURN(config.key_length, ReadCount(file, prefix + "attention.key_length", head_size));
  ASSIGN_OR_RETURN(config.value_length,
                   ReadCount(file, prefix + "attention.value_length", head_size));
  ASSIGN_OR_RETURN(config.rope_dimensions,
                   ReadCount(file, prefix + "rope.dimension_count", config.key_length));
  if (config.rope_dimensions % 2 != 0 || config.rope_dimensions > config.key_length) {
    return absl::DataLossError(
        absl::StrCat("GGUF: ", prefix, "rope.dimension_count: got ", config.rope_dimensions,
                     ", expected an even number of at most ", config.key_length));
  }
  ASSIGN_OR_RETURN(config.rope_freq_base, ReadNumber(file, prefix + "rope.freq_base", 10000, 1));
  ASSIGN_OR_RETURN(const double epsilon,
                   ReadNumber(file, prefix + "attention.layer_norm_rms_epsilon", 1e-5, 0));
  config.rms_epsilon = static_cast<float>(epsilon);
  return config;
}

}  // namespace recycling::verifier
