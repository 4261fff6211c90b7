// Compares the metrics of the services with the sums over the final messages of all requests.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/base/mutex.h"
#include "common/net/tls_files.h"
#include "common/rpc/health_client.h"
#include "nlohmann/json.hpp"
#include "tests/doubles/certificates.h"
#include "tests/doubles/exposition.h"
#include "tests/doubles/matchers.h"
#include "tests/doubles/proto_matchers.h"
#include "tests/integration/cluster.h"
#include "tests/integration/models.h"

namespace recycling::integration {
namespace {

namespace pb = gateway::v1;
using doubles::Exposition;
using doubles::IsOk;
using doubles::ParseProto;
using doubles::Scrape;

constexpr absl::Duration kLong = absl::Minutes(1);
constexpr char kMonitoring[] = "/deploy/monitoring/";

pb::GenerateRequest Request(const std::string& options) {
  return ParseProto<pb::GenerateRequest>("prompt: 'the way of the' " + options);
}

// Sums over the final messages of requests.
struct Sums {
  std::uint64_t requests = 0;
  std::map<std::string, std::uint64_t> finishes;
  std::uint64_t prompt_tokens = 0;
  std::uint64_t completion_tokens = 0;
  std::uint64_t steps = 0, drafted_steps = 0, draft_tokens = 0, accepted_tokens = 0, paused = 0;
  std::vector<std::uint64_t> accepted_per_depth;
  std::map<std::string, std::uint64_t> fallbacks;
  std::map<std::string, std::pair<std::uint64_t, std::uint64_t>> sources;  // proposed, accepted
  std::map<std::string, pb::DurationHistogram> durations;  // has the buckets of every request
  std::uint64_t verify_inside = 0;

  void AddDuration(const std::string& name, std::uint64_t micros) {
    auto& histogram = durations[name];
    auto* bucket = histogram.add_buckets();
    bucket->set_from_micros(micros);
    bucket->set_to_micros(micros + 1);
    bucket->set_count(1);
    histogram.set_sum_micros(histogram.sum_micros() + micros);
  }

  void AddDurations(const std::string& name, const pb::DurationHistogram& of) {
    auto& histogram = durations[name];
    for (const auto& bucket : of.buckets()) *histogram.add_buckets() = bucket;
    histogram.set_sum_micros(histogram.sum_micros() + of.sum_micros());
  }

