// Finds special tokens in a text, before any merging.
#ifndef RECYCLING_COMMON_TOKENIZER_SPECIAL_TOKENS_H_
#define RECYCLING_COMMON_TOKENIZER_SPECIAL_TOKENS_H_

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/decoding/token_id.h"

namespace recycling {

// Finds many strings in a text at once, with an Aho-Corasick automaton over the reversed strings.
// It reads the text from its end, so that at each byte it knows the longest string that starts
// there. Threads: immutable.
class SpecialTokens {
 public:
  struct Match {
    std::size_t begin;  // byte offsets into the text, half-open
    std::size_t end;
    TokenId id;
  };

  // Among equal texts the last one counts. Empty texts are left out. The object keeps no views of
  // the texts. At most 2^32 - 2 bytes in all.
  explicit SpecialTokens(const std::vector<std::pair<std::string_view, TokenId>>& tokens);

  // The matches from left to right, without overlaps. If several strings start at one byte, the
  // longest matches. Takes time and memory linear in the text, whatever the strings are. `text`
  // must have less than 2^32 bytes.
  std::vector<Match> Find(std::string_view text) const;

 private:
  using NodeId = std::uint32_t;
  struct Node {
    NodeId suffix = 0;         // the longest proper suffix of the node's string that is a node
    std::uint32_t length = 0;  // of the longest token that the node's string ends with; 0: none
    TokenId id = 0;            // of that token
  };

  NodeId Step(NodeId node, unsigned char byte) const;

  std::vector<Node> nodes_;  // [0] is the root
  absl::flat_hash_map<std::uint64_t, NodeId> edges_;
};

}  // namespace recycling

#endif  // RECYCLING_COMMON_TOKENIZER_SPECIAL_TOKENS_H_
