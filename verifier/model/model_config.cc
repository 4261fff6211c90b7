#include "verifier/model/model_config.h"

#include <algorithm>
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
// Each expert costs memory and time even if its matrices are tiny. Known models have up to 512.
constexpr std::uint32_t kMaxExperts = 1024;

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

// Reads a factor in [1e-6, 1e6]; `fallback` if the key is absent. So no product of a few factors
// leaves the range of a float.
absl::StatusOr<double> ReadFactor(const GgufFile& file, const std::string& key, double fallback,
                                  double low = 1e-6) {
  ASSIGN_OR_RETURN(const std::optional<double> read, file.Float(key));
  const double number = read.value_or(fallback);
  if (!(number >= low && number <= 1e6)) {  // also if it is NaN
    return absl::DataLossError(
        absl::StrCat("GGUF: ", key, ": got ", number, ", expected ", low, " to 1e6"));
  }
  return number;
}

// Reads the soft cap at `key`. `fallback` is that of the architecture.
absl::StatusOr<float> ReadSoftCap(const GgufFile& file, const std::string& key,
                                  const std::optional<float>& fallback) {
  ASSIGN_OR_RETURN(const std::optional<double> cap, file.Float(key));
  if (!cap) return fallback.value_or(0);
  if (*cap == 0) return 0.0F;
  if (!fallback) {
    return absl::UnimplementedError(absl::StrCat(
        key, ": got ", *cap, ", expected 0, because the architecture has no such soft cap"));
  }
  ASSIGN_OR_RETURN(const double number, ReadFactor(file, key, 0));
  return static_cast<float>(number);
}

absl::StatusOr<RopeScaling> ReadRopeScaling(const GgufFile& file, const std::string& prefix,
                                            const ModelConfig& config) {
  RopeScaling scaling;
  const std::string rope = prefix + "rope.scaling.";
  ASSIGN_OR_RETURN(const auto read_type, file.String(rope + "type"));
  const std::string type(read_type.value_or("linear"));
  const bool yarn = type == "yarn";
  const bool by_length = config.architecture.frequency_factors == FrequencyFactors::kShortOrLong;
  if (type != "none" && type != "linear" && !yarn && !(by_length && type == "longrope")) {
    return absl::UnimplementedError(
        absl::StrCat("rope scaling \"", absl::CEscape(type),
                     "\" is not supported, expected \"none\", \"linear\" or \"yarn\"",
                     by_length ? " or \"longrope\"" : ""));
  }
  if (yarn) scaling.kind = RopeScaling::Kind::kYarn;
  ASSIGN_OR_RETURN(const double linear, ReadFactor(file, prefix + "rope.scale_linear", 1));
  ASSIGN_OR_RETURN(const double factor, ReadFactor(file, rope + "factor", linear));
  if (type == "linear" || yarn) scaling.factor = factor;
  ASSIGN_OR_RETURN(scaling.original_context,
                   ReadCount(file, rope + "original_context_length", config.context_length));
  ASSIGN_OR_RETURN(scaling.beta_slow, ReadFactor(file, rope + "yarn_beta_slow", 1));
  ASSIGN_OR_RETURN(scaling.beta_fast, ReadFactor(file, rope + "yarn_beta_fast", 32));
  if (scaling.beta_fast <= scaling.beta_slow) {
    return absl::DataLossError(absl::StrCat("GGUF: ", rope, "yarn_beta_fast: got ",
                                            scaling.beta_fast, ", expected more than ",
                                            scaling.beta_slow, ", which is yarn_beta_slow"));
  }
  ASSIGN_OR_RETURN(scaling.magnitude, ReadFactor(file, rope + "attn_factor", 1));
  ASSIGN_OR_RETURN(const double multiplier, ReadFactor(file, rope + "yarn_log_multiplier", 0, 0));
  if (yarn && scaling.factor > 1) {
    const double log = 0.1 * std::log(scaling.factor);
    scaling.magnitude *= (log + 1) / (multiplier * log + 1);
  }
  return scaling;
}

// Reads the numbers of experts, and the width of an expert.
absl::Status ReadMixture(const GgufFile& file, const std::string& prefix, ModelConfig& config) {
  ASSIGN_OR_RETURN(const auto experts, file.Uint32(prefix + "expert_count"));
  const Mixture mixture = config.architecture.mixture;
  if (experts.value_or(0) == 0 && mixture != Mixture::kRequired) return absl::OkStatus();
  if (mixture == Mixture::kNone) {
    return absl::UnimplementedError(absl::StrCat(
        prefix, "expert_count: got ", *experts, ", expected 0, because architecture \"",
        std::string(config.architecture.name), "\" has no experts"));
  }
  ASSIGN_OR_RETURN(config.experts, ReadCount(file, prefix + "expert_count"));
  if (config.experts > kMaxExperts) {
    return absl::DataLossError(absl::StrCat("GGUF: ", prefix, "expert_count: got ", config.experts,
                                            ", expected at most ", kMaxExperts));
  }
  ASSIGN_OR_RETURN(config.experts_used, ReadCount(file, prefix + "expert_used_count"));
  if (config.experts_used > config.experts) {
    return absl::DataLossError(absl::StrCat("GGUF: ", prefix, "expert_used_count: got ",
                                            config.experts_used, ", expected at most ",
                                            config.experts, ", which is expert_count"));
  }
  ASSIGN_OR_RETURN(config.feed_forward,
                   ReadCount(file, prefix + "expert_feed_forward_length", config.feed_forward));
  return absl::OkStatus();
}

