// A body of the OpenAI API must be refused as InvalidArgument, whose JSON names the error, or be
// read into options.
//
// Input: a byte that chooses the endpoint, and the body.
#include <nlohmann/json.hpp>
#include <string_view>

#include "gateway/http/openai_error.h"
#include "gateway/http/openai_request.h"
#include "tests/fuzz/proto_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace recycling::gateway;  // NOLINT: only in this function
  if (size == 0) return 0;
  const std::string_view body(reinterpret_cast<const char*>(data + 1), size - 1);
  absl::Status status;
  switch (data[0] % 3) {
    case 0:
      status = ParseChatCompletion(body).status();
      break;
    case 1:
      status = ParseCompletion(body).status();
      break;
    default:
      status = ParseConversation(body).status();
  }
  if (status.ok()) return 0;
  FUZZ_CHECK(absl::IsInvalidArgument(status));
  const auto error = nlohmann::json::parse(ErrorJson(status), nullptr, false);
  FUZZ_CHECK(error.is_object() && error["error"]["message"].is_string());
  FUZZ_CHECK(ErrorAnswer(status).status == 400);
  return 0;
}
