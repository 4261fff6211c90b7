// A model file that was read and checked: configuration, weights, tokenizer data, identity.
// Immutable.
#ifndef RECYCLING_VERIFIER_MODEL_MODEL_H_
#define RECYCLING_VERIFIER_MODEL_MODEL_H_

#include <cstdint>
#include <future>
#include <memory>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "common/decoding/model_identity.h"
#include "common/tokenizer/tokenizer.h"
#include "verifier/model/gguf_file.h"
#include "verifier/model/model_config.h"
#include "verifier/model/weights.h"

namespace recycling::verifier {

// Threads: immutable after Load; all methods may be called from any thread.
//
// Hashing a large file takes about as long as packing its weights, so a thread does it while the
// caller goes on. identity() and file_digest() wait for that thread.
class Model {
 public:
  // Maps and checks the file at `path`, and its other shards if it is the first one. Its
  // architecture must be one of Architectures(). Returns NotFound or PermissionDenied if it cannot
  // open the file, InvalidArgument for a shard that is not the first one and for a pre-tokenizer
  // that the tokenizer does not need, and DataLoss if the file is not a complete GGUF v3 file or is
  // not consistent.
  // Returns Unimplemented for an architecture, rope scaling or tensor type that is not supported;
  // the message names it. The file must not change while the Model exists. `pretokenizer` is that
  // of ReadTokenizerData.
  static absl::StatusOr<std::shared_ptr<const Model>> Load(const std::string& path,
                                                           const std::string& pretokenizer = "");

  // Does the same with a file that was already read. `name` becomes part of the model id. The
  // architecture of the file must be one of `architectures`.
  static absl::StatusOr<std::shared_ptr<const Model>> FromFile(
      std::unique_ptr<const GgufFile> file, const std::string& name,
      std::span<const Architecture> architectures = Architectures(),
      const std::string& pretokenizer = "");

  const ModelConfig& config() const { return config_; }
  const Weights& weights() const { return weights_; }
  const TokenizerData& tokenizer_data() const { return tokenizer_data_; }
  // The chat template of the file, not checked; empty if it has none.
  const std::string& chat_template() const { return chat_template_; }
  // model_id is the file's name (its first 200 bytes), a hyphen and the first 16 hex digits of the
  // file's SHA-256.
  const ModelIdentity& identity() const { return digested_.get().identity; }
  // SHA-256 of the whole file (of all its shards, in order), 64 hex digits; part of the numerics
  // id.
  const std::string& file_digest() const { return digested_.get().file_digest; }
  // Returns the memory of a matrix of weights() to the system. If the matrix is used again, the
  // system reads it from the file.
  void DropPages(const Matrix& matrix) const {
    file_->DropPages({matrix.data, matrix.rows * matrix.row_bytes});
  }
  // The number of values in all tensors.
  std::uint64_t parameters() const;
  // One line for people: architecture, parameter count, tensor types.
  std::string Description() const;

 private:
  struct Digested {
    std::string file_digest;
    ModelIdentity identity;
  };

  Model() = default;

  std::unique_ptr<const GgufFile> file_;
  ModelConfig config_;
  Weights weights_;
  TokenizerData tokenizer_data_;
  std::string chat_template_;
  std::shared_future<Digested> digested_;  // last: its thread uses the file
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_MODEL_MODEL_H_
