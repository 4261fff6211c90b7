#include "verifier/forward/routing.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "verifier/kernels/float_math.h"

namespace recycling::verifier {

void Routing::Choose(std::size_t row, const float* logits) {
  const std::span<Choice> choices = std::span(choices_).subspan(row * used_, used_);
  bool finite = true;
  std::size_t chosen = 0;
  // Keeps the choices sorted by logit; `weight` holds the logit until the end.
  for (std::size_t expert = 0; expert < experts_; ++expert) {
    const float logit = logits[expert];
    finite = finite && std::isfinite(logit);
    if (chosen == used_ && !(logit > choices[chosen - 1].weight)) continue;
    if (chosen < used_) ++chosen;
    std::size_t at = chosen - 1;
    for (; at > 0 && logit > choices[at - 1].weight; --at) choices[at] = choices[at - 1];
    choices[at] = {.expert = static_cast<std::uint32_t>(expert), .weight = logit};
  }
  const float largest = choices.front().weight;
  float sum = 0;
  for (Choice& choice : choices) {
    choice.weight = Exp(choice.weight - largest);
    sum += choice.weight;
  }
  for (Choice& choice : choices) {
    choice.weight = finite ? choice.weight / sum : std::numeric_limits<float>::quiet_NaN();
  }
}

void Routing::Group() {
  std::vector<std::size_t>& next = next_use_;
  next.assign(experts_, 0);
  for (const Choice& choice : choices_) ++next[choice.expert];
  groups_.clear();
  std::size_t uses = 0;
  for (std::size_t expert = 0; expert < experts_; ++expert) {
    const std::size_t count = next[expert];
    if (count != 0) groups_.push_back({.rows = count, .matrix = expert});
    next[expert] = uses;
    uses += count;
  }
  rows_.resize(choices_.size());
  for (std::size_t i = 0; i < choices_.size(); ++i) {
    choices_[i].use = next[choices_[i].expert]++;
    rows_[choices_[i].use] = i / used_;
  }
}

}  // namespace recycling::verifier
