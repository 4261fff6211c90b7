#include "gateway/grpc/request_id.h"

#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <gtest/gtest.h>

#include "recycling/gateway/v1/gateway.pb.h"
#include "tests/doubles/proto_matchers.h"

namespace recycling::gateway {
namespace {

using doubles::ParseProto;

// Reads the request id from `bytes` in pieces of `piece` bytes.
std::string IdIn(const std::string& bytes, int piece) {
  google::protobuf::io::ArrayInputStream stream(bytes.data(), static_cast<int>(bytes.size()),
                                                piece);
  return RequestIdOf(&stream);
}

std::string IdIn(const v1::GenerateRequest& request, int piece = -1) {
  return IdIn(request.SerializeAsString(), piece);
}

TEST(RequestIdTest, IsFoundAtAnyPlaceInTheMessage) {
  auto request = ParseProto<v1::GenerateRequest>(
      "prompt: 'the way of the' sampling { max_tokens: 9 seed: 7 } stop: 'x' request_id: 'mine'");
  for (const int piece : {-1, 1, 3}) EXPECT_EQ(IdIn(request, piece), "mine") << piece;
  request.clear_request_id();
  EXPECT_EQ(IdIn(request), "");
  const auto last = ParseProto<v1::GenerateRequest>("request_id: 'last'");
  EXPECT_EQ(
      IdIn(request.SerializeAsString() + last.SerializeAsString() + request.SerializeAsString(),
           -1),
      "last");
}

TEST(RequestIdTest, IsEmptyIfTheIdIsTooLong) {
  v1::GenerateRequest request;
  request.set_request_id(std::string(128, 'x'));
  EXPECT_EQ(IdIn(request), request.request_id());
  request.set_request_id(std::string(129, 'x'));
  EXPECT_EQ(IdIn(request), "");
}

TEST(RequestIdTest, IsEmptyIfTheBytesAreNotAMessage) {
  const std::string good =
      ParseProto<v1::GenerateRequest>("request_id: 'mine' prompt: 'text'").SerializeAsString();
  ASSERT_EQ(IdIn(good, -1), "mine");
  EXPECT_EQ(IdIn(good.substr(0, good.size() - 1), -1), "");
  EXPECT_EQ(IdIn(std::string("\xff\xff\xff\xff\xff\xff", 6), -1), "");
  EXPECT_EQ(IdIn(good + std::string("\0", 1), -1), "");
  EXPECT_EQ(IdIn(std::string("\x0a\xff\xff\xff\xff\x0f", 6), -1), "")
      << "the field has a length of 2^32 - 1";
  EXPECT_EQ(IdIn("", -1), "");
}

}  // namespace
}  // namespace recycling::gateway
