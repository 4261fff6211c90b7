// Records the calls to several fakes, in order.
#ifndef RECYCLING_TESTS_DOUBLES_CALL_TRACE_H_
#define RECYCLING_TESTS_DOUBLES_CALL_TRACE_H_

#include <string>
#include <utility>
#include <vector>

#include "common/base/mutex.h"

namespace recycling::doubles {

// A test can compare these words, one for each call:
//   verifier.session  verifier.open  verifier.verify <step>  verifier.cancel  verifier.close
//   drafter.session   drafter.prompt <step>  drafter.observe <step>  drafter.propose <step>
//   drafter.close
// Threads: all methods may be called from any thread.
class CallTrace {
 public:
  void Add(std::string call) {
    MutexLock lock(mu_);
    calls_.push_back(std::move(call));
  }

  std::vector<std::string> Calls() const {
    MutexLock lock(mu_);
    return calls_;
  }

  void Clear() {
    MutexLock lock(mu_);
    calls_.clear();
  }

 private:
  mutable Mutex mu_;
  std::vector<std::string> calls_ ABSL_GUARDED_BY(mu_);
};

}  // namespace recycling::doubles

#endif  // RECYCLING_TESTS_DOUBLES_CALL_TRACE_H_
