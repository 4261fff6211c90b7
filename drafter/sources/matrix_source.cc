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

// The same for base rows. The first eight values and the last are close to what the default model
// showed in 103 steps at temperature 0.8; the first is lower, because with a larger vocabulary the
// next token depends more on the text before the last token.
constexpr std::array<double, kRankClasses + 1> kBasePrior = {0.25, 0.1,  0.08, 0.05,  0.03,  0.03,
                                                             0.02, 0.02, 0.01, 0.005, 0.002, 0.004};

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
