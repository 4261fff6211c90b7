#include "common/rpc/tokenizer_proto.h"

#include <google/protobuf/io/coded_stream.h>

#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/rpc/wire_fields.h"
#include "common/tokenizer/tokenizer_check.h"

namespace recycling {
namespace {

absl::Status NotTokenizerData() {
  return absl::InvalidArgumentError("tokenizer: the chunks are not a TokenizerData message");
}

absl::Status TooLarge() {
  return absl::InvalidArgumentError(
      absl::StrCat("tokenizer: got more than ", kMaxTokenizerBytes, " bytes"));
}

// Counts the fields before the message is parsed, because parsing allocates memory for each field.
absl::Status CheckFields(const std::string& bytes) {
  google::protobuf::io::CodedInputStream input(reinterpret_cast<const std::uint8_t*>(bytes.data()),
                                               static_cast<int>(bytes.size()));
  std::size_t fields = 0;
  while (const std::uint32_t tag = input.ReadTag()) {
    if (!SkipField(&input, tag)) return NotTokenizerData();
    if (++fields > kMaxTokenizerFields) {
      return absl::InvalidArgumentError(
          absl::StrCat("tokenizer: got more than ", kMaxTokenizerFields, " fields"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

void TokenizerDataToProto(const TokenizerData& data, verifier::v1::TokenizerData* proto) {
  proto->Clear();
  proto->set_model(data.model);
  proto->set_pre(data.pre);
  for (const std::string& token : data.tokens) proto->add_tokens(token);
  proto->mutable_scores()->Add(data.scores.begin(), data.scores.end());
  for (const TokenType type : data.token_types) {
    proto->add_token_types(static_cast<std::uint32_t>(type));
  }
  for (const std::string& merge : data.merges) proto->add_merges(merge);
  if (data.bos.has_value()) proto->set_bos_token_id(*data.bos);
  if (data.eos.has_value()) proto->set_eos_token_id(*data.eos);
  if (data.eot.has_value()) proto->set_eot_token_id(*data.eot);
  if (data.unknown.has_value()) proto->set_unknown_token_id(*data.unknown);
  proto->set_add_bos(data.add_bos);
  proto->set_add_eos(data.add_eos);
  proto->set_add_space_prefix(data.add_space_prefix);
}

absl::StatusOr<TokenizerData> TokenizerDataFromProto(const verifier::v1::TokenizerData& proto) {
  TokenizerData data;
  data.model = proto.model();
  data.pre = proto.pre();
  data.tokens.assign(proto.tokens().begin(), proto.tokens().end());
  data.scores.assign(proto.scores().begin(), proto.scores().end());
  for (const std::uint32_t type : proto.token_types()) {
    // A number above 6 becomes 0, which is not a valid type, so CheckTokenizerData refuses it
    // below.
    data.token_types.push_back(static_cast<TokenType>(type <= 6 ? type : 0));
  }
  data.merges.assign(proto.merges().begin(), proto.merges().end());
  if (proto.has_bos_token_id()) data.bos = proto.bos_token_id();
  if (proto.has_eos_token_id()) data.eos = proto.eos_token_id();
  if (proto.has_eot_token_id()) data.eot = proto.eot_token_id();
  if (proto.has_unknown_token_id()) data.unknown = proto.unknown_token_id();
  data.add_bos = proto.add_bos();
  data.add_eos = proto.add_eos();
  data.add_space_prefix = proto.add_space_prefix();
  RETURN_IF_ERROR(CheckTokenizerData(data));
  return data;
}

absl::StatusOr<std::vector<std::string>> SplitTokenizerData(const TokenizerData& data) {
  verifier::v1::TokenizerData proto;
  TokenizerDataToProto(data, &proto);
  if (proto.ByteSizeLong() > kMaxTokenizerBytes) return TooLarge();
  const std::string bytes = proto.SerializeAsString();
  RETURN_IF_ERROR(CheckFields(bytes));
  std::vector<std::string> chunks;
  for (std::size_t begin = 0; begin < bytes.size(); begin += kTokenizerChunkBytes) {
    chunks.push_back(bytes.substr(begin, kTokenizerChunkBytes));
  }
  return chunks;
}

absl::Status TokenizerDataJoiner::Append(std::string_view chunk) {
  if (chunk.size() > kTokenizerChunkBytes) {
    return absl::InvalidArgumentError(absl::StrCat("tokenizer: got a chunk of ", chunk.size(),
                                                   " bytes, expected at most ",
                                                   kTokenizerChunkBytes));
  }
  if (bytes_.size() + chunk.size() > kMaxTokenizerBytes) {
    return TooLarge();
  }
  bytes_.append(chunk);
  return absl::OkStatus();
}

absl::StatusOr<TokenizerData> TokenizerDataJoiner::Finish() {
  const std::string bytes = std::exchange(bytes_, {});
  RETURN_IF_ERROR(CheckFields(bytes));
  verifier::v1::TokenizerData proto;
  if (!proto.ParseFromString(bytes)) return NotTokenizerData();
  return TokenizerDataFromProto(proto);
}

}  // namespace recycling
