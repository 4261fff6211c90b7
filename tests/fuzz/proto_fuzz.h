// Helpers of the fuzz targets.
#ifndef RECYCLING_TESTS_FUZZ_PROTO_FUZZ_H_
#define RECYCLING_TESTS_FUZZ_PROTO_FUZZ_H_

#include <google/protobuf/stubs/logging.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>

// Ends the process if the condition is false, also with NDEBUG.
#define FUZZ_CHECK(condition)                                                            \
  do {                                                                                   \
    if (!(condition)) {                                                                  \
      std::fprintf(stderr, "%s:%d: check failed: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                      \
    }                                                                                    \
  } while (false)

namespace recycling::fuzz {

// Parses the input as a Message. If it is not valid, returns the fields that were read before the
// error.
template <typename Message>
Message ParseInput(const std::uint8_t* data, std::size_t size) {
  // Switches off warnings about invalid UTF-8.
  static const auto unused = google::protobuf::SetLogHandler(nullptr);
  static_cast<void>(unused);
  Message message;
  if (size <= static_cast<std::size_t>(std::numeric_limits<int>::max())) {
    message.ParsePartialFromArray(data, static_cast<int>(size));
  }
  return message;
}

}  // namespace recycling::fuzz

#endif  // RECYCLING_TESTS_FUZZ_PROTO_FUZZ_H_
