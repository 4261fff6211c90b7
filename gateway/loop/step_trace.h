#ifndef RECYCLING_GATEWAY_LOOP_STEP_TRACE_H_
#define RECYCLING_GATEWAY_LOOP_STEP_TRACE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "common/decoding/draft_tree.h"
#include "common/decoding/token_id.h"

namespace recycling::gateway {

// What one step verified, for clients that want to see it.
struct StepTrace {
  DraftTree tree;                   // the root alone if the step had no draft
  std::vector<int> accepted_nodes;  // indices in the tree, without the root
  TokenId next = 0;                 // the token that the model chose after them
  std::vector<std::string> pieces;  // bytes of each node's token, and then of `next`

  bool operator==(const StepTrace&) const = default;
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_LOOP_STEP_TRACE_H_