  void Add(const pb::Final& final) {
    ++requests;
    ++finishes[absl::AsciiStrToLower(pb::FinishReason_Name(final.finish_reason()).substr(14))];
    prompt_tokens += final.usage().prompt_tokens();
    completion_tokens += final.usage().completion_tokens();
    const auto& speculation = final.speculation();
    steps += speculation.steps();
    drafted_steps += speculation.drafted_steps();
    draft_tokens += speculation.draft_tokens();
    accepted_tokens += speculation.accepted_tokens();
    paused += speculation.paused_steps();
    for (int depth = 0; depth < speculation.accepted_per_depth_size(); ++depth) {
      const auto at = static_cast<std::size_t>(depth);
      if (accepted_per_depth.size() <= at) accepted_per_depth.resize(at + 1, 0);
      accepted_per_depth[at] += speculation.accepted_per_depth(depth);
    }
    for (const pb::SourceStats& source : speculation.sources()) {
      auto& [proposed, accepted] =
          sources[absl::AsciiStrToLower(common::v1::DraftSource_Name(source.source()).substr(13))];
      proposed += source.proposed();
      accepted += source.accepted();
    }
    for (const auto& fallback : speculation.fallbacks()) {
      fallbacks[absl::AsciiStrToLower(pb::FallbackReason_Name(fallback.reason()).substr(16))] +=
          fallback.count();
    }
    const auto& timings = final.timings();
    verify_inside += timings.verify_inside_micros();
    AddDuration("recycling_request_queue_time_seconds", timings.queue_micros());
    AddDuration("recycling_request_prefill_time_seconds", timings.prefill_micros());
    AddDuration("recycling_time_to_first_token_seconds", timings.time_to_first_token_micros());
    AddDuration("recycling_request_decode_time_seconds", timings.decode_micros());
    AddDuration("recycling_e2e_request_latency_seconds", timings.total_micros());
    AddDurations("recycling_inter_token_latency_seconds", final.steps().inter_token());
    AddDurations("recycling_step_draft_seconds", final.steps().draft());
    AddDurations("recycling_step_verify_seconds", final.steps().verify());
    AddDurations("recycling_step_wire_seconds", final.steps().wire());
    AddDurations("recycling_step_rest_seconds", final.steps().rest());
    AddDurations("recycling_step_overhead_seconds{kind=\"drafted\"}",
                 final.steps().drafted_overhead());
    AddDurations("recycling_step_overhead_seconds{kind=\"plain\"}", final.steps().plain_overhead());
  }
};

// Adds `suffix` to a metric name, which may have labels in braces. If `label` is not empty, adds it
// to the labels.
std::string Series(const std::string& name, const std::string& suffix,
                   const std::string& label = "") {
  const std::size_t brace = name.find('{');
  if (brace == std::string::npos) {
    return label.empty() ? name + suffix : absl::StrCat(name, suffix, "{", label, "}");
  }
  return absl::StrCat(name.substr(0, brace), suffix, name.substr(brace, name.size() - brace - 1),
                      label.empty() ? "" : ",", label, "}");
}

void ExpectReconciled(const Exposition& scrape, const Sums& sums) {
  const auto expect = [&](const std::string& sample, std::uint64_t expected) {
    EXPECT_EQ(scrape[sample], static_cast<double>(expected)) << sample;
  };
  expect("recycling_num_requests_running", 0);
  std::uint64_t succeeded = 0;
  for (const auto& [reason, count] : sums.finishes) {
    expect(absl::StrCat("recycling_request_success_total{finished_reason=\"", reason, "\"}"),
           count);
    succeeded += count;
  }
  EXPECT_EQ(succeeded, sums.requests);
  expect("recycling_prompt_tokens_total", sums.prompt_tokens);
  expect("recycling_generation_tokens_total", sums.completion_tokens);
  expect("recycling_decode_steps_total", sums.steps);
  expect("recycling_spec_decode_num_drafts_total", sums.drafted_steps);
  expect("recycling_spec_decode_num_draft_tokens_total", sums.draft_tokens);
  expect("recycling_spec_decode_num_accepted_tokens_total", sums.accepted_tokens);
  expect("recycling_draft_paused_steps_total", sums.paused);
  std::uint64_t accepted = 0;
  for (std::size_t depth = 0; depth < sums.accepted_per_depth.size(); ++depth) {
    expect(absl::StrCat("recycling_spec_decode_num_accepted_tokens_per_pos_total{position=\"",
                        depth, "\"}"),
           sums.accepted_per_depth[depth]);
    accepted += sums.accepted_per_depth[depth];
  }
  EXPECT_EQ(accepted, sums.accepted_tokens);
  for (const char* source : {"unspecified", "matrix", "sequence", "recent", "pair"}) {
    const auto found = sums.sources.find(source);
    const std::string label = absl::StrCat("{source=\"", source, "\"}");
    expect("recycling_draft_source_tokens_total" + label,
           found == sums.sources.end() ? 0 : found->second.first);
    expect("recycling_draft_source_accepted_tokens_total" + label,
           found == sums.sources.end() ? 0 : found->second.second);
  }
  for (const char* reason : {"unavailable", "timeout", "stale", "malformed", "error", "mismatch"}) {
    const auto found = sums.fallbacks.find(reason);
    expect(absl::StrCat("recycling_draft_fallback_total{reason=\"", reason, "\"}"),
           found == sums.fallbacks.end() ? 0 : found->second);
  }
  for (const auto& [name, histogram] : sums.durations) {
    std::uint64_t count = 0;
    for (const auto& bucket : histogram.buckets()) count += bucket.count();
    expect(Series(name, "_count"), count);
    EXPECT_EQ(std::llround(scrape[Series(name, "_sum")] * 1e6),
              static_cast<long long>(histogram.sum_micros()))
        << name;
    for (int power = 10; power <= 24; ++power) {
      std::uint64_t below = 0;
      const std::uint64_t bound = std::uint64_t{1} << power;
      for (const auto& bucket : histogram.buckets()) {
        if (bucket.to_micros() <= bound) below += bucket.count();
      }
      // Write the number as the metrics do. A power of two times 1e-6 needs at most 16 digits.
      std::ostringstream number;
      number.precision(16);
      number << static_cast<double>(bound) / 1e6;
      expect(Series(name, "_bucket", absl::StrCat("le=\"", number.str(), "\"")), below);
    }
  }
  // Each request's part of the sum is rounded to whole microseconds.
  EXPECT_NEAR(scrape["recycling_verify_inside_seconds_total"] * 1e6,
              static_cast<double>(sums.verify_inside), static_cast<double>(sums.requests));
}

class MetricsTest : public testing::Test {
 protected:
  // Starts a program with metrics. Scraped(name) reads them; without a name, Scraped(program) does.
  std::string Start(const std::string& program, std::vector<std::string> flags,
                    std::string name = "") {
    if (name.empty()) name = program;
    flags.push_back("--metrics_listen=127.0.0.1:0");
    const std::string address = cluster_.Start(program, std::move(flags));
    // The log names the bound address.
    std::smatch found;
    std::string log;
    EXPECT_TRUE(Eventually([&] {
      log = cluster_.LastLog();
      return std::regex_search(log, found, std::regex("serving metrics address=(\\S+)\n"));
    })) << log;
    metrics_[name] = found.empty() ? "" : found[1].str();
    return address;
  }

