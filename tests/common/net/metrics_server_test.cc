#include "common/net/metrics_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "common/base/process_metrics.h"
#include "tests/doubles/exposition.h"
#include "tests/doubles/http_get.h"
#include "tests/doubles/matchers.h"

namespace recycling {
namespace {

using doubles::Exposition;
using doubles::HttpGet;
using doubles::IsOk;
using doubles::ParseExposition;
using doubles::Scrape;
using doubles::StatusIs;
using ::testing::HasSubstr;

constexpr char kAnyPort[] = "127.0.0.1:0";

TEST(MetricsServerTest, CallsItsSourcesInEachRequest) {
  std::atomic<int> asked = 0;
  const auto server = MetricsServer::Start(
      kAnyPort, {[&](MetricSet* set) {
                   set->Counter("asked_total", "Requests.", static_cast<double>(++asked));
                   set->Gauge("size", "Sizes.", 2.5, {{"of", "a \"quoted\\ \n one"}});
                 },
                 [](MetricSet* set) {
                   set->Gauge("size", "Sizes.", 1e15, {{"of", "other"}, {"more", ""}});
                   DurationHistogram durations;
                   durations.Add(absl::Microseconds(20));
                   set->Durations("took_seconds", "Durations.", durations, {4, 5});
                 }});
  ASSERT_THAT(server, IsOk());
  const auto first = Scrape((*server)->address());
  ASSERT_THAT(first, IsOk());
  EXPECT_EQ((*first)["asked_total"], 1);
  EXPECT_EQ((*first)["size{of=\"a \\\"quoted\\\\ \\n one\"}"], 2.5);
  EXPECT_EQ((*first)["size{more=\"\",of=\"other\"}"], 1e15);
  EXPECT_EQ((*first)["took_seconds_bucket{le=\"1.6e-05\"}"], 0);
  EXPECT_EQ((*first)["took_seconds_bucket{le=\"3.2e-05\"}"], 1);
  EXPECT_EQ((*first)["took_seconds_bucket{le=\"+Inf\"}"], 1);
  EXPECT_EQ((*first)["took_seconds_sum"], 20e-6);
  EXPECT_EQ(first->types.at("took_seconds"), "histogram");
  const auto second = Scrape((*server)->address());
  ASSERT_THAT(second, IsOk());
  EXPECT_EQ((*second)["asked_total"], 2);
}

TEST(MetricsServerTest, ServesNoOtherPath) {
  const auto server = MetricsServer::Start(kAnyPort, {});
  ASSERT_THAT(server, IsOk());
  for (const char* path : {"/", "/etc/passwd", "/../../../../etc/passwd", "/stats"}) {
    const auto answer = HttpGet((*server)->address(), path);
    ASSERT_THAT(answer, IsOk());
    EXPECT_EQ(answer->code, 404) << path;
  }
}

TEST(MetricsServerTest, RefusesAddressesThatItCannotBind) {
  for (const char* bad :
       {"", "9464", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:-1", "127.0.0.1:65536",
        "127.0.0.1:1,127.0.0.1", "a b:1", "127.0.0.1:80s", "::1:80"}) {
    EXPECT_THAT(MetricsServer::Start(bad, {}).status(),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("expected host:port")))
        << bad;
  }
  const auto server = MetricsServer::Start(kAnyPort, {});
  ASSERT_THAT(server, IsOk());
  EXPECT_THAT(MetricsServer::Start((*server)->address(), {}).status(),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr((*server)->address())))
      << "it does not share a port that another server uses";
}

TEST(MetricsServerTest, RefusesOtherAddressesThanLoopbackUnlessAllowed) {
  // The last address is 127.0.0.1 if its first number is octal, and 177.0.0.1 if it is decimal.
  for (const char* here : {"localhost:0", "0177.0.0.1:0"}) {
    EXPECT_THAT(MetricsServer::Start(here, {}), IsOk()) << here;
  }
  for (const char* beyond :
       {":0", "0.0.0.0:0", "0:0", "[::]:0", "192.0.2.1:0", "[2001:db8::1]:0"}) {
    const auto server = MetricsServer::Start(beyond, {});
    EXPECT_THAT(server.status(),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr(std::string("got ") + beyond + " in plaintext")));
    EXPECT_THAT(std::string(server.status().message()), HasSubstr("--metrics_allow_plaintext"));
  }
  for (const std::string any : {"", "0"}) {
    const auto server = MetricsServer::Start(any + ":0", {}, /*allow_plaintext=*/true);
    ASSERT_THAT(server, IsOk()) << any;
    const std::string& address = (*server)->address();
    EXPECT_EQ(address.substr(0, address.rfind(':')), any);
    EXPECT_THAT(Scrape("127.0.0.1" + address.substr(address.rfind(':'))), IsOk()) << any;
  }
}

TEST(MetricsServerTest, AnswersManyRequestsAtOnce) {
  const auto server =
      MetricsServer::Start(kAnyPort, {[](MetricSet* set) { AddProcessMetrics("test", set); }});
  ASSERT_THAT(server, IsOk());
  std::vector<std::thread> clients;
  for (int i = 0; i < 8; ++i) {
    clients.emplace_back([&] {
      for (int j = 0; j < 20; ++j) EXPECT_THAT(Scrape((*server)->address()), IsOk());
    });
  }
  for (std::thread& client : clients) client.join();
}

TEST(ProcessMetricsTest, HasTheMetricsOfPrometheusClientLibraries) {
  const auto server =
      MetricsServer::Start(kAnyPort, {[](MetricSet* set) { AddProcessMetrics("test", set); }});
  ASSERT_THAT(server, IsOk());
  const auto scrape = Scrape((*server)->address());
  ASSERT_THAT(scrape, IsOk());
  EXPECT_GT((*scrape)["process_resident_memory_bytes"], 1e6);
  EXPECT_GT((*scrape)["process_virtual_memory_bytes"], (*scrape)["process_resident_memory_bytes"]);
  EXPECT_GT((*scrape)["process_open_fds"], 3);
  EXPECT_GT((*scrape)["process_max_fds"], (*scrape)["process_open_fds"]);
  EXPECT_GT((*scrape)["process_start_time_seconds"], 1.7e9);
  EXPECT_GE((*scrape)["process_cpu_seconds_total"], 0);
}

TEST(ParseExpositionTest, RefusesTextThatAPrometheusServerWouldMisread) {
  const std::string head = "# HELP a_total A.\n# TYPE a_total counter\n";
  EXPECT_THAT(ParseExposition(head + "a_total{x=\"1\",y=\"\\\"\\\\\\n\"} 5\n"), IsOk());
  for (const std::string& bad :
       {head + "a_total 1", std::string("a_total 1\n"), head + "b 1\n", head + "a_total -1\n",
        head + "a_total 1\na_total 2\n", head + "a_total one\n", head + "a_total{x=1} 1\n",
        head + "a_total{x=\"\"y\"} 1\n", head + "a_total{x=\"1\" y=\"2\"} 1\n",
        head + "a_total{x=\"1\",} 1\n", head + "\n", head + head,
        std::string("# HELP a A.\n# TYPE a counter\na 1\n"),
        std::string("# HELP h H.\n# TYPE h histogram\nh_bucket{le=\"1\"} 2\n"
                    "h_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n"),
        std::string("# HELP h H.\n# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\n"
                    "h_count 2\n")}) {
    EXPECT_THAT(ParseExposition(bad).status(), StatusIs(absl::StatusCode::kInvalidArgument)) << bad;
  }
}

}  // namespace
}  // namespace recycling
