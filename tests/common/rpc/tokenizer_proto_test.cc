#include "common/rpc/tokenizer_proto.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

namespace recycling {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

TokenizerData EveryField() {
  return {.model = "gpt2",
          .pre = "default",
          .tokens = {"a", "b", "ab", std::string("\xFF\0", 2), ""},
          .scores = {0.5f, -1.0f, -0.0f, 1e30f, -1e9f},
          .token_types = {TokenType::kNormal, TokenType::kControl, TokenType::kUserDefined,
                          TokenType::kUnused, TokenType::kByte},
          .merges = {"a b"},
          .bos = 1,
          .eos = 0,
          .eot = 2,
          .unknown = 4,
          .add_bos = true,
          .add_eos = true,
          .add_space_prefix = true};
}

absl::StatusOr<TokenizerData> Join(const std::vector<std::string>& chunks) {
  TokenizerDataJoiner joiner;
  for (const std::string& chunk : chunks) {
    if (absl::Status status = joiner.Append(chunk); !status.ok()) return status;
  }
  return joiner.Finish();
}

void ExpectInvalid(const absl::Status& status, const std::string& message) {
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr(message));
}

TEST(TokenizerProtoTest, ConvertsEveryFieldBothWays) {
  const auto chunks = SplitTokenizerData(EveryField());
  ASSERT_TRUE(chunks.ok());
  EXPECT_THAT(*chunks, SizeIs(1));
  const auto data = Join(*chunks);
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ(*data, EveryField());
}

TEST(TokenizerProtoTest, AbsentIdsStayAbsent) {
  const TokenizerData bare = {.model = "llama", .tokens = {"x"}};
  const auto chunks = SplitTokenizerData(bare);
  ASSERT_TRUE(chunks.ok());
  const auto data = Join(*chunks);
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ(*data, bare);
}

TEST(TokenizerProtoTest, SplitsIntoFullChunksAndARest) {
  TokenizerData large = {.model = "llama"};
  large.tokens.assign(3, std::string(kTokenizerChunkBytes, 'x'));
  const auto chunks = SplitTokenizerData(large);
  ASSERT_TRUE(chunks.ok());
  ASSERT_THAT(*chunks, SizeIs(4));
  for (std::size_t i = 0; i < 3; ++i) EXPECT_THAT((*chunks)[i], SizeIs(kTokenizerChunkBytes));
  EXPECT_LT((*chunks)[3].size(), 100u);
  const auto data = Join(*chunks);
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ(*data, large);
}

TEST(TokenizerProtoTest, RefusesInvalidFields) {
  using Proto = verifier::v1::TokenizerData;
  const auto refuses = [](const std::function<void(Proto&)>& spoil, const std::string& message) {
    Proto proto;
    TokenizerDataToProto(EveryField(), &proto);
    spoil(proto);
    ExpectInvalid(TokenizerDataFromProto(proto).status(), message);
  };
  refuses([](Proto& p) { p.clear_tokens(); }, "got 0 tokens");
  refuses([](Proto& p) { p.add_scores(1); }, "got 6 scores for 5 tokens");
  refuses([](Proto& p) { p.set_scores(2, std::nanf("")); }, "score of token 2 is not a number");
  refuses([](Proto& p) { p.add_token_types(1); }, "got 6 token types for 5 tokens");
  refuses([](Proto& p) { p.set_token_types(3, 0); }, "got type 0 for token 3");
  refuses([](Proto& p) { p.set_token_types(3, 7); }, "for token 3, expected 1 to 6");
  refuses([](Proto& p) { p.set_token_types(3, 257); }, "for token 3, expected 1 to 6");
  refuses([](Proto& p) { p.set_bos_token_id(5); }, "got bos id 5, expected less than 5");
  refuses([](Proto& p) { p.set_eos_token_id(5); }, "got eos id 5, expected less than 5");
  refuses([](Proto& p) { p.set_eot_token_id(5); }, "got eot id 5, expected less than 5");
  refuses([](Proto& p) { p.set_unknown_token_id(~0u); }, "got unknown id 4294967295");
  refuses([](Proto& p) { p.clear_bos_token_id(); }, "add_bos is set, but there is no bos id");
  refuses([](Proto& p) { p.clear_eos_token_id(); }, "add_eos is set, but there is no eos id");
}

TEST(TokenizerDataJoinerTest, RefusesBytesThatAreNotAMessage) {
  const auto chunks = SplitTokenizerData(EveryField());
  ASSERT_TRUE(chunks.ok());
  ExpectInvalid(Join({}).status(), "got 0 tokens");
  ExpectInvalid(Join({chunks->front().substr(0, chunks->front().size() - 1)}).status(),
                "not a TokenizerData message");
  ExpectInvalid(Join({chunks->front(), std::string(1, '\0')}).status(),
                "not a TokenizerData message");
  // A protobuf group: its start, then its end.
  ExpectInvalid(Join({chunks->front() + "\xA3\x06\xA4\x06"}).status(),
                "not a TokenizerData message");
}

TEST(TokenizerDataJoinerTest, BoundsTheBytesOfAChunkAndOfAll) {
  TokenizerDataJoiner joiner;
  const std::string chunk(kTokenizerChunkBytes, '\0');
  ExpectInvalid(joiner.Append(chunk + "x"), "got a chunk of 1048577 bytes");
  for (std::size_t i = 0; i < kMaxTokenizerBytes / kTokenizerChunkBytes; ++i) {
    ASSERT_TRUE(joiner.Append(chunk).ok());
  }
  ExpectInvalid(joiner.Append("x"), "got more than 67108864 bytes");
}

// An empty token is two bytes on the wire: tag and length.
std::string EmptyTokens(std::size_t count) {
  std::string bytes;
  for (std::size_t i = 0; i < count; ++i) bytes.append("\x1A\0", 2);
  return bytes;
}

TEST(TokenizerDataJoinerTest, BoundsTheFieldsBeforeItAllocatesThem) {
  TokenizerDataJoiner joiner;
  const std::string chunk = EmptyTokens(kTokenizerChunkBytes / 2);
  for (std::size_t sent = 0; sent < kMaxTokenizerFields; sent += kTokenizerChunkBytes / 2) {
    ASSERT_TRUE(joiner.Append(chunk).ok());
  }
  ASSERT_TRUE(joiner.Append(EmptyTokens(1)).ok());
  ExpectInvalid(joiner.Finish().status(), "got more than 4194304 fields");
}

TEST(TokenizerDataJoinerTest, IsEmptyAfterFinish) {
  const auto chunks = SplitTokenizerData(EveryField());
  ASSERT_TRUE(chunks.ok());
  TokenizerDataJoiner joiner;
  ASSERT_TRUE(joiner.Append("\xFF").ok());
  EXPECT_FALSE(joiner.Finish().ok());
  ASSERT_TRUE(joiner.Append(chunks->front()).ok());
  const auto data = joiner.Finish();
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ(*data, EveryField());
}

}  // namespace
}  // namespace recycling
