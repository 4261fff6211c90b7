// Chooses the experts of the rows of a pass, and groups the rows by expert.
#ifndef RECYCLING_VERIFIER_FORWARD_ROUTING_H_
#define RECYCLING_VERIFIER_FORWARD_ROUTING_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "verifier/kernels/matmul.h"

namespace recycling::verifier {

// Row r uses the `used` experts with the largest router logits. Equal logits: the expert with the
// smaller index. The weight of an expert is the softmax of its logit over the chosen experts, which
// equals the softmax over all experts divided by the sum of the chosen ones. If a logit of a row is
// not finite, all weights of the row are NaN. So the choice and the weights of a row depend only on
// its own logits.
//
// The pass has `used` uses of experts for each row. They are ordered by expert, and the uses of one
// expert by row.
class Routing {
 public:
  // One expert of a row.
  struct Choice {
    std::uint32_t expert = 0;
    float weight = 0;
    std::size_t use = 0;  // its place in the order of uses; set by Group
  };

  // `used` is 1 to `experts`. Both are 0 if the model has no mixture; nothing may be called then.
  Routing(std::size_t experts, std::size_t used) : experts_(experts), used_(used) {}

  // Makes room for `rows` rows.
  void Resize(std::size_t rows) { choices_.resize(rows * used_); }
  // Chooses the experts of row `row` by its logits [experts]. Threads: different rows may be chosen
  // at the same time.
  void Choose(std::size_t row, const float* logits);
  // Groups the rows, after Choose was called for all of them.
  void Group();

  // [used]; the largest logit comes first.
  std::span<const Choice> ChoicesOf(std::size_t row) const {
    return std::span(choices_).subspan(row * used_, used_);
  }
  // The row of each use.
  std::span<const std::size_t> rows() const { return rows_; }
  // The uses of each expert that has any; a group's matrix is the expert.
  std::span<const MatMul::RowGroup> groups() const { return groups_; }

 private:
  const std::size_t experts_;
  const std::size_t used_;
  std::vector<Choice> choices_;        // [rows, used]
  std::vector<std::size_t> next_use_;  // [experts]
  std::vector<std::size_t> rows_;      // [rows * used]
  std::vector<MatMul::RowGroup> groups_;
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_FORWARD_ROUTING_H_
