// Lists the methods of the services with valid calls, from which attacks start.
#ifndef RECYCLING_TESTS_FAULT_METHOD_LIST_H_
#define RECYCLING_TESTS_FAULT_METHOD_LIST_H_

#include <string>
#include <vector>

#include "recycling/verifier/v1/verifier.pb.h"
#include "tests/fault/hostile_message.h"

namespace recycling::fault {

// Facts about running services that valid calls contain.
struct ServiceFacts {
  verifier::v1::HandshakeResponse verifier;
  std::string snapshot;  // of a matrix; may be empty
};

// Returns the methods of recycling.<name>.v1, health and reflection; `name` is "verifier",
// "drafter" or "gateway". A method has one entry for each kind of call. The list has all methods of
// the service but Drain, which would end the service; method_list_test checks that.
std::vector<Method> MethodsOf(const std::string& name, const ServiceFacts& facts);

}  // namespace recycling::fault

#endif  // RECYCLING_TESTS_FAULT_METHOD_LIST_H_
