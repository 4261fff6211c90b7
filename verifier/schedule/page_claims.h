#ifndef RECYCLING_VERIFIER_SCHEDULE_PAGE_CLAIMS_H_
#define RECYCLING_VERIFIER_SCHEDULE_PAGE_CLAIMS_H_

#include <map>
#include <string_view>
#include <tuple>

#include "verifier/schedule/pass_runner.h"

namespace recycling::verifier {

// Of prompts that go on with the same page, which one fills it: the one that has the most of it,
// the first of equals. The others find it once it is kept. Used for one pass: Add all prompts that
// wait, then ask. The states must outlive it.
class PageClaims {
 public:
  void Add(const SequenceState& state);
  // False if `state` should wait for the page of another.
  bool MayFill(const SequenceState& state) const;

 private:
  // Tenant, the pages before, the bytes of the page's tokens.
  using Page = std::tuple<std::string_view, const void*, std::string_view>;
  static Page NextPage(const SequenceState& state);
  // Whether the rest of its prompt has all of that page.
  static bool HasFullPage(const SequenceState& state);

  std::map<Page, const SequenceState*> fillers_;
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_SCHEDULE_PAGE_CLAIMS_H_
