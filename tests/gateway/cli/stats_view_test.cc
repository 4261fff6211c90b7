#include "gateway/cli/stats_view.h"

#include <gtest/gtest.h>

#include "tests/doubles/proto_matchers.h"

namespace recycling::cli {
namespace {

namespace pb = gateway::v1;
using doubles::ParseProto;

const pb::GetStatsResponse& Before() {
  static const auto* const stats = new pb::GetStatsResponse(ParseProto<pb::GetStatsResponse>(R"pb(
    uptime_micros: 60000000
    requests_succeeded: 10
    requests_failed: 1
    prompt_tokens: 100
    completion_tokens: 1000
    speculation {
      steps: 500
      mean_accepted_tokens: 2
      draft_tokens: 4000
      accepted_tokens: 500
      paused_steps: 10
      fallbacks { reason: FALLBACK_REASON_TIMEOUT count: 4 }
    }
    steps {
      draft {
        buckets { from_micros: 256 to_micros: 272 count: 5 }
        sum_micros: 1300
      }
      inter_token {
        buckets { from_micros: 20480 to_micros: 21504 count: 7 }
        sum_micros: 147000
      }
    }
  )pb"));
  return *stats;
}

const pb::GetStatsResponse& After() {
  static const auto* const stats = new pb::GetStatsResponse(ParseProto<pb::GetStatsResponse>(R"pb(
    uptime_micros: 3662000000
    requests_running: 3
    requests_waiting: 2
    requests_capacity: 8
    requests_succeeded: 3612
    requests_failed: 1
    prompt_tokens: 3702
    completion_tokens: 73040
    speculation {
      steps: 600
      mean_accepted_tokens: 2.05
      draft_tokens: 4200
      accepted_tokens: 550
      paused_steps: 12
      moves: 2
      fallbacks { reason: FALLBACK_REASON_UNAVAILABLE count: 1 }
      fallbacks { reason: FALLBACK_REASON_TIMEOUT count: 6 }
    }
    steps {
      draft {
        buckets { from_micros: 256 to_micros: 272 count: 5 }
        buckets { from_micros: 512 to_micros: 544 count: 10 }
        sum_micros: 6600
      }
      verify {
        buckets { from_micros: 16384 to_micros: 17408 count: 100 }
        sum_micros: 1700000
      }
      wire {
        buckets { from_micros: 384 to_micros: 400 count: 100 }
        sum_micros: 39000
      }
      inter_token {
        buckets { from_micros: 20480 to_micros: 21504 count: 7 }
        buckets { from_micros: 40960 to_micros: 43008 count: 50 }
        buckets { from_micros: 2097152 to_micros: 2228224 count: 50 }
        sum_micros: 110000000
      }
    }
    requests { time_to_first_token { buckets { from_micros: 81920 to_micros: 86016 count: 4 } } }
    peers { role: PEER_ROLE_VERIFIER address: "10.0.0.1:50051" ready: true requests_running: 3 }
    peers { role: PEER_ROLE_DRAFTER address: "drafter\x1b:1" detail: "no answer\n" }
  )pb"));
  return *stats;
}

TEST(StatsViewTest, ShowsTheDifferenceBetweenTwoAnswers) {
  EXPECT_EQ(StatsView("127.0.0.1:50050", Before(), After()),
            R"(gateway        127.0.0.1:50050, up 1h1m2s; the last 3602.0 s
requests       3 running of 8, 2 waiting; 1.00/s ended well, 0.00/s failed
tokens         20.0/s written, 1.0/s in prompts
first token    p50 84.0 ms, p99 86.0 ms of 4 requests
between tokens p50 43.0 ms, p99 2.2 s of 100 steps
drafting       MAT 2.30 over 100 steps; accepted 50 of 200 drafted tokens (25.0%); 2 steps paused
step, p50      draft 528 us, verify 16.9 ms, wire 392 us, rest -
fallbacks      1 unavailable, 2 timeout
moved          2 times to another verifier
verifier       10.0.0.1:50051: ready, 3 running
drafter        drafter\x1b:1: not ready, 0 running: no answer\n
)");
}

TEST(StatsViewTest, ShowsADashForValuesWithoutSamples) {
  EXPECT_EQ(StatsView("unix:/g", After(), After()).substr(0, 200).find("nan"), std::string::npos);
  EXPECT_EQ(StatsView("unix:/g", pb::GetStatsResponse(),
                      ParseProto<pb::GetStatsResponse>("uptime_micros: 2000000")),
            R"(gateway        unix:/g, up 2s; the last 2.0 s
requests       0 running of 0, 0 waiting; 0.00/s ended well, 0.00/s failed
tokens         0.0/s written, 0.0/s in prompts
first token    p50 -, p99 - of 0 requests
between tokens p50 -, p99 - of 0 steps
drafting       -
step, p50      draft -, verify -, wire -, rest -
fallbacks      none
)");
}

TEST(StatsViewTest, AfterARestartOfTheGatewayShowsTheTimeSinceItsStart) {
  const pb::GetStatsResponse between = StatsBetween(After(), Before());
  EXPECT_EQ(between.uptime_micros(), 60'000'000u);
  EXPECT_EQ(between.completion_tokens(), 1000u);
  EXPECT_EQ(between.speculation().steps(), 500u);
}

TEST(StatsViewTest, ShowsWhyTheGatewayDoesNotAnswer) {
  EXPECT_EQ(LostView("127.0.0.1:1", absl::UnavailableError("refused\x1b[2J")),
            "gateway        127.0.0.1:1 does not answer: UNAVAILABLE: refused\\x1b[2J\n");
}

TEST(StatsViewTest, RedrawingClearsEachLineAndAllLinesBelow) {
  EXPECT_EQ(Redraw("a\nb\n"), "\x1b[Ha\x1b[K\nb\x1b[K\n\x1b[J");
}

}  // namespace
}  // namespace recycling::cli
