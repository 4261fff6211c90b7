#include "gateway/cli/draft_view.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "common/base/log.h"
#include "common/tokenizer/utf8.h"

namespace recycling::cli {
namespace {

struct SourceStyle {
  DraftSource source;
  char letter;
  const char* color;  // of ECMA-48, "Select Graphic Rendition"
};

// The most telling source first.
constexpr std::array<SourceStyle, kDraftSources> kStyles = {{
    {DraftSource::kSequence, 's', "32"},
    {DraftSource::kPair, 'p', "36"},
    {DraftSource::kMatrix, 'm', "33"},
    {DraftSource::kRecent, 'r', "35"},
    {DraftSource::kUnspecified, 'u', "37"},
}};
constexpr char kUnderline[] = "4";
constexpr char kFaint[] = "2";

constexpr int kMostDrawnNodes = 1024;  // far more than a real tree has
// More tokens than a gateway holds back for stop strings.
constexpr std::size_t kMostHeldTokens = 1 << 16;

std::string Styled(const std::string& text, const char* style) {
  return absl::StrCat("\033[", style, "m", text, "\033[0m");
}

const SourceStyle& StyleOf(DraftSourceSet sources) {
  const auto found = std::find_if(kStyles.begin(), kStyles.end(), [&](const SourceStyle& style) {
    return (sources & SetOf(style.source)) != 0;
  });
  return found == kStyles.end() ? kStyles.back() : *found;
}

DraftSourceSet SourcesOf(const common::v1::DraftTree& tree, int node) {
  return node < 1 || node > tree.sources_size()
             ? DraftSourceSet{0}
             : static_cast<DraftSourceSet>(tree.sources(node - 1));
}

std::string PieceOf(const gateway::v1::StepTrace& trace, int i) {
  return i >= 0 && i < trace.pieces_size() ? trace.pieces(i) : "";
}

// The token in quotes. Control characters are escaped, so that they cannot control a terminal.
std::string Quoted(const std::string& bytes) {
  const std::string text = ReplaceInvalidUtf8(bytes);
  std::string quoted = "\"";
  for (Utf8Reader reader(text); !reader.done();) {
    const char32_t character = reader.Next().value_or(0xFFFD);
    const bool control = character < 0x20 || (character >= 0x7F && character < 0xA0);
    if (character == '"' || character == '\\') quoted += '\\';
    quoted += control ? Escaped(ToUtf8(character)) : ToUtf8(character);
  }
  return quoted + "\"";
}

}  // namespace

DraftSource KnownSource(int source) {
  return source >= 0 && source < static_cast<int>(kDraftSources) ? static_cast<DraftSource>(source)
                                                                 : DraftSource::kUnspecified;
}

std::string DraftSourceNames(DraftSourceSet sources) {
  std::vector<std::string> names;
  for (const SourceStyle& style : kStyles) {
    if ((sources & SetOf(style.source)) != 0) names.emplace_back(DraftSourceName(style.source));
  }
  return names.empty() ? "no source" : absl::StrJoin(names, ", ");
}

std::string SourcesText(const gateway::v1::SpeculationStats& speculation) {
  std::string text;
  for (const gateway::v1::SourceStats& source : speculation.sources()) {
    const double share = source.proposed() == 0 ? 0
                                                : 100.0 * static_cast<double>(source.accepted()) /
                                                      static_cast<double>(source.proposed());
    absl::StrAppendFormat(
        &text,
        "source       %-8s accepted %d of %d tokens (%.1f%%), %.0f expected; alone %d of %d\n",
        DraftSourceName(KnownSource(source.source())), source.accepted(), source.proposed(), share,
        source.expected(), source.accepted_alone(), source.proposed_alone());
  }
  return text;
}

void DraftColors::AddStep(const gateway::v1::StepTrace& trace) {
  int last = 0;
  for (const std::uint32_t node : trace.accepted_nodes()) {
    // A valid path ascends. What comes after a wrong node cannot be explained.
    if (node <= static_cast<std::uint32_t>(last) ||
        node > static_cast<std::uint32_t>(trace.tree().tokens_size())) {
      return;
    }
    last = static_cast<int>(node);
    tokens_.push_back(
        {.bytes = PieceOf(trace, last), .drafted = true, .sources = SourcesOf(trace.tree(), last)});
  }
  tokens_.push_back({.bytes = PieceOf(trace, trace.pieces_size() - 1)});
}

std::string DraftColors::Show(const gateway::v1::Delta& delta) {
  if (delta.has_trace()) AddStep(delta.trace());
  if (tokens_.size() > kMostHeldTokens) tokens_.clear();
  std::string shown;
  std::string_view text = delta.text();
  while (!text.empty()) {
    while (!tokens_.empty() && tokens_.front().bytes.empty()) tokens_.pop_front();
    if (tokens_.empty()) break;
    const Token token = tokens_.front();
    // The characters that begin in this token, whole. The last one may end in a later token.
    std::size_t size = std::min(text.size(), token.bytes.size());
    while (size < text.size() && (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80) ++size;
    if (!TakeBytes(text.substr(0, size))) break;
    shown += Painted(std::string(text.substr(0, size)), token);
    text.remove_prefix(size);
  }
  // If the pieces are not the text, they are of no use any more.
  if (!text.empty()) tokens_.clear();
  return shown + std::string(text);
}

bool DraftColors::TakeBytes(std::string_view bytes) {
  while (!bytes.empty()) {
    if (tokens_.empty()) return false;
    std::string& front = tokens_.front().bytes;
    const std::size_t size = std::min(front.size(), bytes.size());
    if (front.compare(0, size, bytes.substr(0, size)) != 0) return false;
    front.erase(0, size);
    bytes.remove_prefix(size);
    if (front.empty()) tokens_.pop_front();
  }
  return true;
}

std::string DraftColors::Painted(const std::string& text, const Token& token) const {
  const SourceStyle& style = StyleOf(token.sources);
  if (!colors_)
    return token.drafted ? absl::StrCat("{", std::string(1, style.letter), text, "}") : text;
  return Styled(text, token.drafted ? style.color : kUnderline);
}

std::string DraftColors::Legend() const {
  std::vector<std::string> parts;
  for (const SourceStyle& style : kStyles) {
    if (style.source == DraftSource::kUnspecified) continue;
    parts.push_back(colors_ ? Styled(DraftSourceName(style.source), style.color)
                            : absl::StrCat("{", std::string(1, style.letter), "...} ",
                                           DraftSourceName(style.source)));
  }
  return absl::StrCat(
      "guessed by ", absl::StrJoin(parts, ", "), "; ",
      colors_ ? Styled("added by the model", kUnderline) : "other tokens were added by the model");
}

std::string TreeText(const gateway::v1::StepTrace& trace, bool colors) {
  const common::v1::DraftTree& tree = trace.tree();
  const int nodes =
      std::min({tree.tokens_size(), tree.parents_size(), trace.pieces_size() - 1, kMostDrawnNodes});
  std::vector<std::vector<int>> children(static_cast<std::size_t>(std::max(nodes, 0)) + 1);
  for (int i = 1; i <= nodes; ++i) {
    const auto parent = tree.parents(i - 1);
    if (parent < static_cast<std::uint32_t>(i)) children[parent].push_back(i);
  }
  std::string text = absl::StrCat(Quoted(PieceOf(trace, 0)), "\n");
  std::vector<bool> is_accepted(children.size());
  for (const std::uint32_t node : trace.accepted_nodes()) {
    if (node < is_accepted.size()) is_accepted[node] = true;
  }
  const std::function<void(int, const std::string&)> draw = [&](int node,
                                                                const std::string& indent) {
    const std::vector<int>& below = children[static_cast<std::size_t>(node)];
    for (const int child : below) {
      const bool last = child == below.back();
      const bool accepted = is_accepted[static_cast<std::size_t>(child)];
      std::string line = Quoted(PieceOf(trace, child));
      if (child <= tree.probabilities_size()) {
        absl::StrAppendFormat(&line, "  %.2f", tree.probabilities(child - 1));
      }
      const DraftSourceSet sources = SourcesOf(tree, child);
      absl::StrAppend(&line, "  ", DraftSourceNames(sources), accepted ? "  accepted" : "");
      if (colors) line = Styled(line, accepted ? StyleOf(sources).color : kFaint);
      absl::StrAppend(&text, indent, last ? "`- " : "|- ", line, "\n");
      draw(child, absl::StrCat(indent, last ? "   " : "|  "));
    }
  };
  draw(0, "");
  const std::string next = Quoted(PieceOf(trace, trace.pieces_size() - 1));
  absl::StrAppend(&text, "=> ", colors ? Styled(next, kUnderline) : next, "  added by the model\n");
  return text;
}

}  // namespace recycling::cli
