#include "verifier/service/verifier_health.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace recycling::verifier {
namespace {

using ::testing::ElementsAre;

TEST(VerifierHealthTest, ReportsTheStateAndThenEveryChange) {
  absl::Status passes;
  VerifierHealth health([&] { return passes; });
  std::vector<bool> told;
  health.OnChange([&](bool healthy) { told.push_back(healthy); });
  health.Look();
  EXPECT_THAT(told, ElementsAre(true));
  passes = absl::UnavailableError("no pass has ended");
  health.Look();
  health.Look();
  EXPECT_THAT(told, ElementsAre(true, false));
  passes = absl::OkStatus();
  health.Look();
  EXPECT_THAT(told, ElementsAre(true, false, true));
}

TEST(VerifierHealthTest, ALateListenerGetsTheCurrentState) {
  absl::Status passes = absl::UnavailableError("no pass has ended");
  VerifierHealth health([&] { return passes; });
  health.Look();
  std::vector<bool> told;
  health.OnChange([&](bool healthy) { told.push_back(healthy); });
  health.OnChange(nullptr);
  passes = absl::OkStatus();
  health.Look();
  EXPECT_THAT(told, ElementsAre(false));
}

}  // namespace
}  // namespace recycling::verifier
