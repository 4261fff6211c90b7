// Runs `recycling stats --watch` as a user does.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "common/program/program.h"
#include "tests/doubles/matchers.h"
#include "tests/integration/cluster.h"

namespace recycling::integration {
namespace {

using doubles::IsOk;
using doubles::IsOkAndHolds;
using doubles::Process;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(StatsWatchTest, RunsUntilInterruptedEvenIfTheGatewayStops) {
  Cluster cluster;
  // A gateway answers GetStats even if it has no verifier.
  const std::vector<std::string> flags = {"--verifiers=unix:" + (cluster.folder() / "nobody"),
                                          "--drafters="};
  const std::string address = cluster.Start("recycling-gateway", flags);
  const std::string log = cluster.folder() / "watch.log";
  const char* bin = std::getenv("RECYCLING_BIN_DIR");
  auto watch = Process::Start({std::string(bin == nullptr ? "." : bin) + "/recycling", "stats",
                               "--watch", "0.1", "--gateway", address},
                              log);
  ASSERT_THAT(watch, IsOk());
  const auto text = [&] {
    std::ifstream file(log);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  const auto shown = [&](const std::string& what, std::size_t from) {
    std::size_t at = std::string::npos;
    EXPECT_TRUE(Eventually([&] { return (at = text().find(what, from)) != std::string::npos; }))
        << text();
    return at == std::string::npos ? from : at;
  };
  std::size_t at = shown("0 running", 0);
  at = shown("0 running", at + 1);
  cluster.Kill(address);
  at = shown("does not answer: UNAVAILABLE", at);
  at = shown("does not answer: UNAVAILABLE", at + 1);
  EXPECT_EQ(cluster.Start("recycling-gateway", flags, address), address);
  shown("0 running", at);
  EXPECT_THAT(text(), Not(HasSubstr("\x1b"))) << "the output is a file and not a terminal";
  (*watch)->Signal(SIGINT);
  EXPECT_THAT((*watch)->Wait(absl::Minutes(1)), IsOkAndHolds(kExitInterrupted));
}

}  // namespace
}  // namespace recycling::integration