  void SetUp() override {
    verifier_ = Start("recycling-verifier",
                      {"--model=" + TinyModel(cluster_.folder().path()), "--threads=1"});
    drafter_ = Start("recycling-drafter", {});
    gateway_ =
        Connect(Start("recycling-gateway", {"--verifiers=" + verifier_, "--drafters=" + drafter_,
                                            "--draft_deadline_ms=60000"}));
    ASSERT_TRUE(Eventually([&] { return AllPeersReady(gateway_); }));
  }

  Exposition Scraped(const std::string& name) {
    auto scrape = Scrape(metrics_.at(name));
    EXPECT_THAT(scrape, IsOk());
    return scrape.ok() ? *std::move(scrape) : Exposition();
  }

  void Run(const pb::GenerateRequest& request, Sums* sums) {
    const Output output = Generate(gateway_, request);
    ASSERT_TRUE(output.status.ok()) << output.ForPeople();
    sums->Add(output.final);
  }

  Cluster cluster_;
  std::string verifier_, drafter_;
  std::shared_ptr<grpc::Channel> gateway_;
  std::map<std::string, std::string> metrics_;  // addresses that serve metrics, by name
};

const std::vector<std::string> kMix = {
    "sampling { max_tokens: 60 ignore_eos: true } speculation { mode: SPECULATION_MODE_FIXED }",
    "sampling { max_tokens: 40 ignore_eos: true } speculation { mode: SPECULATION_MODE_OFF }",
    "sampling { max_tokens: 40 temperature: 0.8 seed: 7 }",
    "sampling { max_tokens: 50 temperature: 1.2 seed: 9 ignore_eos: true } "
    "speculation { mode: SPECULATION_MODE_FIXED matrix_scope: MATRIX_SCOPE_REQUEST }",
    "sampling { max_tokens: 64 ignore_eos: true } stop: 'e' "
    "speculation { mode: SPECULATION_MODE_FIXED node_budget: 12 }",
    "sampling { max_tokens: 1 }",
};

TEST_F(MetricsTest, CountersAreTheSumsOverFinalMessages) {
  Sums sums;
  for (const std::string& options : kMix) Run(Request(options), &sums);
  EXPECT_GT(sums.accepted_tokens, 0u);
  // Without the drafter, steps fall back to plain ones.
  cluster_.Kill(drafter_);
  for (const std::string& options : kMix) Run(Request(options), &sums);
  EXPECT_FALSE(sums.fallbacks.empty());

  ExpectReconciled(Scraped("recycling-gateway"), sums);

  EXPECT_FALSE(Generate(gateway_, Request("sampling { top_p: 7 }")).status.ok());
  const Exposition scrape = Scraped("recycling-gateway");
  EXPECT_EQ(scrape["recycling_request_queue_time_seconds_count"],
            static_cast<double>(sums.requests + 1))
      << "a request that fails at its start also leaves the queue";
  EXPECT_EQ(scrape["recycling_e2e_request_latency_seconds_count"],
            static_cast<double>(sums.requests));
  EXPECT_EQ(scrape["recycling_request_failure_total{code=\"INVALID_ARGUMENT\"}"], 1);
  EXPECT_EQ(scrape["recycling_peers{role=\"drafter\"}"], 1);
  EXPECT_EQ(scrape["recycling_peers_ready{role=\"verifier\"}"], 1);
  EXPECT_TRUE(Eventually([&] {
    return Scraped("recycling-gateway")["recycling_peers_ready{role=\"drafter\"}"] == 0;
  }));
}

TEST_F(MetricsTest, ScrapingWhileRequestsRunIsSafeAndCountersOnlyGrow) {
  std::atomic<bool> over = false;
  std::thread scraper([&] {
    std::map<std::string, double> before;
    int scrapes = 0;
    do {
      for (const auto& [program, address] : metrics_) {
        const auto scrape = Scrape(address);
        ASSERT_THAT(scrape, IsOk());
        for (const auto& [sample, value] : scrape->samples) {
          const std::string name = sample.substr(0, sample.find('{'));
          if (!name.ends_with("_total") && !name.ends_with("_bucket")) continue;
          double& last = before[program + " " + sample];
          EXPECT_GE(value, last) << sample;
          last = value;
        }
      }
      ++scrapes;
    } while (!over);
    EXPECT_GT(scrapes, 1);
  });
  Mutex mutex;
  Sums sums;
  std::vector<std::thread> clients;
  for (int client = 0; client < 3; ++client) {
    clients.emplace_back([&] {
      for (const std::string& options : kMix) {
        const Output output = Generate(gateway_, Request(options));
        MutexLock lock(mutex);
        EXPECT_TRUE(output.status.ok()) << output.ForPeople();
        if (output.status.ok()) sums.Add(output.final);
      }
    });
  }
  for (std::thread& client : clients) client.join();
  over = true;
  scraper.join();
  MutexLock lock(mutex);
  ExpectReconciled(Scraped("recycling-gateway"), sums);
}

TEST_F(MetricsTest, VerifierAndDrafterCountTheWorkOfTheGateway) {
  Sums sums;
  // The verifier has already run passes at its start, to measure their costs.
  const Exposition before = Scraped("recycling-verifier");
  for (const std::string& options : kMix) {
    // A stop string may end the output in an earlier step. The final message leaves out the rest.
    if (!absl::StrContains(options, "stop:")) Run(Request(options), &sums);
  }
  const Exposition verifier = Scraped("recycling-verifier");
  const auto grown = [&](const std::string& name) { return verifier[name] - before[name]; };
  EXPECT_EQ(verifier["recycling_verifier_sequences_open"], 0);
  EXPECT_GT(verifier["recycling_verifier_pass_cost_seconds{rows=\"1\"}"], 0);
  EXPECT_GE(verifier["recycling_verifier_pass_cost_seconds{rows=\"64\"}"],
            verifier["recycling_verifier_pass_cost_seconds{rows=\"1\"}"]);
  int kernels = 0;  // one for each measured size
  for (const auto& [name, value] : verifier.samples) {
    const bool of_one_row = absl::StartsWith(name, "recycling_verifier_kernel{") &&
                            absl::StrContains(name, "rows=\"1\"");
    if (!of_one_row) continue;
    ++kernels;
    EXPECT_EQ(value, 1) << name;
  }
  EXPECT_EQ(kernels, 1);
  EXPECT_EQ(grown("recycling_verifier_rows_total{kind=\"root\"}"), static_cast<double>(sums.steps));
  EXPECT_EQ(grown("recycling_verifier_rows_total{kind=\"draft\"}"),
            static_cast<double>(sums.draft_tokens));
  EXPECT_EQ(grown("recycling_verifier_rows_total{kind=\"prefill\"}") +
                grown("recycling_prefix_cache_hits_total"),
            static_cast<double>(sums.prompt_tokens - sums.requests));
  EXPECT_GE(grown("recycling_verifier_pass_seconds_count"), static_cast<double>(sums.steps));

  // The drafter may not have received the last message of a session yet.
  EXPECT_TRUE(Eventually(
      [&] { return Scraped("recycling-drafter")["recycling_drafter_sessions_active"] == 0; }));
  const Exposition drafter = Scraped("recycling-drafter");
  EXPECT_GE(drafter["recycling_drafter_draft_seconds_count"],
            static_cast<double>(sums.drafted_steps));
  EXPECT_GE(drafter["recycling_drafter_draft_tokens_total"],
            static_cast<double>(sums.draft_tokens));
  EXPECT_GE(drafter["recycling_drafter_matrix_updates_total"],
            static_cast<double>(sums.drafted_steps));
  EXPECT_EQ(drafter["recycling_drafter_sessions_total"], static_cast<double>(kMix.size() - 2));
  EXPECT_EQ(drafter["recycling_drafter_matrices{scope=\"tenant\"}"], 1);
  EXPECT_GT(drafter["recycling_drafter_matrix_rows_filled{scope=\"tenant\"}"], 0);
  EXPECT_GT(drafter["recycling_drafter_matrix_bytes"], 0);
}

TEST_F(MetricsTest, AReadyPeerWithBadAnswersCountsAsEjected) {
  const Exposition before = Scraped("recycling-gateway");
  for (const char* role : {"verifier", "drafter"}) {
    EXPECT_EQ(before[absl::StrCat("recycling_peers_ejected{role=\"", role, "\"}")], 0);
    EXPECT_EQ(before[absl::StrCat("recycling_peer_ejections_total{role=\"", role, "\"}")], 0);
  }
  const std::string liar =
      cluster_.Start("recycling-fake-drafter", {"--any_model", "--mode=garbage"});
  gateway_ = Connect(Start("recycling-gateway",
                           {"--verifiers=" + verifier_, "--drafters=" + liar,
                            "--draft_deadline_ms=60000", "--speculation=fixed"},
                           "misled"));
  ASSERT_TRUE(Eventually([&] { return AllPeersReady(gateway_); }));
  Exposition after;
  EXPECT_TRUE(Eventually([&] {
    const Output output =
        Generate(gateway_, Request("sampling { max_tokens: 60 ignore_eos: true }"));
    EXPECT_TRUE(output.status.ok()) << output.ForPeople();
    after = Scraped("misled");
    return after["recycling_peers_ejected{role=\"drafter\"}"] == 1;
  }));
  EXPECT_EQ(after["recycling_peers_ready{role=\"drafter\"}"], 1)
      << "this drafter answers handshakes";
  EXPECT_GE(after["recycling_peer_ejections_total{role=\"drafter\"}"], 1);
  EXPECT_EQ(after["recycling_peers_ejected{role=\"verifier\"}"], 0);
  EXPECT_EQ(after["recycling_peer_ejections_total{role=\"verifier\"}"], 0);
}

TEST_F(MetricsTest, RefusedConnectionsAreCounted) {
  for (const char* name : {"recycling-gateway", "recycling-verifier", "recycling-drafter"}) {
    EXPECT_EQ(Scraped(name)["recycling_connections_refused_total"], 0) << name;
  }
  const std::string full = Start("recycling-drafter", {"--max_connections=1"}, "full");
  const auto first = Connect(full);
  ASSERT_TRUE(CheckHealth(first, "", kLong).ok());
  EXPECT_TRUE(Eventually([&] {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    const auto second =
        grpc::CreateCustomChannel(full, grpc::InsecureChannelCredentials(), arguments);
    EXPECT_FALSE(CheckHealth(second, "", kLong).ok());
    return Scraped("full")["recycling_connections_refused_total"] >= 1;
  }));
}

constexpr char kExpiry[] = "recycling_tls_certificate_expiry_seconds";

// Starts services whose certificates expire at known times.
class LockedMetricsTest : public MetricsTest {
 protected:
  void StartLocked() {
    const auto issue = [this](const std::string& name, absl::Duration lifetime) {
      return doubles::WriteTlsFiles(cluster_.folder().path(), name,
                                    authority_.Issue("DNS:" + name, lifetime),
                                    authority_.certificate());
    };
    drafter_files_ = issue("drafter", absl::Hours(2));
    gateway_files_ = issue("gateway", absl::Hours(3));
    const std::string drafter =
        Start("recycling-drafter",
              {"--tls_cert=" + drafter_files_.certificate, "--tls_key=" + drafter_files_.key},
              "locked drafter");
    Start("recycling-gateway",
          {"--verifiers=" + drafter, "--drafters=", "--peer_tls_ca=" + gateway_files_.ca,
           "--peer_tls_cert=" + gateway_files_.certificate, "--peer_tls_key=" + gateway_files_.key},
          "locked gateway");
  }

