// The text of a sequence as its tokens arrive: whole UTF-8 characters, up to a stop string.
//  1. Text and match depend on the bytes alone, not on how tokens or steps divide them.
//  2. The match that is complete first wins. Of the matches that end at the same byte, the longest
//     wins.
//  3. Text that may be the beginning of a stop string is held back, and so are the bytes of an
//     unfinished character.
//  4. A token belongs to the output if at least one of its bytes lies before the match.
#ifndef RECYCLING_GATEWAY_LOOP_TEXT_STREAM_H_
#define RECYCLING_GATEWAY_LOOP_TEXT_STREAM_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace recycling::gateway {

// Call order: Add* Finish?. Call nothing after a match or after Finish. Threads: one.
class TextStream {
 public:
  // `stops`: distinct or not, none empty; valid UTF-8, so that a match begins and ends between
  // characters.
  explicit TextStream(const std::vector<std::string>& stops);

  // Appends the bytes of one token, which may have none. Returns the text that can be shown now. If
  // a stop string matches, that is the rest of the text before the match.
  std::string Add(std::string_view token_bytes);

  // The output ends without a match. Returns everything held back; an unfinished character becomes
  // U+FFFD.
  std::string Finish();

  // Index in `stops` of the string that matched.
  std::optional<std::size_t> match() const { return match_; }

  // How many of the added tokens belong to the output, whatever follows. After a match or Finish it
  // is the number of tokens of the output.
  std::size_t settled_tokens() const { return settled_; }

 private:
  // One stop string with the failure function of Knuth, Morris and Pratt.
  struct Stop {
    std::string text;
    std::vector<std::size_t> failure;
    std::size_t matched = 0;  // longest prefix of text that is a suffix of what was added

    // True if text is complete with `byte`.
    bool Add(char byte);
  };

  // The text of the bytes before position `end`, counted from the start of the sequence, but for an
  // unfinished character at its end; if it is `last`, that becomes U+FFFD.
  std::string ReleaseUpTo(std::size_t end, bool last);
  void SettleUpTo(std::size_t end);

  std::vector<Stop> stops_;
  std::string unfinished_;               // bytes released that begin a character
  std::string held_;                     // bytes not released yet
  std::size_t released_ = 0;             // bytes released
  std::vector<std::size_t> token_ends_;  // position behind each token added
  std::size_t settled_ = 0;
  std::optional<std::size_t> match_;
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_LOOP_TEXT_STREAM_H_
