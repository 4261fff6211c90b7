// GoogleMock mocks of gateway/clients/drafter_client.h.
#ifndef RECYCLING_TESTS_DOUBLES_MOCK_DRAFTER_CLIENT_H_
#define RECYCLING_TESTS_DOUBLES_MOCK_DRAFTER_CLIENT_H_

#include <gmock/gmock.h>

#include <cstdint>
#include <memory>
#include <string>

#include "gateway/clients/drafter_client.h"

namespace recycling::doubles {

class MockDrafterSession : public gateway::DrafterSession {
 public:
  MOCK_METHOD(void, Send, (gateway::DraftStep step), (override));
  MOCK_METHOD(absl::StatusOr<gateway::DraftAnswer>, Receive,
              (std::uint64_t step, absl::Duration timeout), (override));
};

class MockDrafterClient : public gateway::DrafterClient {
 public:
  MOCK_METHOD(std::unique_ptr<gateway::DrafterSession>, NewSession,
              (gateway::OpenDrafting open, absl::Time deadline, const CallOrigin& origin),
              (override));
  MOCK_METHOD(const std::string&, address, (), (const, override));
};

}  // namespace recycling::doubles

#endif  // RECYCLING_TESTS_DOUBLES_MOCK_DRAFTER_CLIENT_H_
