#include "common/tokenizer/score_merges.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <string_view>

#include "common/tokenizer/utf8.h"
#include "common/tokenizer/vocabulary_tokenizer.h"

namespace recycling {
namespace {

constexpr std::size_t kNoEntry = std::numeric_limits<std::size_t>::max();

// A token, or a character at the edge of one.
struct Entry {
  std::string_view text;
  Piece piece;
};

// The first and the last character of a text, as views into the text. Empty if the text is not
// UTF-8.
struct Edges {
  std::string_view first;
  std::string_view last;
};

Edges FindEdges(std::string_view text) {
  Edges edges;
  for (Utf8Reader reader(text); !reader.done();) {
    const std::size_t begin = reader.position();
    if (!reader.Next().has_value()) return {};
    edges.last = text.substr(begin, reader.position() - begin);
    if (begin == 0) edges.first = edges.last;
  }
  return edges;
}

char32_t CodePoint(std::string_view character) { return Utf8Reader(character).Next().value_or(0); }

bool LessFromBehind(std::string_view a, std::string_view b) {
  return std::lexicographical_compare(a.rbegin(), a.rend(), b.rbegin(), b.rend());
}

// For each entry, the longest other entry that is a prefix (suffix) of it; kNoEntry if there is
// none. `order` must list the entries sorted by text. For prefixes the texts are compared from the
// first character on, for suffixes from the last character back. Then all prefixes (suffixes) of an
// entry stand before it, and each contains the one before.
template <typename Affix>
std::vector<std::size_t> FindAffixes(const std::vector<Entry>& entries,
                                     const std::vector<std::size_t>& order, Affix is_affix) {
  std::vector<std::size_t> longest(entries.size(), kNoEntry);
  std::vector<std::size_t> nested;
  for (const std::size_t i : order) {
    while (!nested.empty() && !is_affix(entries[nested.back()].text, entries[i].text)) {
      nested.pop_back();
    }
    if (!nested.empty()) longest[i] = nested.back();
    nested.push_back(i);
  }
  return longest;
}

// Rank of each token: 0 for the highest score.
std::vector<std::uint32_t> RankScores(const TokenizerData& data) {
  std::vector<std::uint32_t> ranks(data.tokens.size(), 0);
  if (data.scores.empty()) return ranks;
  std::vector<float> scores = data.scores;
  std::sort(scores.begin(), scores.end(), std::greater<>());
  scores.erase(std::unique(scores.begin(), scores.end()), scores.end());
  for (std::size_t id = 0; id < ranks.size(); ++id) {
    const auto place =
        std::lower_bound(scores.begin(), scores.end(), data.scores[id], std::greater<>());
    ranks[id] = static_cast<std::uint32_t>(place - scores.begin());
  }
  return ranks;
}

// Normal tokens and the single characters at their edges, sorted by text. Each text occurs once.
std::vector<Entry> CollectEntries(const TokenizerData& data) {
  std::vector<Entry> entries;
  for (TokenId id = 0; id < data.tokens.size(); ++id) {
    if (TypeOf(data, id) != TokenType::kNormal) continue;
    const Edges edges = FindEdges(data.tokens[id]);
    if (edges.first.empty()) continue;
    entries.push_back({data.tokens[id], id});
    entries.push_back({edges.first, kLoosePiece + CodePoint(edges.first)});
    entries.push_back({edges.last, kLoosePiece + CodePoint(edges.last)});
  }
  // Among equal texts the last token comes first and characters without a token come last.
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    if (const int order = a.text.compare(b.text); order != 0) return order < 0;
    const bool a_loose = a.piece >= kLoosePiece;
    const bool b_loose = b.piece >= kLoosePiece;
    return a_loose != b_loose ? b_loose : a.piece > b.piece;
  });
  const auto same_text = [](const Entry& a, const Entry& b) { return a.text == b.text; };
  entries.erase(std::unique(entries.begin(), entries.end(), same_text), entries.end());
  return entries;
}

}  // namespace

ScoreMerges FindScoreMerges(const TokenizerData& data) {
  const std::vector<std::uint32_t> ranks = RankScores(data);
  const std::vector<Entry> entries = CollectEntries(data);
  std::vector<std::size_t> order(entries.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  const auto prefixes = FindAffixes(
      entries, order, [](std::string_view a, std::string_view b) { return b.starts_with(a); });
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return LessFromBehind(entries[a].text, entries[b].text);
  });
  const auto suffixes = FindAffixes(
      entries, order, [](std::string_view a, std::string_view b) { return b.ends_with(a); });

  ScoreMerges result;
  std::vector<std::size_t> heads;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const auto& [text, piece] = entries[i];
    if (piece >= kLoosePiece) continue;
    if (FindEdges(text).first.size() == text.size()) {
      result.characters[CodePoint(text)] = piece;
      continue;
    }
    heads.clear();  // longest first, like the tails, so one walk over both is enough
    for (std::size_t head = prefixes[i]; head != kNoEntry; head = prefixes[head])
      heads.push_back(head);
    for (std::size_t tail = suffixes[i]; tail != kNoEntry; tail = suffixes[tail]) {
      const std::size_t rest = text.size() - entries[tail].text.size();
      while (!heads.empty() && entries[heads.back()].text.size() < rest) heads.pop_back();
      if (heads.empty()) break;
      const Entry& head = entries[heads.back()];
      if (head.text.size() != rest) continue;
      result.merges.Add(head.piece, entries[tail].piece, {ranks[piece], piece});
    }
  }
  return result;
}

}  // namespace recycling
