#include "drafter/sources/matrix_source.h"

#include <array>
#include <span>

namespace recycling::drafter {
namespace {

// The prior of each rank class, then that of a token that is not in the row. The first eight values
// are measured: how often a small trained model at temperature 0.6 chose the candidate of this
// rank. The next three values continue the decrease.
constexpr std::array<double, kRankClasses + 1> kMatrixPrior = {
    0.35, 0.11, 0.06, 0.045, 0.04, 0.03, 0.02, 0.015, 0.008, 0.004, 0.002, 0.0001};

// The same for base rows. The first candidate is right about half as often as that of a learnt row.
// A token that is not in the row was named by another source, and is right more often than in
// learnt rows.
constexpr std::array<double, kRankClasses + 1> kBasePrior = {
    0.2, 0.08, 0.05, 0.035, 0.03, 0.02, 0.018, 0.015, 0.008, 0.004, 0.002, 0.03};

}  // namespace

double MatrixSource::Prior(std::uint8_t token_class) const {
  return token_class < kFirstBaseClass ? kMatrixPrior[token_class]
                                       : kBasePrior[token_class - kFirstBaseClass];
}

void MatrixSource::Candidates(const DraftPath& path, SourceAnswer* answer) const {
  std::array<TokenId, kMaxK> row;
  std::uint32_t size = matrix_->ReadRow(path.last(), row);
  const bool learnt = size > 0 || base_ == nullptr;
  if (!learnt) size = base_->ReadRow(path.last(), row);
  NameRow(std::span(row).first(size), answer, learnt ? 0 : kFirstBaseClass);
}

void MatrixSource::Observe(const ObservedStep& step) {
  if (step.rows != nullptr) Learn(*step.rows, matrix_);
}

}  // namespace recycling::drafter
