// The "gpt2" family: byte-level BPE. The vocabulary writes each byte as one printable character.
// The tokenizer cuts a text into words. A word starts as one piece per byte. Then the tokenizer
// joins pairs until no merge applies. The pair with the earliest merge comes first; among equal
// merges the leftmost.
#include <array>
#include <memory>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/base/status_macros.h"
#include "common/tokenizer/bigram_merger.h"
#include "common/tokenizer/pre_tokenizer.h"
#include "common/tokenizer/utf8.h"
#include "common/tokenizer/vocabulary_tokenizer.h"

namespace recycling {
namespace {

using TokenIndex = absl::flat_hash_map<absl::string_view, TokenId>;

absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

// The character that stands for each byte. If the byte is the code of a printable Latin-1 character
// other than a space, it is that character. Else it is the next free character from U+0100 on.
std::array<char32_t, 256> MakeByteCharacters() {
  std::array<char32_t, 256> characters;
  char32_t next = 0x100;
  for (char32_t byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
    characters[byte] = printable ? byte : next++;
  }
  return characters;
}

const std::array<char32_t, 256>& ByteCharacters() {
  static const std::array<char32_t, 256> characters = MakeByteCharacters();
  return characters;
}

// The bytes that a token's characters stand for. A token with any other character stands for
// itself.
std::string FromByteCharacters(const std::string& token) {
  static const auto* const bytes = [] {
    auto* map = new absl::flat_hash_map<char32_t, char>;
    for (std::size_t byte = 0; byte < 256; ++byte) {
      (*map)[ByteCharacters()[byte]] = static_cast<char>(byte);
    }
    return map;
  }();
  std::string result;
  for (Utf8Reader reader(token); !reader.done();) {
    const std::optional<char32_t> character = reader.Next();
    const auto byte = character ? bytes->find(*character) : bytes->end();
    if (byte == bytes->end()) return token;
    result.push_back(byte->second);
  }
  return result;
}

std::string BytesOf(const TokenizerData& data, TokenId id) {
  switch (TypeOf(data, id)) {
    case TokenType::kUnknown:
    case TokenType::kControl:
      return "";
    case TokenType::kUserDefined:
      return data.tokens[id];
    case TokenType::kNormal:
    case TokenType::kUnused:
    case TokenType::kByte:
      break;
  }
  return FromByteCharacters(data.tokens[id]);
}

// Tokens that merges may name, by their text in the data. If several tokens have the same text, the
// last normal one counts; without a normal one, the first of the others. A user-defined token
// stands for its text unchanged, so it is included only if its characters stand for the same bytes.
// The keys are views into `data`.
TokenIndex IndexTokens(const TokenizerData& data) {
  TokenIndex index;
  index.reserve(data.tokens.size());
  for (TokenId id = 0; id < data.tokens.size(); ++id) {
    if (TypeOf(data, id) == TokenType::kNormal) index[View(data.tokens[id])] = id;
  }
  for (TokenId id = 0; id < data.tokens.size(); ++id) {
    const std::string& token = data.tokens[id];
    const TokenType type = TypeOf(data, id);
    if (type == TokenType::kControl || type == TokenType::kUnknown) continue;
    if (type == TokenType::kUserDefined && FromByteCharacters(token) != token) continue;
    index.try_emplace(View(token), id);
  }
  return index;
}

absl::Status MergeError(std::size_t rank, std::string_view merge, const char* expected) {
  return absl::InvalidArgumentError(absl::StrCat("tokenizer: got merge ", rank, " \"",
                                                 absl::CHexEscape(View(merge.substr(0, 64))),
                                                 "\", expected ", expected));
}

absl::StatusOr<MergeTable> ReadMerges(const TokenizerData& data, const TokenIndex& index) {
  MergeTable table;
  table.Reserve(data.merges.size());
  std::string joined;
  for (std::size_t rank = 0; rank < data.merges.size(); ++rank) {
    const std::string_view merge = data.merges[rank];
    const std::size_t space = merge.find(' ');
    if (space == 0 || space == merge.npos || space + 1 == merge.size() ||
        space != merge.rfind(' ')) {
      return MergeError(rank, merge, "two texts and a space between them");
    }
    joined.assign(merge.substr(0, space)).append(merge.substr(space + 1));
    const auto left = index.find(View(merge.substr(0, space)));
    const auto right = index.find(View(merge.substr(space + 1)));
    const auto result = index.find(View(joined));
    if (left == index.end() || right == index.end() || result == index.end()) {
      return MergeError(rank, merge, "that the vocabulary has both texts and their joined text");
    }
    table.Add(left->second, right->second, {static_cast<std::uint32_t>(rank), result->second});
  }
  return table;
}

class ByteBpeTokenizer final : public VocabularyTokenizer {
 public:
  ByteBpeTokenizer(TokenizerData data, std::vector<std::string> token_bytes,
                   PreTokenizer pre_tokenizer, MergeTable merges,
                   const std::array<Piece, 256>& byte_pieces)
      : VocabularyTokenizer(std::move(data), std::move(token_bytes), /*dummy_prefix=*/false),
        pre_tokenizer_(std::move(pre_tokenizer)),
        merges_(std::move(merges)),
        byte_pieces_(byte_pieces) {
    if (!pre_tokenizer_.whole_words()) return;
    for (TokenId id = 0; id < vocab_size(); ++id) {
      if (TypeOf(this->data(), id) == TokenType::kNormal)
        words_[View(this->token_bytes()[id])] = id;
    }
  }

