// The text of a sequence as its tokens arrive: whole UTF-8 characters out, ended by a stop string.
//  1. Text and match are functions of the bytes alone, not of how tokens or steps cut them.
//  2. The match that is complete first wins; of matches that end at the same byte, the longest.
//  3. Text that may be the beginning of a stop string is held back; so are bytes of an unfinished
//     character.
//  4. A token belongs to the output if its bytes lie wholly or partly before the match.
#ifndef RECYCLING_GATEWAY_LOOP_TEXT_STREAM_H_
#define RECYCLING_GATEWAY_LOOP_TEXT_STREAM_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace recycling::gateway {

// Call order: Add* Finish?; nothing after a match or Finish. Threads: one.
class TextStream {
 public:
  // `stops`: distinct or not, none empty; valid UTF-8, so that a match begins and ends between
  // characters.
  explicit TextStream(const std::vector<std::string>& stops);

  // Appends the bytes of one token, maybe none; returns the text that can be shown now. After a
  // match this is all text before it.
  std::string Add(std::string_view token_bytes);

  // The end without a match: everything held back. An unfinished character becomes U+FFFD.
  std::string Finish();

  // Index in `stops` of the string that matched.
  std::optional<std::size_t> match() const { return match_; }

  // How many of the tokens added belong to the output whatever follows. After a match or Finish
  // this is final: it is the number of tokens of the output.
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
