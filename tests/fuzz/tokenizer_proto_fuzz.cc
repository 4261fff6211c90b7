// Tokenizer data must convert to a message and back without loss. Tokenizer::Create must refuse it
// or return a tokenizer that encodes text to ids of its vocabulary.
#include <string_view>

#include "common/rpc/tokenizer_proto.h"
#include "common/tokenizer/tokenizer.h"
#include "tests/fuzz/proto_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  recycling::TokenizerDataJoiner joiner;
  if (!joiner.Append(bytes).ok()) return 0;
  auto tokenizer_data = joiner.Finish();
  if (!tokenizer_data.ok()) return 0;

  recycling::verifier::v1::TokenizerData proto;
  recycling::TokenizerDataToProto(*tokenizer_data, &proto);
  const auto again = recycling::TokenizerDataFromProto(proto);
  // Compare bytes, because a score may be NaN.
  recycling::verifier::v1::TokenizerData back;
  FUZZ_CHECK(again.ok());
  recycling::TokenizerDataToProto(*again, &back);
  FUZZ_CHECK(back.SerializeAsString() == proto.SerializeAsString());

  const auto tokenizer = recycling::Tokenizer::Create(*std::move(tokenizer_data));
  if (!tokenizer.ok()) return 0;
  const auto ids = (*tokenizer)->Encode("Hello, w\xC3\xB6rld 123", {});
  if (!ids.ok()) return 0;
  for (const recycling::TokenId id : *ids) FUZZ_CHECK(id < (*tokenizer)->vocab_size());
  FUZZ_CHECK((*tokenizer)->Decode(*ids, /*render_control=*/true).ok());
  return 0;
}
