#include "drafter/sources/pair_source.h"

#include <array>
#include <optional>
#include <span>

namespace recycling::drafter {
namespace {

// The prior of each rank class, then that of a token that is not in the row.
constexpr std::array<double, kRankClasses + 1> kPairPrior = {
    0.5, 0.12, 0.06, 0.04, 0.03, 0.02, 0.015, 0.01, 0.005, 0.003, 0.002, 0.0001};

}  // namespace

double PairSource::Prior(std::uint8_t token_class) const { return kPairPrior[token_class]; }

void PairSource::Candidates(const DraftPath& path, SourceAnswer* answer) const {
  answer->other_class = kNotInRow;
  const std::optional<TokenId> before = path.Before(1);
  if (!before.has_value()) return;
  std::array<TokenId, kMaxK> row;
  NameRow(std::span(row).first(pairs_->ReadRow(*before, path.last(), row)), answer);
}

void PairSource::Observe(const ObservedStep& step) {
  if (step.rows == nullptr) return;
  const Observation& rows = *step.rows;
  const auto learn = [&](std::size_t row, std::optional<TokenId> before) {
    if (before.has_value()) {
      pairs_->WriteRow(*before, rows.tokens[row], CandidatesOf(rows, row));
    }
  };
  const std::optional<TokenId> before_root =
      step.root > 0 ? std::optional(step.committed[step.root - 1]) : std::nullopt;
  for (std::size_t row = 0; row < rows.parents.size(); ++row) {
    learn(row, row == 0 ? before_root : rows.tokens[static_cast<std::size_t>(rows.parents[row])]);
  }
  std::optional<TokenId> before = before_root;
  for (const std::uint32_t row : rows.accepted_path) {
    learn(row, before);
    before = rows.tokens[row];
  }
}

}  // namespace recycling::drafter
