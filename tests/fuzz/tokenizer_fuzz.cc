// Tokenizer::Create must refuse tokenizer data, or return a tokenizer that keeps its contract for
// any text.
//
// Input: a byte of switches, the length of the message (2 bytes, little-endian), the message, and
// the text to encode. Bit 0 of the switches parses control tokens. Bit 1 calls Complete with the
// next three bits as `kind`.
#include <algorithm>
#include <string>
#include <vector>

#include "common/rpc/tokenizer_proto.h"
#include "common/tokenizer/tokenizer.h"
#include "common/tokenizer/utf8.h"
#include "tests/fuzz/proto_fuzz.h"

namespace {

using recycling::TokenId;
using recycling::Tokenizer;
using recycling::TokenizerData;
using recycling::TokenType;

constexpr char kSpaceMark[] = "\u2581";

void Add(TokenizerData& data, std::string token, TokenType type) {
  data.tokens.push_back(std::move(token));
  if (!data.scores.empty()) data.scores.push_back(0);
  data.token_types.push_back(type);
}

// Sets the tokenizer model and adds the byte tokens that it needs. Otherwise most inputs would be
// refused.
void Complete(unsigned kind, TokenizerData& data) {
  // The SentencePiece model is kind 7 of the seeds, so newer names come after it.
  constexpr unsigned kSentencePiece = 7;
  static const char* const kPres[] = {
      "gpt-2", "llama-bpe", "qwen2",  "smollm", "starcoder",      "deepseek-llm", "default",
      "",      "tekken",    "gpt-4o", "falcon", "deepseek-coder", "deepseek-v3"};
  if (data.token_types.empty()) data.token_types.assign(data.tokens.size(), TokenType::kNormal);
  if (kind == kSentencePiece || kind >= std::size(kPres)) {
    data.model = "llama";
    for (unsigned byte = 0; byte < 256; ++byte) {
      char token[7];
      std::snprintf(token, sizeof(token), "<0x%02X>", byte);
      Add(data, token, TokenType::kByte);
    }
    Add(data, kSpaceMark, TokenType::kNormal);
    return;
  }
  data.model = "gpt2";
  data.pre = kPres[kind];
  for (char32_t c = 0x21; c <= 0x143; ++c) {
    const bool skipped = (c > 0x7E && c < 0xA1) || c == 0xAD;
    if (!skipped) Add(data, recycling::ToUtf8(c), TokenType::kNormal);
  }
}

void CheckTravels(const TokenizerData& data) {
  const auto chunks = recycling::SplitTokenizerData(data);
  FUZZ_CHECK(chunks.ok());
  recycling::TokenizerDataJoiner joiner;
  for (const std::string& chunk : *chunks) FUZZ_CHECK(joiner.Append(chunk).ok());
  const auto again = joiner.Finish();
  FUZZ_CHECK(again.ok() && *again == data);
  FUZZ_CHECK(TokenizerDigest(*again) == TokenizerDigest(data));
}

// Whether decoding `ids` must return `text`. README.md lists the exceptions.
bool Reversible(const TokenizerData& data, const std::string& text,
                const std::vector<TokenId>& ids) {
  if (data.unknown && std::count(ids.begin(), ids.end(), *data.unknown) > 0) return false;
  if (data.model != "llama") return true;
  if (text.find(kSpaceMark) != std::string::npos) return false;
  for (std::size_t id = 0; id < data.tokens.size(); ++id) {
    const bool normal = data.token_types.empty() || data.token_types[id] == TokenType::kNormal;
    if (normal && data.tokens[id] == kSpaceMark) return true;
  }
  return false;
}

void CheckText(const Tokenizer& tokenizer, const std::string& text, bool parse_control) {
  const auto ids = tokenizer.Encode(text, {.add_special = false, .parse_control = parse_control});
  const auto with_special =
      tokenizer.Encode(text, {.add_special = true, .parse_control = parse_control});
  FUZZ_CHECK(ids.ok() == with_special.ok());
  if (!ids.ok()) return;
  const TokenizerData& data = tokenizer.data();
  FUZZ_CHECK(with_special->size() == ids->size() + data.add_bos + data.add_eos);

  std::string bytes;
  for (const TokenId id : *ids) {
    FUZZ_CHECK(id < tokenizer.vocab_size());
    const bool control = !data.token_types.empty() && data.token_types[id] == TokenType::kControl;
    FUZZ_CHECK(parse_control || !control);
    bytes += tokenizer.TokenBytes(id);
  }
  const auto hidden = tokenizer.Decode(*ids, false);
  const auto rendered = tokenizer.Decode(*ids, true);
  FUZZ_CHECK(hidden.ok() && rendered.ok());
  FUZZ_CHECK(hidden->size() <= bytes.size());
  if (!data.add_space_prefix || data.model != "llama") FUZZ_CHECK(*hidden == bytes);
  if (Reversible(data, text, *ids)) FUZZ_CHECK(*rendered == text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* input, std::size_t size) {
  if (size < 3) return 0;
  const unsigned switches = input[0];
  const std::size_t length = std::min<std::size_t>(input[1] + 256u * input[2], size - 3);
  const char* bytes = reinterpret_cast<const char*>(input) + 3;
  const std::string text(bytes + length, size - 3 - length);

  recycling::TokenizerDataJoiner joiner;
  if (!joiner.Append({bytes, length}).ok()) return 0;
  auto data = joiner.Finish();
  if (!data.ok()) return 0;
  CheckTravels(*data);
  if ((switches & 2) != 0) Complete((switches >> 2) % 16, *data);
  const auto tokenizer = Tokenizer::Create(*std::move(data));
  if (!tokenizer.ok()) return 0;
  CheckText(**tokenizer, text, (switches & 1) != 0);
  FUZZ_CHECK((*tokenizer)->EndOfSequenceIds().size() <= 2);
  return 0;
}
