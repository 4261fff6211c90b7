// Turns the tokens of a sequence into text: whole UTF-8 characters, up to a stop string.
//  1. Text and match depend only on the bytes, not on how tokens or steps divide them.
//  2. The first match to be complete ends the text. If several matches end at the same byte, the
//     longest one counts.
//  3. The stream holds back text that may be the beginning of a stop string, and the bytes of an
//     unfinished character.
//  4. A token belongs to the output if at least one of its bytes stands before the match.
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
  // `stops`: valid UTF-8, so that a match begins and ends between characters. No string is empty.
  // Strings may be equal.
  explicit TextStream(const std::vector<std::string>& stops);

  // Appends the bytes of one token, which may be empty. Returns the text that can be shown now. If
  // a stop string matches, returns the rest of the text before the match.
  std::string Add(std::string_view token_bytes);

  // Ends the text without a match. Returns the text that was held back. An unfinished character
  // becomes U+FFFD.
  std::string Finish();

  // The index in `stops` of the string that matched. Absent if none did.
  std::optional<std::size_t> match() const { return match_; }

  // The number of added tokens that belong to the output for certain. After a match or Finish, this
  // is the number of tokens of the output.
  std::size_t settled_tokens() const { return settled_; }

 private:
  // One stop string with the failure function of Knuth, Morris and Pratt.
  struct Stop {
    std::string text;
    std::vector<std::size_t> failure;
    // The length of the longest prefix of `text` that is a suffix of the added bytes.
    std::size_t matched = 0;

    // Adds one byte. Returns true if it completes `text`.
    bool Add(char byte);
  };

  // Releases the bytes before position `end`, which counts from the start of the sequence. Returns
  // their text. An unfinished character at the end is kept for the next call, or becomes U+FFFD if
  // this is the `last` call.
  std::string ReleaseUpTo(std::size_t end, bool last);
  void SettleUpTo(std::size_t end);

  std::vector<Stop> stops_;
  std::string unfinished_;               // released bytes that begin an unfinished character
  std::string held_;                     // bytes not released yet
  std::size_t released_ = 0;             // number of released bytes
  std::vector<std::size_t> token_ends_;  // position after the last byte of each added token
  std::size_t settled_ = 0;
  std::optional<std::size_t> match_;
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_LOOP_TEXT_STREAM_H_
