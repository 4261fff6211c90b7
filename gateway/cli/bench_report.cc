#include "gateway/cli/bench_report.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/log.h"
#include "gateway/cli/draft_view.h"

namespace recycling::cli {
namespace {

double Divide(double a, double b) { return b > 0 ? a / b : 0; }

double PerSecond(std::uint64_t count, std::uint64_t micros) {
  return Divide(static_cast<double>(count) * 1e6, static_cast<double>(micros));
}

double Percent(std::uint64_t part, std::uint64_t whole) {
  return Divide(100.0 * static_cast<double>(part), static_cast<double>(whole));
}

std::string TokenAt(const Output& output, std::size_t i) {
  return i < output.token_ids.size() ? absl::StrCat(output.token_ids[i]) : "absent";
}

void AddTimings(const gateway::v1::Timings& from, gateway::v1::Timings* to) {
  to->set_total_micros(to->total_micros() + from.total_micros());
  to->set_time_to_first_token_micros(to->time_to_first_token_micros() +
                                     from.time_to_first_token_micros());
  to->set_prefill_micros(to->prefill_micros() + from.prefill_micros());
  to->set_decode_micros(to->decode_micros() + from.decode_micros());
  to->set_draft_micros(to->draft_micros() + from.draft_micros());
  to->set_verify_micros(to->verify_micros() + from.verify_micros());
  to->set_verify_forward_micros(to->verify_forward_micros() + from.verify_forward_micros());
  to->set_rest_micros(to->rest_micros() + from.rest_micros());
  to->set_draft_inside_micros(to->draft_inside_micros() + from.draft_inside_micros());
  to->set_verify_inside_micros(to->verify_inside_micros() + from.verify_inside_micros());
  to->set_wire_micros(to->wire_micros() + from.wire_micros());
  to->set_queue_micros(to->queue_micros() + from.queue_micros());
}

void AddSteps(const gateway::v1::StepDurations& from, gateway::v1::StepDurations* to) {
  AddHistogram(from.drafted_overhead(), to->mutable_drafted_overhead());
  AddHistogram(from.plain_overhead(), to->mutable_plain_overhead());
  AddHistogram(from.draft(), to->mutable_draft());
  AddHistogram(from.verify(), to->mutable_verify());
  AddHistogram(from.wire(), to->mutable_wire());
  AddHistogram(from.rest(), to->mutable_rest());
  AddHistogram(from.inter_token(), to->mutable_inter_token());
}

void AddSpeculation(const gateway::v1::SpeculationStats& from, gateway::v1::SpeculationStats* to) {
  to->set_steps(to->steps() + from.steps());
  to->set_drafted_steps(to->drafted_steps() + from.drafted_steps());
  to->set_draft_tokens(to->draft_tokens() + from.draft_tokens());
  to->set_accepted_tokens(to->accepted_tokens() + from.accepted_tokens());
  to->set_paused_steps(to->paused_steps() + from.paused_steps());
  auto* depths = to->mutable_accepted_per_depth();
  for (int d = 0; d < from.accepted_per_depth_size(); ++d) {
    if (d == depths->size()) depths->Add(0);
    depths->Set(d, depths->Get(d) + from.accepted_per_depth(d));
  }
  for (const auto& source : from.sources()) {
    if (!common::v1::DraftSource_IsValid(source.source())) continue;
    auto* all = to->mutable_sources();
    auto same = std::find_if(all->begin(), all->end(),
                             [&](const auto& other) { return other.source() == source.source(); });
    if (same == all->end()) {
      *all->Add() = source;
      continue;
    }
    same->set_proposed(same->proposed() + source.proposed());
    same->set_accepted(same->accepted() + source.accepted());
    same->set_proposed_alone(same->proposed_alone() + source.proposed_alone());
    same->set_accepted_alone(same->accepted_alone() + source.accepted_alone());
    same->set_expected(same->expected() + source.expected());
  }
  for (const auto& fallback : from.fallbacks()) {
    auto* counts = to->mutable_fallbacks();
    auto same = std::find_if(counts->begin(), counts->end(), [&](const auto& count) {
      return count.reason() == fallback.reason();
    });
    if (same == counts->end()) {
      *counts->Add() = fallback;
    } else {
      same->set_count(same->count() + fallback.count());
    }
  }
}

std::string Row(const std::string& name, const Totals& plain, const Totals& recycled) {
  return absl::StrFormat("%6s %9d %10.1f %10.1f %7.2f %6.2f %8.1f%%\n", name, recycled.tokens,
                         plain.DecodeTokensPerSecond(), recycled.DecodeTokensPerSecond(),
                         Ratio(plain, recycled), recycled.MeanAcceptedTokens(),
                         100 * recycled.AcceptanceRate());
}

std::string TimeRow(const std::string& name, const Totals& totals) {
  return absl::StrFormat(
      "%-9s draft %4.1f%%  verify %4.1f%%  wire %4.1f%%  rest %4.1f%%  of %.2f s decoding, "
      "%.2f s prefill\n",
      name, totals.DraftPercent(), totals.VerifyPercent(), totals.WirePercent(),
      totals.RestPercent(), static_cast<double>(totals.timings.decode_micros()) / 1e6,
      static_cast<double>(totals.timings.prefill_micros()) / 1e6);
}

std::string MedianRow(const std::string& name, const Median& median) {
  std::string row = absl::StrFormat("%-9s %8.2f", name, median.median);
  if (median.interval.has_value()) {
    absl::StrAppendFormat(&row, "  (95%% interval %.2f to %.2f)", median.interval->first,
                          median.interval->second);
  }
  return row + "\n";
}

std::string OverheadRow(const std::string& name, const gateway::v1::DurationHistogram& histogram) {
  if (CountOf(histogram) == 0) return "";
  return absl::StrFormat("%-9s p50 %.0f us, p99 %.0f us of %d steps\n", name,
                         QuantileMicros(histogram, 0.5), QuantileMicros(histogram, 0.99),
                         CountOf(histogram));
}

// The probability that at most k of n fair coins show heads.
double FairCoins(std::size_t n, std::size_t k) {
  const auto total = static_cast<double>(n);
  double sum = 0;
  for (std::size_t i = 0; i <= k; ++i) {
    const auto heads = static_cast<double>(i);
    sum += std::exp(std::lgamma(total + 1) - std::lgamma(heads + 1) -
                    std::lgamma(total - heads + 1) - total * std::log(2.0));
  }
  return sum;
}

std::vector<double> Side(const BenchSummary& summary, double (*of)(double plain, double recycled)) {
  std::vector<double> values;
  for (const auto& [plain, recycled] : summary.pairs) values.push_back(of(plain, recycled));
  return values;
}

// Whether drafts saved time in this run. Empty without pairs.
std::string VerdictText(const Median& ratio) {
  if (ratio.values == 0) return "";
  const char* verdict = ratio.median >= 1.02   ? "drafts made this faster"
                        : ratio.median <= 0.98 ? "drafts made this slower"
                                               : "drafts made no difference";
  return absl::StrFormat("%s: %.2f times the plain speed on this machine\n", verdict, ratio.median);
}

}  // namespace

void AddHistogram(const gateway::v1::DurationHistogram& from, gateway::v1::DurationHistogram* to) {
  gateway::v1::DurationHistogram sum;
  sum.set_sum_micros(from.sum_micros() + to->sum_micros());
  int a = 0;
  int b = 0;
  while (a < from.buckets_size() || b < to->buckets_size()) {
    const bool take_a =
        b == to->buckets_size() ||
        (a < from.buckets_size() && from.buckets(a).from_micros() <= to->buckets(b).from_micros());
    const auto& bucket = take_a ? from.buckets(a++) : to->buckets(b++);
    const int last = sum.buckets_size() - 1;
    if (last >= 0 && sum.buckets(last).from_micros() == bucket.from_micros()) {
      sum.mutable_buckets(last)->set_count(sum.buckets(last).count() + bucket.count());
    } else {
      *sum.add_buckets() = bucket;
    }
  }
  *to = std::move(sum);
}

std::uint64_t CountOf(const gateway::v1::DurationHistogram& histogram) {
  std::uint64_t count = 0;
  for (const auto& bucket : histogram.buckets()) count += bucket.count();
  return count;
}

double QuantileMicros(const gateway::v1::DurationHistogram& histogram, double q) {
  const double rank = q * static_cast<double>(CountOf(histogram));
  double below = 0;
  for (const auto& bucket : histogram.buckets()) {
    const auto count = static_cast<double>(bucket.count());
    if (below + count >= rank && count > 0) {
      const double width =
          static_cast<double>(bucket.to_micros()) - static_cast<double>(bucket.from_micros());
      return static_cast<double>(bucket.from_micros()) + width * (rank - below) / count;
    }
    below += count;
  }
  return 0;
}

Median MedianOf(std::vector<double> values) {
  Median result{.values = values.size(), .median = 0, .interval = std::nullopt};
  if (values.empty()) return result;
  std::sort(values.begin(), values.end());
  const std::size_t n = values.size();
  result.median = (values[(n - 1) / 2] + values[n / 2]) / 2;
  // The true median lies between the low-th smallest and the low-th largest value, unless fewer
  // than `low` of the n values lie below it or fewer than `low` lie above it. Each of these two
  // events has a probability of at most 2.5 %.
  std::size_t low = 0;
  while (low < n / 2 && FairCoins(n, low) <= 0.025) ++low;
  if (low > 0) result.interval = {values[low - 1], values[n - low]};
  return result;
}

Median PairRatio(const BenchSummary& summary) {
  return MedianOf(Side(
      summary, [](double plain, double recycled) { return plain > 0 ? recycled / plain : 0; }));
}

Median PlainMedian(const BenchSummary& summary) {
  return MedianOf(Side(summary, [](double plain, double) { return plain; }));
}

Median RecycledMedian(const BenchSummary& summary) {
  return MedianOf(Side(summary, [](double, double recycled) { return recycled; }));
}

std::optional<std::string> Difference(const Output& got, const Output& expected) {
  std::string difference;
  const auto ids = std::mismatch(got.token_ids.begin(), got.token_ids.end(),
                                 expected.token_ids.begin(), expected.token_ids.end());
  if (ids.first != got.token_ids.end() || ids.second != expected.token_ids.end()) {
    const auto i = static_cast<std::size_t>(ids.first - got.token_ids.begin());
    absl::StrAppend(&difference, "token ", i, " is ", TokenAt(got, i), ", expected ",
                    TokenAt(expected, i), "; ");
  }
  if (got.text != expected.text) {
    const auto text =
        std::mismatch(got.text.begin(), got.text.end(), expected.text.begin(), expected.text.end());
    absl::StrAppend(&difference, "texts differ from byte ", text.first - got.text.begin(), "; ");
  }
  if (got.final.finish_reason() != expected.final.finish_reason()) {
    absl::StrAppend(&difference, "finish reason is ", FinishReason_Name(got.final.finish_reason()),
                    ", expected ", FinishReason_Name(expected.final.finish_reason()), "; ");
  }
  if (difference.empty()) return std::nullopt;
  difference.resize(difference.size() - 2);
  return difference;
}

void Totals::Add(const gateway::v1::Final& final) {
  ++runs;
  tokens += final.usage().completion_tokens();
  AddTimings(final.timings(), &timings);
  AddSpeculation(final.speculation(), &speculation);
  AddSteps(final.steps(), &steps);
}

double Totals::DecodeTokensPerSecond() const { return PerSecond(tokens, timings.decode_micros()); }

double Totals::OverallTokensPerSecond() const { return PerSecond(tokens, timings.total_micros()); }

double Totals::MeanAcceptedTokens() const {
  return Divide(static_cast<double>(tokens), speculation.steps());
}

double Totals::AcceptanceRate() const {
  return Percent(speculation.accepted_tokens(), speculation.draft_tokens()) / 100;
}

double Totals::DraftPercent() const {
  // The wait for a draft that did not come counts neither as time of the drafter nor as time of the
  // wire.
  return Percent(timings.draft_inside_micros(), timings.decode_micros());
}

double Totals::VerifyPercent() const {
  return Percent(timings.verify_inside_micros(), timings.decode_micros());
}

double Totals::WirePercent() const {
  return Percent(timings.wire_micros(), timings.decode_micros());
}

double Totals::RestPercent() const {
  const std::uint64_t known =
      timings.draft_inside_micros() + timings.verify_inside_micros() + timings.wire_micros();
  return Percent(timings.decode_micros() - std::min(known, timings.decode_micros()),
                 timings.decode_micros());
}

std::vector<double> Totals::AcceptedPerDepthPercent() const {
  std::vector<double> percents;
  for (const std::uint64_t count : speculation.accepted_per_depth()) {
    percents.push_back(Percent(count, speculation.drafted_steps()));
  }
  return percents;
}

std::uint64_t Totals::Fallbacks() const {
  std::uint64_t count = 0;
  for (const auto& fallback : speculation.fallbacks()) count += fallback.count();
  return count;
}

double Ratio(const Totals& plain, const Totals& recycled) {
  return Divide(recycled.DecodeTokensPerSecond(), plain.DecodeTokensPerSecond());
}

std::string BenchTable(const BenchSummary& summary) {
  std::string table = absl::StrFormat("%6s %9s %10s %10s %7s %6s %9s\n", "prompt", "tokens",
                                      "plain t/s", "recyc. t/s", "ratio", "MAT", "accepted");
  for (std::size_t i = 0; i < summary.plain_by_prompt.size(); ++i) {
    absl::StrAppend(
        &table, Row(absl::StrCat(i), summary.plain_by_prompt[i], summary.recycled_by_prompt[i]));
  }
  for (const auto& [name, totals] : summary.by_category) {
    absl::StrAppend(&table, Row(Escaped(name), totals.first, totals.second));
  }
  absl::StrAppend(
      &table, Row("all", summary.plain, summary.recycled), "\n", "tokens/s, medians of ",
      summary.pairs.size(), " pairs:\n", MedianRow("plain", PlainMedian(summary)),
      MedianRow("recycled", RecycledMedian(summary)), MedianRow("ratio", PairRatio(summary)),
      "\nwhere the time went:\n", TimeRow("plain", summary.plain),
      TimeRow("recycled", summary.recycled), "\ngateway, drafter and wire per step:\n",
      OverheadRow("plain", summary.plain.steps.plain_overhead()),
      OverheadRow("recycled", summary.recycled.steps.drafted_overhead()),
      OverheadRow("paused", summary.recycled.steps.plain_overhead()),
      "\naccepted per depth, of drafted steps:");
  for (const double percent : summary.recycled.AcceptedPerDepthPercent()) {
    absl::StrAppend(&table, absl::StrFormat(" %.1f%%", percent));
  }
  absl::StrAppend(&table, "\n", SourcesText(summary.recycled.speculation),
                  "steps without a draft: ", summary.recycled.Fallbacks(),
                  " because no drafter gave a usable one, ",
                  summary.recycled.speculation.paused_steps(),
                  " because drafting was paused\noutputs: ");
  if (summary.different == 0) {
    absl::StrAppend(&table, "all equal\n");
  } else {
    absl::StrAppend(&table, summary.different, " of ", summary.plain.runs + summary.recycled.runs,
                    " differ\n");
  }
  absl::StrAppend(&table, VerdictText(PairRatio(summary)));
  return table;
}

}  // namespace recycling::cli
