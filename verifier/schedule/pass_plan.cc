#include "verifier/schedule/pass_plan.h"

#include <algorithm>
#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <numeric>
#include <queue>
#include <utility>

namespace recycling::verifier {
namespace {

// Adds up to `capacity` rows to `rows` by rule 4 of PlanPass, until each job has `most` rows.
void HandOut(std::span<const PassJob> jobs, std::span<const int> most, int capacity,
             std::vector<int>& rows) {
  int wanted = 0;
  for (std::size_t i = 0; i < jobs.size(); ++i) wanted += std::max(0, most[i] - rows[i]);
  if (wanted <= capacity) {
    for (std::size_t i = 0; i < jobs.size(); ++i) rows[i] = std::max(rows[i], most[i]);
    return;
  }
  struct Tenant {
    int rows = 0;
    std::deque<std::size_t> waiting;  // jobs that want more rows, in order of their turns
  };
  std::vector<Tenant> tenants;  // in order of the arrival of their first jobs
  std::map<std::string_view, std::size_t> places;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    const auto place = places.emplace(jobs[i].tenant, tenants.size()).first;
    if (place->second == tenants.size()) tenants.emplace_back();
    Tenant& tenant = tenants[place->second];
    tenant.rows += rows[i];
    if (rows[i] < most[i]) tenant.waiting.push_back(i);
  }
  using Turn = std::pair<int, std::size_t>;  // rows, tenant
  std::priority_queue<Turn, std::vector<Turn>, std::greater<>> turns;
  for (std::size_t t = 0; t < tenants.size(); ++t) {
    if (!tenants[t].waiting.empty()) turns.emplace(tenants[t].rows, t);
  }
  for (; capacity > 0 && !turns.empty(); --capacity) {
    const std::size_t t = turns.top().second;
    turns.pop();
    Tenant& tenant = tenants[t];
    const std::size_t job = tenant.waiting.front();
    tenant.waiting.pop_front();
    if (++rows[job] < most[job]) tenant.waiting.push_back(job);
    if (!tenant.waiting.empty()) turns.emplace(++tenant.rows, t);
  }
}

// The largest number of rows, up to `most`, whose time per row is about the shortest.
int CheapestChunk(int most, const PassCosts& costs) {
  if (costs.empty()) return most;
  constexpr int kStep = 16;  // kernels work in tiles of up to 16 rows
  const auto per_row = [&costs](int rows) { return costs.At(rows) / rows; };
  absl::Duration least = per_row(most);
  for (int rows = kStep; rows < most; rows += kStep) least = std::min(least, per_row(rows));
  int rows = most;
  while (per_row(rows) > kAboutAsCheap * least) rows = (rows - 1) / kStep * kStep;
  return rows;
}

// The most prefill rows that a pass with `used` other rows may have.
int PrefillRows(int used, const PassLimits& limits, const PassCosts& costs) {
  const int decoding = used > 0 ? used : limits.steps_soon;
  if (decoding == 0) return CheapestChunk(limits.prefill_chunk, costs);
  if (costs.empty()) return std::min(kUnmeasuredPrefillRows, limits.prefill_chunk);
  const absl::Duration most = (1 + kPrefillShare) * costs.At(decoding);
  int least = 1;
  int beyond = limits.prefill_chunk + 1;
  while (beyond - least > 1) {
    const int middle = least + (beyond - least) / 2;
    (costs.At(used + middle) <= most ? least : beyond) = middle;
  }
  return least;
}

}  // namespace

std::vector<int> PlanPass(std::span<const PassJob> jobs, const PassLimits& limits,
                          const PassCosts& costs) {
  std::vector<int> rows(jobs.size());
  std::vector<int> most(jobs.size());
  const auto used = [&rows] { return std::accumulate(rows.begin(), rows.end(), 0); };
  int prefill_wanted = 0;
  for (const PassJob& job : jobs) {
    if (job.prefill) prefill_wanted = std::min(limits.max_rows, prefill_wanted + job.rows);
  }

  for (std::size_t i = 0; i < jobs.size(); ++i) most[i] = jobs[i].prefill ? 0 : 1;
  HandOut(jobs, most, std::max(0, limits.max_rows - std::min(prefill_wanted, 1)), rows);

  for (std::size_t i = 0; i < jobs.size(); ++i) most[i] = rows[i] > 0 ? jobs[i].rows : 0;
  const int kept = std::min(prefill_wanted, std::max(1, limits.max_rows / 4));
  HandOut(jobs, most, std::max(0, limits.max_rows - used() - kept), rows);

  if (prefill_wanted == 0) return rows;
  for (std::size_t i = 0; i < jobs.size(); ++i) most[i] = jobs[i].prefill ? jobs[i].rows : rows[i];
  const int taken = used();
  HandOut(jobs, most, std::min(limits.max_rows - taken, PrefillRows(taken, limits, costs)), rows);
  return rows;
}

}  // namespace recycling::verifier