  static double Expiry(const TlsFiles& files) {
    const auto material = ReadTlsFiles(files);
    EXPECT_THAT(material, IsOk());
    return material.ok() ? static_cast<double>(absl::ToUnixSeconds(material->expires)) : 0;
  }

  doubles::CertificateAuthority authority_{"authority"};
  TlsFiles drafter_files_, gateway_files_;
};

TEST_F(LockedMetricsTest, OnlyProgramsWithACertificateExportItsExpiry) {
  for (const auto& [name, address] : metrics_) {
    EXPECT_EQ(Scraped(name).Names().count(kExpiry), 0u) << name;
  }
  StartLocked();
  const std::string server = absl::StrCat(kExpiry, "{certificate=\"server\"}");
  const std::string client = absl::StrCat(kExpiry, "{certificate=\"client\"}");
  const Exposition drafter = Scraped("locked drafter");
  const Exposition gateway = Scraped("locked gateway");
  EXPECT_EQ(drafter[server], Expiry(drafter_files_));
  EXPECT_EQ(gateway[client], Expiry(gateway_files_));
  EXPECT_EQ(drafter.samples.count(client), 0u);
  EXPECT_EQ(gateway.samples.count(server), 0u) << "this gateway listens in plaintext";
}

class MonitoringFilesTest : public LockedMetricsTest {
 protected:
  static std::string Read(const std::string& name) {
    const char* source = std::getenv("RECYCLING_SOURCE_DIR");
    std::ifstream file(absl::StrCat(source == nullptr ? "." : source, kMonitoring, name));
    EXPECT_TRUE(file.good()) << name;
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }

