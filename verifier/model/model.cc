#include "verifier/model/model.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "common/base/status_macros.h"
#include "common/tokenizer/tokenizer_check.h"
#include "verifier/model/sha256.h"
#include "verifier/model/tokenizer_data.h"

namespace recycling::verifier {
namespace {

constexpr std::size_t kLargeFile = std::size_t{1} << 20;

// The SHA-256 of a file, or of its shards one after the other. Gives the memory of what it has read
// back to the system.
std::string Digest(const GgufFile& file) {
  constexpr std::size_t kPiece = std::size_t{4} << 20;
  Sha256 sha256;
  for (const std::span<const std::byte> shard : file.shards()) {
    for (std::size_t at = 0; at < shard.size(); at += kPiece) {
      const auto piece = shard.subspan(at, std::min(kPiece, shard.size() - at));
      sha256.Add(piece);
      file.DropPages(piece);
    }
  }
  return sha256.Hex();
}

// Replaces every byte that is not printable ASCII with '_', because messages must be UTF-8.
std::string Printable(std::string name) {
  for (char& c : name) {
    if (c < ' ' || c > '~') c = '_';
  }
  return name;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Model>> Model::Load(const std::string& path,
                                                         const std::string& pretokenizer) {
  ASSIGN_OR_RETURN(auto file, GgufFile::Open(path));
  auto model = FromFile(std::move(file), std::filesystem::path(path).filename().string(),
                        Architectures(), pretokenizer);
  if (model.ok()) return model;
  return absl::Status(model.status().code(), absl::StrCat(path, ": ", model.status().message()));
}

absl::StatusOr<std::shared_ptr<const Model>> Model::FromFile(
    std::unique_ptr<const GgufFile> file, const std::string& name,
    std::span<const Architecture> architectures, const std::string& pretokenizer) {
  std::shared_ptr<Model> model(new Model());
  ASSIGN_OR_RETURN(model->config_, ReadModelConfig(*file, architectures));
  ASSIGN_OR_RETURN(model->weights_, ReadWeights(*file, model->config_));
  ASSIGN_OR_RETURN(model->tokenizer_data_, ReadTokenizerData(*file, pretokenizer));
  if (const absl::Status status = CheckTokenizerData(model->tokenizer_data_); !status.ok()) {
    return absl::DataLossError(status.message());
  }
  ASSIGN_OR_RETURN(const std::optional<std::string> chat_template,
                   file->String("tokenizer.chat_template"));
  model->chat_template_ = chat_template.value_or("");
  model->file_ = std::move(file);
  ModelIdentity identity = {.vocab_size = model->config_.vocab_size,
                            .tokenizer_digest = TokenizerDigest(model->tokenizer_data_)};
  // A small file is not worth a thread. If the system refuses a thread, `async` does without.
  const bool small = model->file_->size() < kLargeFile;
  const auto policy = small ? std::launch::deferred : std::launch::async | std::launch::deferred;
  model->digested_ =
      std::async(policy, [identity, file = model->file_.get(), name = name.substr(0, 200)] {
        Digested digested = {.file_digest = Digest(*file), .identity = identity};
        digested.identity.model_id =
            absl::StrCat(Printable(name), "-", digested.file_digest.substr(0, 16));
        return digested;
      }).share();
  return model;
}

std::uint64_t Model::parameters() const {
  std::uint64_t parameters = 0;
  for (const auto& [name, tensor] : file_->tensors()) parameters += tensor.values();
  return parameters;
}

std::string Model::Description() const {
  std::map<std::string, std::uint64_t> by_type;
  for (const auto& [name, tensor] : file_->tensors()) {
    by_type[std::string(tensor.type->name)] += tensor.values();
  }
  std::vector<std::string> types;
  for (const auto& [type, values] : by_type) {
    types.push_back(absl::StrFormat("%s %.2f M", type, static_cast<double>(values) / 1e6));
  }
  return absl::StrFormat(
      "%s, %.2f M parameters (%s), context %d", std::string(config_.architecture.name),
      static_cast<double>(parameters()) / 1e6, absl::StrJoin(types, ", "), config_.context_length);
}

}  // namespace recycling::verifier
