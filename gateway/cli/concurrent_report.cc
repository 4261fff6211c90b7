#include "gateway/cli/concurrent_report.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace recycling::cli {
namespace {

void Append(const std::vector<double>& from, std::vector<double>* to) {
  to->insert(to->end(), from.begin(), from.end());
}

// The 50th and the 99th percentile, milliseconds.
std::string Quantiles(const std::vector<double>& micros) {
  return absl::StrFormat("%9.1f %9.1f", Quantile(micros, 0.5) / 1000,
                         Quantile(micros, 0.99) / 1000);
}

std::string Row(const std::string& name, const ConcurrentRound& round) {
  return absl::StrFormat("%-9s %9.1f %s %s %s\n", name, round.TokensPerSecond(),
                         Quantiles(round.first_token_micros), Quantiles(round.inter_token_micros),
                         Quantiles(round.between_messages_micros));
}

}  // namespace

void ConcurrentRound::Add(std::span<const Arrival> arrivals) {
  ++requests;
  for (std::size_t i = 0; i < arrivals.size(); ++i) {
    tokens += arrivals[i].tokens;
    if (i == 0) {
      first_token_micros.push_back(arrivals[i].micros);
      continue;
    }
    const double gap = arrivals[i].micros - arrivals[i - 1].micros;
    between_messages_micros.push_back(gap);
    inter_token_micros.insert(inter_token_micros.end(), arrivals[i].tokens,
                              gap / arrivals[i].tokens);
  }
}

void ConcurrentRound::Add(const ConcurrentRound& other) {
  requests += other.requests;
  tokens += other.tokens;
  wall_micros += other.wall_micros;
  Append(other.first_token_micros, &first_token_micros);
  Append(other.between_messages_micros, &between_messages_micros);
  Append(other.inter_token_micros, &inter_token_micros);
}

double ConcurrentRound::TokensPerSecond() const {
  return wall_micros > 0 ? static_cast<double>(tokens) * 1e6 / wall_micros : 0;
}

double Quantile(std::vector<double> values, double q) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const double rank = q * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(std::floor(rank));
  const std::size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (rank - std::floor(rank)) * (values[above] - values[below]);
}

std::string ConcurrentTable(const ConcurrentSummary& summary) {
  const Median ratio = MedianOf(summary.ratios);
  std::string table = absl::StrFormat(
      "concurrency %d, %d requests each way, %d rounds; milliseconds\n\n"
      "%-9s %9s %19s %19s %19s\n%-9s %9s %9s %9s %9s %9s %9s %9s\n",
      summary.concurrency, summary.plain.requests, ratio.values, "", "", "first token",
      "inter-token", "between messages", "", "tokens/s", "p50", "p99", "p50", "p99", "p50", "p99");
  absl::StrAppend(&table, Row("plain", summary.plain), Row("recycled", summary.recycled));
  absl::StrAppendFormat(&table, "\nratio of tokens/s, median of rounds: %.2f", ratio.median);
  if (ratio.interval.has_value()) {
    absl::StrAppendFormat(&table, "  (95%% interval %.2f to %.2f)", ratio.interval->first,
                          ratio.interval->second);
  }
  absl::StrAppend(&table, "\noutputs: ");
  if (summary.different == 0) {
    absl::StrAppend(&table, "all equal\n");
  } else {
    absl::StrAppend(&table, summary.different, " differ\n");
  }
  return table;
}

}  // namespace recycling::cli
