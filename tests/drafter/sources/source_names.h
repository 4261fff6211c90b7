// Returns the candidates of a source as a list that a test can compare.
#ifndef RECYCLING_TESTS_DRAFTER_SOURCES_SOURCE_NAMES_H_
#define RECYCLING_TESTS_DRAFTER_SOURCES_SOURCE_NAMES_H_

#include <span>
#include <utility>
#include <vector>

#include "drafter/sources/candidate_source.h"

namespace recycling::drafter {

using Names = std::vector<std::pair<TokenId, std::uint8_t>>;  // token and class

inline SourceAnswer AnswerOf(const CandidateSource& source, const std::vector<TokenId>& drafted) {
  SourceAnswer answer;
  source.Candidates({.committed = {}, .drafted = drafted}, &answer);
  return answer;
}

inline Names ListOf(const SourceAnswer& answer) {
  Names names;
  for (std::size_t i = 0; i < answer.size; ++i) {
    names.push_back({answer.named[i].token, answer.named[i].token_class});
  }
  return names;
}

inline Names NamesOf(const CandidateSource& source, const std::vector<TokenId>& drafted) {
  return ListOf(AnswerOf(source, drafted));
}

}  // namespace recycling::drafter

#endif  // RECYCLING_TESTS_DRAFTER_SOURCES_SOURCE_NAMES_H_
