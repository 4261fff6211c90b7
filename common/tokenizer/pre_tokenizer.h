// Cuts a text into words. Byte-level BPE merges bytes only within a word. Each known pre-tokenizer
// is a list of patterns. A later pattern cuts the words that the earlier ones left.
#ifndef RECYCLING_COMMON_TOKENIZER_PRE_TOKENIZER_H_
#define RECYCLING_COMMON_TOKENIZER_PRE_TOKENIZER_H_

#include <unicode/regex.h>

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace recycling {

// Threads: immutable.
class PreTokenizer {
 public:
  // Creates the pre-tokenizer that model files call `name`. README.md lists the names. The empty
  // name means "default". Unimplemented for another name.
  static absl::StatusOr<PreTokenizer> Create(std::string_view name);

  // The end of each word of `text`, in bytes, ascending. The words cover the text. `text` must be
  // UTF-8 of less than 2^31 bytes. Takes time linear in its length. ResourceExhausted or Internal
  // if ICU reports an error.
  absl::StatusOr<std::vector<std::size_t>> Split(std::string_view text) const;

  // Whether a word that is in the vocabulary becomes one token even if merges do not lead to it.
  bool whole_words() const { return whole_words_; }

 private:
  std::vector<std::unique_ptr<icu::RegexPattern>> patterns_;
  bool whole_words_ = false;
};

}  // namespace recycling

#endif  // RECYCLING_COMMON_TOKENIZER_PRE_TOKENIZER_H_
