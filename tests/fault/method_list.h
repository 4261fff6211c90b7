// Every method of every service, with valid calls to begin from.
#ifndef RECYCLING_TESTS_FAULT_METHOD_LIST_H_
#define RECYCLING_TESTS_FAULT_METHOD_LIST_H_

#include <string>
#include <vector>

#include "recycling/verifier/v1/verifier.pb.h"
#include "tests/fault/hostile_message.h"

namespace recycling::fault {

// What valid calls are made of.
struct ServiceFacts {
  verifier::v1::HandshakeResponse verifier;
  std::string snapshot;  // of a matrix; may be empty
};

// Those of recycling.<name>.v1, health and reflection; `name` is "verifier", "drafter" or
// "gateway". A method has as many entries as it has kinds of calls; no method of the service is
// left out, which a test checks.
std::vector<Method> MethodsOf(const std::string& name, const ServiceFacts& facts);

}  // namespace recycling::fault

#endif  // RECYCLING_TESTS_FAULT_METHOD_LIST_H_
