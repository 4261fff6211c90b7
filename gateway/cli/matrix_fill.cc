#include "gateway/cli/matrix_fill.h"

#include <openssl/sha.h>

#include <algorithm>
#include <optional>
#include <span>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/check_range.h"
#include "common/base/retry_delay.h"
#include "common/base/status_macros.h"
#include "common/rpc/proto_convert.h"
#include "common/rpc/protocol_version.h"
#include "common/rpc/status_grpc.h"
#include "common/rpc/tokenizer_proto.h"
#include "gateway/cli/client.h"

namespace recycling::cli {
namespace {

namespace pb = verifier::v1;

// A tree has at most this many tokens. More of them would hardly be faster, and other sequences
// that share the pass would wait longer.
constexpr std::uint32_t kMostNodes = 64;
constexpr std::uint32_t kMostK = 64;
// If no row comes for this long, the verifier has no room.
constexpr absl::Duration kLongestWait = absl::Minutes(1);
constexpr absl::Duration kWait = absl::Milliseconds(500);

absl::Status Malformed(const char* call, const absl::Status& status) {
  return absl::InternalError(absl::StrCat(call, ": ", status.message()));
}

absl::Status CheckHandshake(const pb::HandshakeResponse& info, const ModelIdentity& model) {
  RETURN_IF_ERROR(CheckProtocolVersion(info.protocol_version()));
  if (info.max_tree_nodes() == 0 || info.context_length() < 2) {
    return absl::FailedPreconditionError(absl::StrCat(
        "got a verifier with max_tree_nodes ", info.max_tree_nodes(), " and context length ",
        info.context_length(), ", expected at least 1 and 2, because trees carry the tokens"));
  }
  absl::Status status = ValidateModelIdentity(model);
  status.Update(CheckRange("k", info.k(), 1, std::min(kMostK, model.vocab_size)));
  return status.ok() ? status : Malformed("handshake", status);
}

class Filler {
 public:
  Filler(pb::VerifierService::Stub& stub, absl::Duration timeout)
      : stub_(stub), timeout_(timeout) {}

  absl::Status Begin() {
    {
      InterruptibleCall call(timeout_);
      RETURN_IF_ERROR(FromGrpcStatus(stub_.Handshake(call.context(), {}, &info_)));
    }
    matrix_.model = ModelIdentityFromProto(info_.model());
    matrix_.k = info_.k();
    RETURN_IF_ERROR(CheckHandshake(info_, matrix_.model));
    ASSIGN_OR_RETURN(const TokenId first, FirstToken());
    pb::OpenSequence& open = *request_.mutable_open();
    open.add_prompt_ids(first);
    open.mutable_sampling()->set_max_tokens(2);  // a token of the tree, and the one after it
    open.set_want_candidates(true);
    *open.mutable_model() = info_.model();
    open.set_numerics_id(info_.numerics_id());
    request_.mutable_verify()->mutable_tree()->set_base(1);
    request_.mutable_verify()->mutable_tree()->set_root(first);
    return absl::OkStatus();
  }

  std::uint32_t done() const {
    return static_cast<std::uint32_t>(matrix_.ids.size() / std::max(matrix_.k, 1U));
  }
  std::uint32_t all() const { return matrix_.model.vocab_size; }

  // Adds the rows of the next tokens. Returns how many there were: 0 if the pass had no room for
  // any of them.
  absl::StatusOr<std::uint32_t> Step() {
    const std::uint32_t first = done();
    const std::uint32_t nodes =
        std::min({kMostNodes, info_.max_tree_nodes(), matrix_.model.vocab_size - first});
    common::v1::DraftTree& tree = *request_.mutable_verify()->mutable_tree();
    tree.clear_tokens();
    for (std::uint32_t i = 0; i < nodes; ++i) tree.add_tokens(first + i);
    tree.mutable_parents()->Clear();
    tree.mutable_parents()->Resize(static_cast<int>(nodes), 0);  // children of the root
    pb::VerifyResponse response;
    {
      InterruptibleCall call(timeout_);
      RETURN_IF_ERROR(FromGrpcStatus(stub_.Verify(call.context(), request_, &response)));
    }
    const pb::StepVerified& verified = response.verified();
    const std::uint32_t got = verified.has_verified_nodes() ? verified.verified_nodes() : nodes;
    if (got > nodes || verified.draft_ignored()) {
      return absl::InternalError(absl::StrCat(
          "verify: got ", got, verified.draft_ignored() ? " nodes and an ignored tree" : " nodes",
          ", expected at most the ", nodes, " of the tree"));
    }
    RETURN_IF_ERROR(AddRows(verified.candidates(), got));
    return got;
  }

  FilledMatrix Take() { return std::move(matrix_); }

