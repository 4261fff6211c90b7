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

}  // namespace

double MatrixSource::Prior(std::uint8_t token_class) const { return kMatrixPrior[token_class]; }

void MatrixSource::Candidates(const DraftPath& path, SourceAnswer* answer) const {
  std::array<TokenId, kMaxK> row;
  NameRow(std::span(row).first(matrix_->ReadRow(path.last(), row)), answer);
}

void MatrixSource::Observe(const ObservedStep& step) {
  if (step.rows != nullptr) Learn(*step.rows, matrix_);
}

}  // namespace recycling::drafter