// Reads which layers have a window: a number (Architecture::window_pattern), or a boolean for each
// layer, which must follow from such a number.
absl::StatusOr<std::uint32_t> ReadWindowPattern(const GgufFile& file, const std::string& key,
                                                const ModelConfig& config) {
  const auto value = file.values().find(key);
  if (value == file.values().end() || value->second.type != GgufValueType::kArray) {
    return ReadCount(file, key, config.architecture.window_pattern);
  }
  const std::span<const std::byte> windows = value->second.bytes;
  if (value->second.element_type != GgufValueType::kBool || windows.size() != config.layers) {
    return absl::DataLossError(absl::StrCat("GGUF: ", key, ": got an array of ",
                                            value->second.count, " values, expected ",
                                            config.layers, " booleans, one for each layer"));
  }
  // The number is that of the first layer without a window, counted from 1.
  const auto first = std::find(windows.begin(), windows.end(), std::byte{0}) - windows.begin();
  const auto pattern = static_cast<std::uint32_t>(first) + 1;
  for (std::uint32_t layer = 0; layer < config.layers; ++layer) {
    const bool window = layer % pattern + 1 < pattern;
    if (window == (windows[layer] != std::byte{0})) continue;
    return absl::UnimplementedError(
        absl::StrCat("GGUF: ", key, ": layer ", layer, window ? " has no window" : " has a window",
                     ", expected the same windows in each group of ", pattern, " layers"));
  }
  return pattern;
}

absl::Status ReadWindow(const GgufFile& file, const std::string& prefix, ModelConfig& config) {
  const Architecture& architecture = config.architecture;
  const std::string key = prefix + "attention.sliding_window";
  if (architecture.window_pattern == 0) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::optional<std::uint32_t> window, file.Uint32(key));
  if (!window && architecture.default_window == 0) return absl::OkStatus();
  ASSIGN_OR_RETURN(config.window, ReadCount(file, key, architecture.default_window));
  ASSIGN_OR_RETURN(config.window_pattern, ReadWindowPattern(file, key + "_pattern", config));
  const double base = architecture.window_freq_base;
  ASSIGN_OR_RETURN(
      config.window_freq_base,
      ReadNumber(file, prefix + "rope.freq_base_swa", base != 0 ? base : config.rope_freq_base, 1));
  return absl::OkStatus();
}

// Reads the scales and the soft caps that the architecture has.
absl::Status ReadScales(const GgufFile& file, const std::string& prefix, ModelConfig& config) {
  const Architecture& architecture = config.architecture;
  if (architecture.scaled_embedding) {
    config.embedding_scale = std::sqrt(static_cast<float>(config.hidden_size));
  }
  if (config.layers == architecture.hidden_scale_layers) {
    config.attention_scale =
        1.0F / std::sqrt(static_cast<float>(config.hidden_size) / static_cast<float>(config.heads));
  }
  if (architecture.has_scales) {
    const auto read = [&](const char* key, float fallback) -> absl::StatusOr<float> {
      ASSIGN_OR_RETURN(const double number, ReadFactor(file, prefix + key, fallback));
      return static_cast<float>(number);
    };
    ASSIGN_OR_RETURN(config.embedding_scale, read("embedding_scale", config.embedding_scale));
    ASSIGN_OR_RETURN(config.residual_scale, read("residual_scale", 1));
    ASSIGN_OR_RETURN(config.logit_divisor, read("logit_scale", 1));
    ASSIGN_OR_RETURN(
        config.attention_scale,
        read("attention.scale", 1.0F / std::sqrt(static_cast<float>(config.key_length))));
  }
  ASSIGN_OR_RETURN(config.score_soft_cap, ReadSoftCap(file, prefix + "attn_logit_softcapping",
                                                      architecture.score_soft_cap));
  ASSIGN_OR_RETURN(config.logit_soft_cap, ReadSoftCap(file, prefix + "final_logit_softcapping",
                                                      architecture.logit_soft_cap));
  if (architecture.has_temperature) {
    ASSIGN_OR_RETURN(config.temperature_scale,
                     ReadFactor(file, prefix + "attention.temperature_scale", 0, 0));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ModelConfig> ReadModelConfig(const GgufFile& file,
                                            std::span<const Architecture> architectures) {
  ModelConfig config;
  ASSIGN_OR_RETURN(config.architecture, ReadArchitecture(file, architectures));
  const std::string prefix = absl::StrCat(std::string(config.architecture.name), ".");
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
  ASSIGN_OR_RETURN(config.rope_scaling, ReadRopeScaling(file, prefix, config));
  RETURN_IF_ERROR(ReadMixture(file, prefix, config));
  RETURN_IF_ERROR(ReadScales(file, prefix, config));
  RETURN_IF_ERROR(ReadWindow(file, prefix, config));
  return config;
}

}  // namespace recycling::verifier
