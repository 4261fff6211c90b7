#include "drafter/sources/draft_sources.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "drafter/sources/history_source.h"
#include "drafter/sources/matrix_source.h"
#include "drafter/sources/pair_source.h"
#include "drafter/sources/recent_source.h"

namespace recycling::drafter {
namespace {

struct SourceName {
  const char* name;
  DraftSource source;
};
constexpr SourceName kNames[] = {{"pairs", DraftSource::kPair},
                                 {"matrix", DraftSource::kMatrix},
                                 {"history", DraftSource::kSequence},
                                 {"recent", DraftSource::kRecent}};

absl::Status WrongNames(const std::string& got) {
  return absl::InvalidArgumentError(absl::StrCat(
      "--draft_sources: got ", got,
      ", expected at least one of pairs, matrix, history and recent, separated by commas"));
}

// Stands for a source that is off.
class OffSource final : public CandidateSource {
 public:
  explicit OffSource(std::unique_ptr<CandidateSource> source) : source_(std::move(source)) {}

  DraftSource origin() const override { return source_->origin(); }
  std::size_t classes() const override { return source_->classes(); }
  double Prior(std::uint8_t token_class) const override { return source_->Prior(token_class); }
  // The estimator reads the class of the HistorySource even if this source names no token.
  void Candidates(const DraftPath&, SourceAnswer* answer) const override {
    answer->other_class = kNoMatchClass;
  }
  void Observe(const ObservedStep&) override {}

 private:
  const std::unique_ptr<CandidateSource> source_;
};

}  // namespace

absl::StatusOr<DraftSourceSet> DraftSourcesFromNames(std::span<const std::string> names) {
  if (names.empty()) return WrongNames("none");
  DraftSourceSet set = 0;
  for (const std::string& name : names) {
    const auto found = std::find_if(std::begin(kNames), std::end(kNames),
                                    [&](const SourceName& known) { return name == known.name; });
    if (found == std::end(kNames)) return WrongNames(absl::StrCat("\"", absl::CEscape(name), "\""));
    set |= SetOf(found->source);
  }
  return set;
}

CandidateSources MakeSources(AdjacencyMatrix* matrix, PairMatrix* pairs,
                             const SourceOptions& options) {
  CandidateSources sources;
  const auto add = [&](std::unique_ptr<CandidateSource> source) {
    if ((options.on & SetOf(source->origin())) == 0) {
      source = std::make_unique<OffSource>(std::move(source));
    }
    sources.push_back(std::move(source));
  };
  add(std::make_unique<PairSource>(pairs));
  add(std::make_unique<MatrixSource>(matrix, options.base));
  add(std::make_unique<HistorySource>());
  add(std::make_unique<RecentSource>());
  return sources;
}

}  // namespace recycling::drafter
