#include "drafter/service/drafter_flags.h"

#include <cstdint>
#include <string>
#include <vector>

#include "absl/flags/flag.h"

ABSL_FLAG(
    std::string, drafter_id, "drafter",
    "Name of this drafter, 1 to 48 of the characters [A-Za-z0-9_-]. No other drafter may have "
    "the same name. The file names of its snapshots begin with it.");
ABSL_FLAG(std::string, tree_template, "",
          "File with the template tree. The drafter proposes this tree while the cost of a step is "
          "not known, and for requests with --speculation=fixed. drafter/tree/README.md describes "
          "the format. Empty: the paper's tree of 80 nodes.");
ABSL_FLAG(
    std::uint64_t, max_matrix_bytes, std::uint64_t{1} << 30,
    "Memory limit for all matrices together, bytes. A matrix takes 8 + 4k bytes for each token "
    "of the vocabulary, and 12 + 4k bytes for each of 1024 to 65536 rows of token pairs. If a new "
    "matrix does not fit, the drafter drops the least recently used matrix that no session "
    "holds.");
ABSL_FLAG(bool, allow_shared, false,
          "Allow requests to use one matrix for all tenants. The drafter may then propose to one "
          "tenant tokens that it learnt from another tenant.");
ABSL_FLAG(std::string, snapshot_dir, "",
          "Directory for saved matrices. The drafter loads them at start. Every 5 minutes and on "
          "shutdown, it saves the matrices that changed. The directory must exist. Empty: matrices "
          "are lost on shutdown.");

ABSL_FLAG(
    std::string, base_matrix, "",
    "File with rows for tokens that a tenant has not seen yet, the same for all tenants. "
    "'recycling matrix fill' makes it, once for each model and k. Empty: no such rows, except "
    "that recycling-standalone uses the file MODEL.base_matrix if there is one.");
ABSL_FLAG(std::vector<std::string>, draft_sources,
          (recycling::drafter::DrafterOptions().draft_sources),
          "Which sources name candidates: any of pairs, matrix, history and recent, separated by "
          "commas. A source that is left out also learns nothing. For measurements.");

namespace recycling::drafter {

std::vector<FlagGroup> DrafterFlags() {
  return {GroupOf("Matrices", FLAGS_drafter_id, FLAGS_max_matrix_bytes, FLAGS_allow_shared,
                  FLAGS_snapshot_dir, FLAGS_base_matrix, FLAGS_tree_template),
          RareGroupOf("Draft sources", FLAGS_draft_sources)};
}

DrafterOptions OptionsFromFlags() {
  DrafterOptions options;
  options.drafter_id = absl::GetFlag(FLAGS_drafter_id);
  options.template_file = absl::GetFlag(FLAGS_tree_template);
  options.max_matrix_bytes = absl::GetFlag(FLAGS_max_matrix_bytes);
  options.allow_shared = absl::GetFlag(FLAGS_allow_shared);
  options.snapshot_dir = absl::GetFlag(FLAGS_snapshot_dir);
  options.base_matrix = absl::GetFlag(FLAGS_base_matrix);
  options.draft_sources = absl::GetFlag(FLAGS_draft_sources);
  return options;
}

}  // namespace recycling::drafter
