// Shows what drafts did: which source guessed each token, and the trees of steps.
#ifndef RECYCLING_GATEWAY_CLI_DRAFT_VIEW_H_
#define RECYCLING_GATEWAY_CLI_DRAFT_VIEW_H_

#include <deque>
#include <string>
#include <string_view>

#include "common/decoding/draft_tree.h"
#include "recycling/gateway/v1/gateway.pb.h"

namespace recycling::cli {

// The source with this number, which a server sent; kUnspecified if it is not known here.
DraftSource KnownSource(int source);

// The names of a set of sources, the most telling one first: "sequence, matrix". "no source" for an
// empty set.
std::string DraftSourceNames(DraftSourceSet sources);

// One line for each source that proposed nodes, and an empty text if none did.
std::string SourcesText(const gateway::v1::SpeculationStats& speculation);

// The output of a request whose deltas carry traces. Each token that a source guessed has the color
// of this source; if several guessed it, of the most telling one. Tokens that the model had to add
// itself are underlined. Without colors, "{s the}" is a token " the" that the source "sequence"
// guessed. Apart from colors and braces, the texts that Show returns are those of the deltas. Text
// that the traces do not explain has no mark.
class DraftColors {
 public:
  explicit DraftColors(bool colors) : colors_(colors) {}

  // What to print for the next delta.
  std::string Show(const gateway::v1::Delta& delta);

  // One line that explains the colors.
  std::string Legend() const;

 private:
  // A token of a step that may become output.
  struct Token {
    std::string bytes;  // those that were not shown yet
    bool drafted = false;
    DraftSourceSet sources = 0;
  };

  void AddStep(const gateway::v1::StepTrace& trace);
  // Removes these bytes from the front of tokens_. Returns false if they are not there.
  bool TakeBytes(std::string_view bytes);
  std::string Painted(const std::string& text, const Token& token) const;

  const bool colors_;
  std::deque<Token> tokens_;  // of the traces so far that no delta has shown yet
};

// The tree of a step, one line for each node: token, estimate, sources, and whether the model
// accepted it. The last line holds the token that the model chose after the accepted path.
std::string TreeText(const gateway::v1::StepTrace& trace, bool colors);

}  // namespace recycling::cli

#endif  // RECYCLING_GATEWAY_CLI_DRAFT_VIEW_H_
