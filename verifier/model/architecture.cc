#include "verifier/model/architecture.h"

namespace recycling::verifier {

std::span<const Architecture> Architectures() {
  static constexpr Architecture kArchitectures[] = {
      {.name = "llama", .mixture = Mixture::kOptional},  // Mixtral is a llama with a mixture
      {.name = "qwen2", .query_key_value_bias = true, .rotation = Rotation::kHalves},
      {.name = "qwen3", .query_key_norm = QueryKeyNorm::kHead, .rotation = Rotation::kHalves},
      {.name = "qwen3moe",
       .query_key_norm = QueryKeyNorm::kHead,
       .rotation = Rotation::kHalves,
       .mixture = Mixture::kRequired},
      {.name = "gemma2",
       .attention_post_norm = "post_attention_norm",
       .feed_forward_post_norm = "post_ffw_norm",
       .scaled_embedding = true,
       .hidden_scale_layers = 46,
       .window_pattern = 2,
       .default_window = 4096,
       .score_soft_cap = 50.0F,
       .logit_soft_cap = 30.0F,
       .rotation = Rotation::kHalves,
       .activation = Activation::kGeluTanh},
      {.name = "gemma3",
       .attention_post_norm = "post_attention_norm",
       .feed_forward_post_norm = "post_ffw_norm",
       .query_key_norm = QueryKeyNorm::kHead,
       .scaled_embedding = true,
       .hidden_scale_layers = 62,
       .window_pattern = 6,
       .has_window_pattern_key = true,
       .logit_soft_cap = 0.0F,
       .window_freq_base = 10000,
       .rotation = Rotation::kHalves,
       .activation = Activation::kGeluTanh},
      {.name = "phi3",
       .fused_projections = true,
       .rotation = Rotation::kHalves,
       .frequency_factors = FrequencyFactors::kShortOrLong},
      {.name = "smollm3", .unrotated_layer_every = 4},
      {.name = "granite", .has_scales = true},
      {.name = "mistral3", .has_temperature = true},
      {.name = "olmo2",
       .attention_norm = "",
       .attention_post_norm = "post_attention_norm",
       .feed_forward_norm = "",
       .feed_forward_post_norm = "post_ffw_norm",
       .query_key_norm = QueryKeyNorm::kHeads,
       .window_pattern = 4,
       .rotation = Rotation::kHalves},
  };
  return kArchitectures;
}

}  // namespace recycling::verifier
