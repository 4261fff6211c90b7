// Runs `recycling stats --watch` as a user does.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "common/program/program.h"
#include "tests/doubles/certificates.h"
#include "tests/doubles/matchers.h"
#include "tests/integration/cluster.h"

namespace recycling::integration {
namespace {

using doubles::IsOk;
using doubles::IsOkAndHolds;
using doubles::Process;
using ::testing::HasSubstr;
using ::testing::Not;

// The command, running, and what it has written so far.
class StatsWatchTest : public ::testing::Test {
 protected:
  // A gateway answers GetStats even if it has no verifier.
  std::string StartGateway(const std::string& listen = "127.0.0.1:0") {
    return cluster_.Start("recycling-gateway",
                          {"--verifiers=unix:" + (cluster_.folder() / "nobody"), "--drafters="},
                          listen);
  }

  void Watch(const std::string& address, const std::vector<std::string>& flags = {}) {
    const char* bin = std::getenv("RECYCLING_BIN_DIR");
    std::vector<std::string> words = {std::string(bin == nullptr ? "." : bin) + "/recycling",
                                      "stats",
                                      "--watch",
                                      "0.1",
                                      "--gateway",
                                      address};
    words.insert(words.end(), flags.begin(), flags.end());
    auto watch = Process::Start(words, log_);
    ASSERT_THAT(watch, IsOk());
    watch_ = *std::move(watch);
  }

  std::string Text() const {
    std::ifstream file(log_);
    return std::string(std::istreambuf_iterator<char>(file), {});
  }

  // Waits until `what` is written at `from` or later. Returns its place.
  std::size_t Shown(const std::string& what, std::size_t from) {
    std::size_t at = std::string::npos;
    EXPECT_TRUE(Eventually([&] { return (at = Text().find(what, from)) != std::string::npos; }))
        << Text();
    return at == std::string::npos ? from : at;
  }

  Cluster cluster_;
  const std::string log_ = cluster_.folder() / "watch.log";
  std::unique_ptr<Process> watch_;
};

TEST_F(StatsWatchTest, RunsUntilInterruptedEvenIfTheGatewayStops) {
  const std::string address = StartGateway();
  ASSERT_NO_FATAL_FAILURE(Watch(address));
  std::size_t at = Shown("0 running", 0);
  at = Shown("0 running", at + 1);
  cluster_.Kill(address);
  at = Shown("does not answer: UNAVAILABLE", at);
  at = Shown("does not answer: UNAVAILABLE", at + 1);
  EXPECT_EQ(StartGateway(address), address);
  Shown("0 running", at);
  EXPECT_THAT(Text(), Not(HasSubstr("\x1b"))) << "the output is a file and not a terminal";
  watch_->Signal(SIGINT);
  EXPECT_THAT(watch_->Wait(absl::Minutes(1)), IsOkAndHolds(kExitInterrupted));
}

TEST_F(StatsWatchTest, SaysThatTheGatewayDoesNotSpeakTls) {
  const std::string authority = cluster_.folder() / "authority.crt";
  doubles::ReplaceFile(authority, doubles::CertificateAuthority("authority").certificate());
  ASSERT_NO_FATAL_FAILURE(Watch(StartGateway(), {"--tls_ca", authority}));
  Shown("does not speak TLS: leave out --tls_ca", 0);
}

}  // namespace
}  // namespace recycling::integration