 protected:
  absl::Status EncodePlain(std::string_view text, std::vector<TokenId>& ids) const override {
    ASSIGN_OR_RETURN(const std::vector<std::size_t> ends, pre_tokenizer_.Split(text));
    std::vector<Piece> pieces;
    std::size_t begin = 0;
    for (const std::size_t end : ends) {
      const std::string_view word = text.substr(begin, end - begin);
      begin = end;
      if (const auto found = words_.find(View(word)); found != words_.end()) {
        ids.push_back(found->second);
        continue;
      }
      pieces.clear();
      for (const char c : word) pieces.push_back(byte_pieces_[static_cast<unsigned char>(c)]);
      merges_.Apply(pieces);
      RETURN_IF_ERROR(Append(pieces, ids));
    }
    return absl::OkStatus();
  }

 private:
  absl::Status Append(const std::vector<Piece>& pieces, std::vector<TokenId>& ids) const {
    for (const Piece piece : pieces) {
      if (piece < kLoosePiece) {
        ids.push_back(piece);
      } else {
        const char byte = static_cast<char>(piece - kLoosePiece);
        RETURN_IF_ERROR(AppendUnknown(std::string_view(&byte, 1), ids));
      }
    }
    return absl::OkStatus();
  }

  const PreTokenizer pre_tokenizer_;
  const MergeTable merges_;
  const std::array<Piece, 256> byte_pieces_;
  TokenIndex words_;  // by bytes; only for whole_words(). Keys are views into token_bytes().
};

}  // namespace

absl::StatusOr<std::unique_ptr<const Tokenizer>> CreateByteBpeTokenizer(TokenizerData data) {
  ASSIGN_OR_RETURN(PreTokenizer pre_tokenizer, PreTokenizer::Create(data.pre));
  const TokenIndex index = IndexTokens(data);
  ASSIGN_OR_RETURN(MergeTable merges, ReadMerges(data, index));
  std::array<Piece, 256> byte_pieces;
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    const auto token = index.find(ToUtf8(ByteCharacters()[byte]));
    byte_pieces[byte] = token == index.end() ? kLoosePiece + byte : token->second;
  }
  std::vector<std::string> token_bytes;
  token_bytes.reserve(data.tokens.size());
  for (TokenId id = 0; id < data.tokens.size(); ++id) token_bytes.push_back(BytesOf(data, id));
  return std::make_unique<const ByteBpeTokenizer>(std::move(data), std::move(token_bytes),
                                                  std::move(pre_tokenizer), std::move(merges),
                                                  byte_pieces);
}

}  // namespace recycling
