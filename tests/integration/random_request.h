// Valid requests with options of every kind.
#ifndef RECYCLING_TESTS_INTEGRATION_RANDOM_REQUEST_H_
#define RECYCLING_TESTS_INTEGRATION_RANDOM_REQUEST_H_

#include <cstdint>

#include "recycling/gateway/v1/gateway.pb.h"

namespace recycling::integration {

// A function of the seed, its sampling seed included. Its output has at most `longest` tokens, at
// least 1. For a vocabulary of at least 301.
gateway::v1::GenerateRequest RandomRequest(std::uint64_t seed, std::uint32_t longest);

}  // namespace recycling::integration

#endif  // RECYCLING_TESTS_INTEGRATION_RANDOM_REQUEST_H_
