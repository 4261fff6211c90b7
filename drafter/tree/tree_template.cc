#include "drafter/tree/tree_template.h"

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/base/status_macros.h"
#include "drafter/matrix/adjacency_matrix.h"

namespace recycling::drafter {
namespace {

constexpr std::size_t kMaxFileBytes = 1 << 20;
constexpr std::size_t kMaxNameBytes = 64;

// This is also an example of the format.
constexpr std::string_view kPaper80 = R"(
name paper-80
0 1 2 3 4 5 6 7
0.0 0.1 0.2 0.3 0.4 0.5 0.6 0.7 1.0 1.1 1.2 1.3 2.0 2.1 2.2 3.0 3.1 4.0 5.0 6.0 7.0
0.0.0 0.0.1 0.0.2 0.0.3 0.0.4 0.0.5 0.0.6 0.0.7 0.1.0 0.1.1 0.1.2 0.2.0 0.2.1 0.3.0 0.4.0 0.5.0
0.6.0 0.7.0 1.0.0 1.0.1 1.1.0 2.0.0 3.0.0 4.0.0 5.0.0
0.0.0.0 0.0.0.1 0.0.0.2 0.0.0.3 0.0.0.4 0.0.1.0 0.0.1.1 0.0.2.0 0.0.3.0 0.0.4.0 0.1.0.0 0.2.0.0
1.0.0.0 2.0.0.0 3.0.0.0
0.0.0.0.0 0.0.0.0.1 0.0.0.0.2 0.0.0.1.0 0.0.0.2.0 0.0.1.0.0 0.1.0.0.0 1.0.0.0.0
0.0.0.0.0.0 0.0.0.0.0.1 0.0.0.1.0.0
)";

std::string Quoted(absl::string_view word) {
  return absl::StrCat("\"", absl::CEscape(word.substr(0, 80)), "\"");
}

bool IsName(absl::string_view word) {
  return !word.empty() && word.size() <= kMaxNameBytes &&
         std::all_of(word.begin(), word.end(), [](unsigned char c) {
           return absl::ascii_isalnum(c) || c == '_' || c == '.' || c == '-';
         });
}

}  // namespace

class TemplateParser {
 public:
  absl::Status Line(absl::string_view line) {
    ++line_;
    line = line.substr(0, line.find('#'));
    const std::vector<absl::string_view> words =
        absl::StrSplit(line, absl::ByAnyChar(" \t\r"), absl::SkipEmpty());
    if (words.empty()) return absl::OkStatus();
    if (words[0] == "name") return Name(words);
    for (const absl::string_view word : words) RETURN_IF_ERROR(AddPath(word));
    return absl::OkStatus();
  }

  absl::StatusOr<TreeTemplate> Finish() {
    if (name_.empty()) return Error("got no name, expected a line \"name NAME\"");
    if (lines_.empty()) return Error("got no path, expected at least one");
    std::vector<TreeTemplate::Path> paths;
    for (const auto& [path, line] : lines_) {
      line_ = line;
      const TreeTemplate::Path parent(path.begin(), path.end() - 1);
      if (!parent.empty() && lines_.count(parent) == 0) {
        return Error(absl::StrCat("got path ", absl::StrJoin(path, "."), " without its parent ",
                                  absl::StrJoin(parent, ".")));
      }
      paths.push_back(path);
    }
    return TreeTemplate(std::move(name_), std::move(paths));
  }

 private:
  absl::Status Error(const std::string& message) const {
    return absl::InvalidArgumentError(absl::StrCat("tree template, line ", line_, ": ", message));
  }

  absl::Status Name(const std::vector<absl::string_view>& words) {
    if (!name_.empty()) return Error("got a second name");
    if (words.size() != 2 || !IsName(words[1])) {
      return Error("got a bad name, expected one word of 1 to 64 characters [A-Za-z0-9_.-]");
    }
    name_ = std::string(words[1]);
    return absl::OkStatus();
  }

  absl::Status AddPath(absl::string_view word) {
    TreeTemplate::Path path;
    for (const absl::string_view digits : absl::StrSplit(word, '.')) {
      std::uint32_t rank = 0;
      if (digits.empty() || !absl::ascii_isdigit(static_cast<unsigned char>(digits[0])) ||
          !absl::SimpleAtoi(digits, &rank) || rank >= kMaxK) {
        return Error(absl::StrCat("got ", Quoted(word), ", expected ranks 0 to ", kMaxK - 1,
                                  " joined by dots"));
      }
      path.push_back(rank);
      if (path.size() > kMaxTemplateDepth) {
        return Error(absl::StrCat("got a path of more than ", kMaxTemplateDepth, " ranks"));
      }
    }
    if (lines_.size() == kMaxTemplateNodes) {
      return Error(absl::StrCat("got more than ", kMaxTemplateNodes, " paths"));
    }
    if (!lines_.emplace(std::move(path), line_).second) {
      return Error(absl::StrCat("got path ", Quoted(word), " a second time"));
    }
    return absl::OkStatus();
  }

  int line_ = 0;
  std::string name_;
  std::map<TreeTemplate::Path, int> lines_;  // each path and the line it stands in
};

TreeTemplate::TreeTemplate(std::string name, std::vector<Path> paths) : name_(std::move(name)) {
  std::sort(paths.begin(), paths.end(), [](const Path& a, const Path& b) {
    return a.size() != b.size() ? a.size() < b.size() : a < b;
  });
  nodes_.push_back({});
  std::map<Path, int> index = {{{}, 0}};
  for (const Path& path : paths) {
    index[path] = static_cast<int>(nodes_.size());
    nodes_.push_back({.parent = index[Path(path.begin(), path.end() - 1)],
                      .rank = path.back(),
                      .depth = static_cast<int>(path.size())});
  }
}

const TreeTemplate& TreeTemplate::Paper80() {
  static const TreeTemplate& paper = *new TreeTemplate(*Parse(kPaper80));
  return paper;
}

absl::StatusOr<TreeTemplate> TreeTemplate::Parse(std::string_view text) {
  TemplateParser parser;
  for (const absl::string_view line :
       absl::StrSplit(absl::string_view(text.data(), text.size()), '\n')) {
    RETURN_IF_ERROR(parser.Line(line));
  }
  return parser.Finish();
}

absl::StatusOr<TreeTemplate> TreeTemplate::Load(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::ErrnoToStatus(errno, absl::StrCat("tree template ", path));
  std::string text(kMaxFileBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad())
    return absl::UnavailableError(absl::StrCat("tree template ", path, ": unreadable"));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > kMaxFileBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("tree template ", path, ": got more than ", kMaxFileBytes, " bytes"));
  }
  absl::StatusOr<TreeTemplate> parsed = Parse(text);
  if (parsed.ok()) return parsed;
  return absl::Status(parsed.status().code(), absl::StrCat(path, ": ", parsed.status().message()));
}

}  // namespace recycling::drafter
