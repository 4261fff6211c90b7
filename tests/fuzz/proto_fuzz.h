// Shared by the proto-to-domain targets.
#ifndef RECYCLING_TESTS_FUZZ_PROTO_FUZZ_H_
#define RECYCLING_TESTS_FUZZ_PROTO_FUZZ_H_

#include <google/protobuf/stubs/logging.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>

// Ends the process if a promise is broken, whatever NDEBUG says.
#define FUZZ_CHECK(condition)                                                              \
  do {                                                                                     \
    if (!(condition)) {                                                                    \
      std::fprintf(stderr, "%s:%d: broken promise: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                        \
    }                                                                                      \
  } while (false)

namespace recycling::fuzz {

// The input as a serialized Message; what does not parse gives what was read until then.
template <typename Message>
Message ParseInput(const std::uint8_t* data, std::size_t size) {
  static const auto unused = google::protobuf::SetLogHandler(nullptr);  // invalid UTF-8 is no news
  static_cast<void>(unused);
  Message message;
  if (size <= static_cast<std::size_t>(std::numeric_limits<int>::max())) {
    message.ParsePartialFromArray(data, static_cast<int>(size));
  }
  return message;
}

}  // namespace recycling::fuzz

#endif  // RECYCLING_TESTS_FUZZ_PROTO_FUZZ_H_
