// GoogleMock mocks of gateway/clients/verifier_client.h.
#ifndef RECYCLING_TESTS_DOUBLES_MOCK_VERIFIER_CLIENT_H_
#define RECYCLING_TESTS_DOUBLES_MOCK_VERIFIER_CLIENT_H_

#include <gmock/gmock.h>

#include <memory>
#include <string>

#include "gateway/clients/verifier_client.h"

namespace recycling::doubles {

class MockVerifierSession : public gateway::VerifierSession {
 public:
  MOCK_METHOD(absl::StatusOr<gateway::SequenceOpened>, Open, (const gateway::OpenSequence& open),
              (override));
  // Answers a step. VerifyWhile first runs `meanwhile` and then calls this mock.
  MOCK_METHOD(absl::StatusOr<gateway::StepVerified>, Verify, (const gateway::VerifyStep& step));
  absl::StatusOr<gateway::StepVerified> VerifyWhile(const gateway::VerifyStep& step,
                                                    absl::FunctionRef<void()> meanwhile) override {
    meanwhile();
    return Verify(step);
  }
  MOCK_METHOD(void, Cancel, (), (override));
};

class MockVerifierClient : public gateway::VerifierClient {
 public:
  MOCK_METHOD(std::unique_ptr<gateway::VerifierSession>, NewSession,
              (absl::Time deadline, const CallOrigin& origin), (override));
  MOCK_METHOD(const gateway::VerifierInfo&, info, (), (const, override));
  MOCK_METHOD(const std::string&, address, (), (const, override));
};

}  // namespace recycling::doubles

#endif  // RECYCLING_TESTS_DOUBLES_MOCK_VERIFIER_CLIENT_H_
