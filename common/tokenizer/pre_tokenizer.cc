#include "common/tokenizer/pre_tokenizer.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/status_macros.h"

namespace recycling {
namespace {

// Each pattern is that of the tokenizer in its name. In those tokenizers \s means Unicode's
// White_Space. ICU's \s lacks U+000B and U+0085, so the patterns here name the property. They use
// no possessive quantifiers, because these overflow ICU's stack on long runs of text.
#define SPACE "\\p{White_Space}"
#define NOT_SPACE "\\P{White_Space}"

// In this order: contractions; letters; digits; other signs; white space without its last character
// if a word follows; white space.
constexpr char kGpt2[] = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^" SPACE
                         "\\p{L}\\p{N}]+|" SPACE "+(?!" NOT_SPACE ")|" SPACE "+";

// Contractions in any case. U+017F is a lower-case s.
#define CONTRACTION "'(?:[sS\\x{17F}tTmMdD]|[rR][eE]|[vV][eE]|[lL][lL])"
// Line ends with the space before them; space as in kGpt2.
#define LINE_ENDS_AND_SPACE SPACE "*[\\r\\n]+|" SPACE "+(?!" NOT_SPACE ")|" SPACE "+"

// Contractions; letters with one sign before them; digits in groups; other signs with the line ends
// after them; line ends and space.
#define LLAMA3(DIGITS)                                               \
  CONTRACTION "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" DIGITS "| ?[^" SPACE \
              "\\p{L}\\p{N}]+[\\r\\n]*|" LINE_ENDS_AND_SPACE

// Letters with one sign before them and with ENDING after them, cut where an upper-case letter
// follows a lower-case one; digits in groups; other signs with the line ends and slashes after
// them; line ends and space. The first alternative ends in lower case, the second one begins in
// upper case.
#define BY_CASE(ENDING, DIGITS)                                                            \
  "[^\\r\\n\\p{L}\\p{N}]?[" UPPER "]*[" LOWER "]+" ENDING "|[^\\r\\n\\p{L}\\p{N}]?[" UPPER \
  "]+[" LOWER "]*" ENDING "|" DIGITS "| ?[^" SPACE "\\p{L}\\p{N}]+[\\r\\n/]*|" LINE_ENDS_AND_SPACE
#define UPPER "\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}"
#define LOWER "\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}"

// The signs of ASCII, as listed by deepseek-v3.
#define ASCII_SIGNS "!-/:-@\\[-`{-~"
// Ideographs and some other scripts, as listed by deepseek-llm.
#define IDEOGRAPHS "[\\x{4E00}-\\x{9FA5}\\x{800}-\\x{4E00}\\x{AC00}-\\x{D7FF}]+"

// Latin, Greek, Cyrillic, Armenian and other cased letters, as listed by deepseek-llm.
#define CASED_LETTERS                                                                         \
  "A-Za-z\\x{B5}\\x{C0}-\\x{D6}\\x{D8}-\\x{F6}\\x{F8}-\\x{1BA}\\x{1BC}-\\x{1BF}"              \
  "\\x{1C4}-\\x{293}\\x{295}-\\x{2AF}\\x{370}-\\x{373}\\x{376}\\x{377}\\x{37B}-\\x{37D}"      \
  "\\x{37F}\\x{386}\\x{388}-\\x{38A}\\x{38C}\\x{38E}-\\x{3A1}\\x{3A3}-\\x{3F5}"               \
  "\\x{3F7}-\\x{481}\\x{48A}-\\x{52F}\\x{531}-\\x{556}\\x{10A0}-\\x{10C5}\\x{13A0}-\\x{13F5}" \
  "\\x{13F8}-\\x{13FD}\\x{1C90}-\\x{1CBA}\\x{1CBD}-\\x{1CBF}\\x{1D00}-\\x{1D2B}"              \
  "\\x{1D6B}-\\x{1D77}\\x{1D79}-\\x{1D9A}\\x{1E00}-\\x{1F15}\\x{1F18}-\\x{1F1D}"              \
  "\\x{1F20}-\\x{1F45}\\x{1F48}-\\x{1F4D}\\x{1F50}-\\x{1F57}\\x{1F59}\\x{1F5B}\\x{1F5D}"      \
  "\\x{1F5F}-\\x{1F7D}\\x{1F80}-\\x{1FB4}\\x{1FB6}-\\x{1FBC}\\x{1FBE}\\x{1FC2}-\\x{1FC4}"     \
  "\\x{1FC6}-\\x{1FCC}\\x{1FD0}-\\x{1FD3}\\x{1FD6}-\\x{1FDB}\\x{1FE0}-\\x{1FEC}"              \
  "\\x{1FF2}-\\x{1FF4}\\x{1FF6}-\\x{1FFC}\\x{2102}\\x{2107}\\x{210A}-\\x{2113}\\x{2115}"      \
  "\\x{2119}-\\x{211D}\\x{2124}\\x{2126}\\x{2128}\\x{212A}-\\x{212D}\\x{212F}-\\x{2134}"      \
  "\\x{2139}\\x{213C}-\\x{213F}\\x{2145}-\\x{2149}\\x{214E}\\x{2183}\\x{2184}"                \
  "\\x{2C00}-\\x{2C7B}\\x{2C7E}-\\x{2CE4}\\x{2CEB}-\\x{2CEE}\\x{2CF2}\\x{2CF3}"               \
  "\\x{A640}-\\x{A66D}\\x{A680}-\\x{A69B}\\x{A722}-\\x{A76F}\\x{A771}-\\x{A787}"              \
  "\\x{A78B}-\\x{A78E}\\x{AB70}-\\x{ABBF}\\x{FB00}-\\x{FB06}\\x{FB13}-\\x{FB17}"              \
  "\\x{FF21}-\\x{FF3A}\\x{FF41}-\\x{FF5A}\\x{10400}-\\x{1044F}\\x{104B0}-\\x{104D3}"          \
  "\\x{104D8}-\\x{104FB}\\x{10C80}-\\x{10CB2}\\x{10CC0}-\\x{10CF2}\\x{118A0}-\\x{118DF}"      \
  "\\x{1E900}-\\x{1E943}"

struct Rules {
  std::vector<const char*> names;
  bool whole_words;
  std::vector<const char*> patterns;
};

const std::vector<Rules>& KnownRules() {
  static const auto* const rules = new std::vector<Rules>{
      {{"gpt-2", "mpt", "olmo", "exaone4"}, false, {kGpt2}},
      {{"llama-bpe", "llama3", "llama-v3", "falcon3", "pixtral"}, true, {LLAMA3("\\p{N}{1,3}")}},
      {{"dbrx", "smaug-bpe"}, false, {LLAMA3("\\p{N}{1,3}")}},
      {{"qwen2", "deepseek-r1-qwen", "stablelm2"}, false, {LLAMA3("\\p{N}")}},
      {{"smollm", "starcoder", "refact"}, false, {"\\p{N}", kGpt2}},
      {{"tekken"}, true, {BY_CASE("", "\\p{N}")}},
      {{"gpt-4o"}, false, {BY_CASE("(?:" CONTRACTION ")?", "\\p{N}{1,3}")}},
      {{"falcon"}, false, {"[\\p{P}\\$\\+<=>\\^~\\|`]+", kGpt2, "[0-9][0-9][0-9]"}},
      {{"deepseek-coder"},
       false,
       {"[\\r\\n]", SPACE "?\\p{L}+", SPACE "?\\p{P}+", IDEOGRAPHS, "\\p{N}"}},
      {{"deepseek-v3"},
       false,
       {"\\p{N}{1,3}", "[\\x{4E00}-\\x{9FA5}\\x{3040}-\\x{309F}\\x{30A0}-\\x{30FF}]+",
        "[" ASCII_SIGNS "][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| "
        "?[\\p{P}\\p{S}]+[\\r\\n]*|" LINE_ENDS_AND_SPACE}},
      {{"deepseek-llm"},
       false,
       {"[\\r\\n]", SPACE "?[" CASED_LETTERS "]+",
        SPACE
        "?[!-/:-~\\x{FF01}-\\x{FF0F}\\x{FF1A}-\\x{FF5E}\\x{2018}-\\x{201F}\\x{3000}-\\x{3002}]+",
        // White space at the end. The look-behind keeps the search from trying every start of a
        // long run. The look-behind also sees the text before the word. So a word that is all white
        // space may not match. The result is the same: a match would be the whole word, which cuts
        // nothing.
        "(?<!" SPACE ")" SPACE "+\\z", IDEOGRAPHS, "\\p{N}+"}},
      {{"default"}, false, {"[\\p{P}\\$\\+<=>\\^~\\|]+", kGpt2, "\\p{N}+", "[0-9][0-9][0-9]"}},
  };
  return *rules;
}

absl::Status FromIcu(UErrorCode code) {
  if (U_SUCCESS(code)) return absl::OkStatus();
  const std::string message = absl::StrCat("pre-tokenizer: ICU reports ", u_errorName(code));
  return code == U_MEMORY_ALLOCATION_ERROR || code == U_REGEX_STACK_OVERFLOW
             ? absl::ResourceExhaustedError(message)
             : absl::InternalError(message);
}

// Cuts the words of `text` that end at `ends` (UTF-16 offsets) at the matches of `pattern`.
absl::StatusOr<std::vector<std::int32_t>> Cut(const icu::RegexPattern& pattern,
                                              const icu::UnicodeString& text,
                                              const std::vector<std::int32_t>& ends) {
  UErrorCode code = U_ZERO_ERROR;
  const std::unique_ptr<icu::RegexMatcher> matcher(pattern.matcher(text, code));
  RETURN_IF_ERROR(FromIcu(code));
  std::vector<std::int32_t> cut;
  cut.reserve(ends.size());
  std::int32_t position = 0;
  for (const std::int32_t end : ends) {
    matcher->region(position, end, code);
    while (matcher->find(code)) {
      const std::int32_t start = matcher->start(code);
      if (start > position) cut.push_back(start);
      position = matcher->end(code);
      cut.push_back(position);
    }
    RETURN_IF_ERROR(FromIcu(code));
    if (position < end) cut.push_back(end);
    position = end;
  }
  return cut;
}

std::size_t Utf8Length(char16_t unit) {
  if (unit < 0x80) return 1;
  return unit < 0x800 || U16_IS_SURROGATE(unit) ? 2 : 3;
}

}  // namespace

absl::StatusOr<PreTokenizer> PreTokenizer::Create(std::string_view name) {
  if (name.empty()) name = "default";
  for (const Rules& rules : KnownRules()) {
    if (std::find(rules.names.begin(), rules.names.end(), name) == rules.names.end()) continue;
    PreTokenizer result;
    result.whole_words_ = rules.whole_words;
    for (const char* pattern : rules.patterns) {
      UErrorCode code = U_ZERO_ERROR;
      UParseError where;
      result.patterns_.emplace_back(
          icu::RegexPattern::compile(icu::UnicodeString::fromUTF8(pattern), where, code));
      RETURN_IF_ERROR(FromIcu(code));
    }
    return result;
  }
  name = name.substr(0, 64);
  std::vector<std::string> known;
  for (const Rules& rules : KnownRules()) {
    known.insert(known.end(), rules.names.begin(), rules.names.end());
  }
  return absl::UnimplementedError(
      absl::StrCat("tokenizer: pre-tokenizer \"", absl::CHexEscape({name.data(), name.size()}),
                   "\" is not supported, expected ", absl::StrJoin(known, ", ")));
}

absl::StatusOr<std::vector<std::size_t>> PreTokenizer::Split(std::string_view text) const {
  if (text.empty()) return std::vector<std::size_t>();
  const auto units = icu::UnicodeString::fromUTF8(
      icu::StringPiece(text.data(), static_cast<std::int32_t>(text.size())));
  if (units.isBogus()) return FromIcu(U_MEMORY_ALLOCATION_ERROR);
  std::vector<std::int32_t> ends = {units.length()};
  for (const auto& pattern : patterns_) {
    ASSIGN_OR_RETURN(ends, Cut(*pattern, units, ends));
  }
  std::vector<std::size_t> byte_ends;
  byte_ends.reserve(ends.size());
  std::int32_t position = 0;
  std::size_t bytes = 0;
  for (const std::int32_t end : ends) {
    for (; position < end; ++position) bytes += Utf8Length(units[position]);
    byte_ends.push_back(bytes);
  }
  return byte_ends;
}

}  // namespace recycling