 private:
  absl::StatusOr<TokenId> FirstToken() {
    InterruptibleCall call(timeout_);
    const auto reader = stub_.GetTokenizer(call.context(), {});
    TokenizerDataJoiner joiner;
    absl::Status joined;
    pb::GetTokenizerResponse response;
    while (joined.ok() && reader->Read(&response)) joined = joiner.Append(response.chunk());
    if (!joined.ok()) call.context()->TryCancel();
    const absl::Status finished = FromGrpcStatus(reader->Finish());
    if (!joined.ok()) return Malformed("tokenizer", joined);
    RETURN_IF_ERROR(finished);
    const absl::StatusOr<TokenizerData> data = joiner.Finish();
    if (!data.ok()) return Malformed("tokenizer", data.status());
    const TokenId first =
        data->bos.value_or(info_.eos_token_ids().empty() ? 0 : info_.eos_token_ids(0));
    if (first < matrix_.model.vocab_size) return first;
    return absl::InternalError(absl::StrCat("tokenizer: got the first token ", first,
                                            ", expected less than ", matrix_.model.vocab_size));
  }

  // `proto` holds the row of the root and the rows of `nodes` tokens.
  absl::Status AddRows(const common::v1::Candidates& proto, std::uint32_t nodes) {
    const auto rows = CandidatesFromProto(proto, std::size_t{nodes} + 1, matrix_.model.vocab_size);
    if (!rows.ok()) return Malformed("verify", rows.status());
    if (rows->k != matrix_.k) {
      return absl::InternalError(
          absl::StrCat("verify: got candidates with k ", rows->k, ", expected ", matrix_.k));
    }
    for (std::size_t row = 1; row <= nodes; ++row) {
      std::vector<TokenId> ids(
          rows->ids.begin() + static_cast<std::ptrdiff_t>(row * rows->k),
          rows->ids.begin() + static_cast<std::ptrdiff_t>((row + 1) * rows->k));
      matrix_.ids.insert(matrix_.ids.end(), ids.begin(), ids.end());
      std::sort(ids.begin(), ids.end());
      if (std::adjacent_find(ids.begin(), ids.end()) != ids.end()) {
        return absl::InternalError(
            absl::StrCat("verify: got a candidate twice in row ", row, ", expected distinct ids"));
      }
    }
    return absl::OkStatus();
  }

  pb::VerifierService::Stub& stub_;
  const absl::Duration timeout_;
  pb::HandshakeResponse info_;
  pb::VerifyRequest request_;
  FilledMatrix matrix_;
};

}  // namespace

absl::StatusOr<FilledMatrix> FillMatrix(
    pb::VerifierService::Stub& stub, absl::Duration timeout,
    const std::function<void(std::uint32_t done, std::uint32_t all)>& progress) {
  Filler filler(stub, timeout);
  RETURN_IF_ERROR(filler.Begin());
  absl::Time last_rows = absl::Now();
  while (filler.done() < filler.all()) {
    const absl::StatusOr<std::uint32_t> rows = filler.Step();
    if (!rows.ok() && !absl::IsResourceExhausted(rows.status())) return rows.status();
    if (rows.ok() && *rows > 0) {
      last_rows = absl::Now();
      progress(filler.done(), filler.all());
      continue;
    }
    if (absl::Now() - last_rows > kLongestWait) {
      RETURN_IF_ERROR(rows.status());
      return absl::ResourceExhaustedError("other sequences fill all passes of the verifier");
    }
    if (!rows.ok()) {
      absl::SleepFor(std::min(RetryDelay(rows.status()).value_or(kWait), kLongestWait));
    }
  }
  return filler.Take();
}

std::string EncodeFilledMatrix(const FilledMatrix& matrix) {
  const ModelIdentity& model = matrix.model;
  std::string out = "RCYMATRX";
  out.reserve(256 + model.model_id.size() + std::size_t{model.vocab_size} * (8 + 4 * matrix.k));
  const auto put = [&out](std::uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) out.push_back(static_cast<char>((value >> (8 * i)) & 0xff));
  };
  put(2, 4);  // version
  put(matrix.k, 4);
  put(model.vocab_size, 4);
  put(model.vocab_size, 4);  // rows
  put(model.vocab_size, 8);  // row updates
  out += model.tokenizer_digest;
  put(model.model_id.size(), 4);
  out += model.model_id;
  const std::span<const TokenId> ids = matrix.ids;
  for (std::uint32_t token = 0; token < model.vocab_size; ++token) {
    put(token, 4);
    put(matrix.k, 4);
    for (const TokenId id : ids.subspan(std::size_t{token} * matrix.k, matrix.k)) put(id, 4);
  }
  put(0, 4);   // weights
  put(0, 4);   // classes
  put(10, 4);  // pair bits, the least
  put(0, 4);   // pair rows
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(out.data()), out.size(), digest);
  return out.append(reinterpret_cast<const char*>(digest), sizeof(digest));
}

}  // namespace recycling::cli