  // Collects the metrics of the three services after a request, and of two services with TLS.
  void ScrapeAll() {
    Sums sums;
    Run(Request(kMix[0]), &sums);
    StartLocked();
    for (const auto& [program, address] : metrics_) {
      const Exposition scrape = Scraped(program);
      for (const auto& [sample, value] : scrape.samples) samples_.insert(sample);
      for (const auto& [family, type] : scrape.types) types_[family] = type;
      names_.merge(scrape.Names());
    }
  }

  // Expects that the services export every metric in `text`, and every label="value" that `text`
  // selects with it.
  void ExpectExported(const std::string& text, const std::string& where) {
    static const std::regex kName("\\b((?:recycling|process)_[a-z0-9_]+)(\\{[^}]*\\})?");
    static const std::regex kMatcher("([a-z_]+)=\"([^\"]*)\"");
    int found = 0;
    for (std::sregex_iterator it(text.begin(), text.end(), kName), end; it != end; ++it, ++found) {
      const std::string name = (*it)[1];
      EXPECT_TRUE(names_.count(name) > 0)
          << where << " uses " << name << ", which no service exports";
      const std::string matchers = (*it)[2];
      for (std::sregex_iterator label(matchers.begin(), matchers.end(), kMatcher); label != end;
           ++label) {
        const bool any = std::any_of(samples_.begin(), samples_.end(), [&](const auto& sample) {
          return sample.starts_with(name + "{") && sample.find(label->str()) != std::string::npos;
        });
        EXPECT_TRUE(any) << where << " uses " << it->str() << ", which no service exports";
      }
    }
    EXPECT_GT(found, 0) << where;
  }

