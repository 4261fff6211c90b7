// Random valid requests.
#ifndef RECYCLING_TESTS_INTEGRATION_RANDOM_REQUEST_H_
#define RECYCLING_TESTS_INTEGRATION_RANDOM_REQUEST_H_

#include <cstdint>

#include "recycling/gateway/v1/gateway.pb.h"

namespace recycling::integration {

// Returns a request that depends only on `seed`. The request has a sampling seed. Its output has at
// most `longest` tokens; `longest` must be at least 1. The vocabulary of the model must have at
// least 301 tokens.
gateway::v1::GenerateRequest RandomRequest(std::uint64_t seed, std::uint32_t longest);

}  // namespace recycling::integration

#endif  // RECYCLING_TESTS_INTEGRATION_RANDOM_REQUEST_H_
