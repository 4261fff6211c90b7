// A model file, checked and ready: configuration, weights, tokenizer data, identity. Immutable.
#ifndef RECYCLING_VERIFIER_MODEL_H_
#define RECYCLING_VERIFIER_MODEL_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/model_identity.h"
#include "common/tokenizer/tokenizer.h"
#include "verifier/model_config.h"  // ModelConfig: dimensions, epsilon, RoPE; every default documented there
#include "verifier/weights.h"  // Weights: views into the mapped file, shapes beside each

namespace recycling::verifier {

// Threads: immutable after Load; all methods may be called from any thread.
class Model {
 public:
  // Maps and checks the file at `path`. NotFound / PermissionDenied if it cannot be opened,
  // DataLoss if it is not a whole GGUF v3 file or contradicts itself, Unimplemented (by name) for
  // an architecture, rope scaling or tensor type that is not supported. The file must not change
  // while the Model lives.
  static absl::StatusOr<std::shared_ptr<const Model>> Load(const std::string& path);

  virtual ~Model() = default;

  virtual const ModelConfig& config() const = 0;
  virtual const Weights& weights() const = 0;
  virtual const TokenizerData& tokenizer_data() const = 0;
  // model_id is the file's name and the first 16 hex digits of its SHA-256.
  virtual const ModelIdentity& identity() const = 0;
  // SHA-256 of the whole file, 64 hex digits; part of the numerics id.
  virtual const std::string& file_digest() const = 0;
  // One line for people: architecture, parameter count, tensor types.
  virtual std::string Description() const = 0;
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_MODEL_H_
