#ifndef RECYCLING_VERIFIER_SCHEDULE_PAGE_CLAIMS_H_
#define RECYCLING_VERIFIER_SCHEDULE_PAGE_CLAIMS_H_

#include <map>
#include <string_view>
#include <tuple>

#include "verifier/schedule/pass_runner.h"

namespace recycling::verifier {

// Decides which prompt computes a page that several prompts need next. This is the prompt that has
// computed most of the page; among equal ones it is the prompt that was added first. The others
// wait and take the page from the cache. Use one object for each pass: Add all prompts that wait,
// then call MayFill. The states must outlive the object.
class PageClaims {
 public:
  void Add(const SequenceState& state);
  // Returns false if `state` should wait for a page that another prompt computes.
  bool MayFill(const SequenceState& state) const;

 private:
  // Tenant, the pages before this one, and the bytes of this page's tokens.
  using Page = std::tuple<std::string_view, const void*, std::string_view>;
  static Page NextPage(const SequenceState& state);
  // True if the prompt has enough tokens to fill its next page.
  static bool HasFullPage(const SequenceState& state);

  std::map<Page, const SequenceState*> fillers_;
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_SCHEDULE_PAGE_CLAIMS_H_
