// Valid requests with options of every kind.
#ifndef RECYCLING_TESTS_INTEGRATION_RANDOM_REQUEST_H_
#define RECYCLING_TESTS_INTEGRATION_RANDOM_REQUEST_H_

#include <cstdint>

#include "recycling/gateway/v1/gateway.pb.h"

namespace recycling::integration {

// Returns a request that depends on `seed` alone; so does its sampling seed. Its output has at most
// `longest` tokens, which is at least 1. The vocabulary must have at least 301 tokens.
gateway::v1::GenerateRequest RandomRequest(std::uint64_t seed, std::uint32_t longest);

}  // namespace recycling::integration

#endif  // RECYCLING_TESTS_INTEGRATION_RANDOM_REQUEST_H_