  std::set<std::string> names_, samples_;
  std::map<std::string, std::string> types_;
};

TEST_F(MonitoringFilesTest, DashboardAlertsAndTableUseExportedMetrics) {
  ScrapeAll();
  const auto dashboard =
      nlohmann::json::parse(Read("dashboard.json"), nullptr, /*allow_exceptions=*/false);
  ASSERT_TRUE(dashboard.is_object());
  int targets = 0;
  for (const auto& panel : dashboard["panels"]) {
    for (const auto& target : panel.value("targets", nlohmann::json::array())) {
      ExpectExported(target["expr"].get<std::string>(), panel["title"].get<std::string>());
      ++targets;
    }
  }
  EXPECT_GT(targets, 20);
  ExpectExported(Read("alerts.yaml"), "alerts.yaml");

  // The table has one row for each family: | `name` | type | ...
  std::map<std::string, std::string> table;
  const std::string readme = Read("README.md");
  static const std::regex kRow("\n\\| `([a-z0-9_]+)` \\| ([a-z]+) \\|");
  for (std::sregex_iterator it(readme.begin(), readme.end(), kRow), end; it != end; ++it) {
    EXPECT_TRUE(table.emplace((*it)[1], (*it)[2]).second)
        << "the table has two rows for " << (*it)[1];
  }
  for (const auto& [family, type] : types_) {
    if (!family.starts_with("recycling_")) continue;
    EXPECT_EQ(table[family], type) << family << " in the table of " << kMonitoring << "README.md";
    table.erase(family);
  }
  for (const auto& [family, type] : table) {
    EXPECT_EQ(types_.count(family), 1u) << family << " is in the table, but no service exports it";
  }
}

}  // namespace
}  // namespace recycling::integration
