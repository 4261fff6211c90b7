#include "drafter/service/drafter_flags.h"

#include <cstdint>
#include <string>

#include "absl/flags/flag.h"

ABSL_FLAG(std::string, drafter_id, "drafter",
          "Name of this drafter. No other drafter may have it; the names of its snapshots begin "
          "with it. 1 to 48 of the characters [A-Za-z0-9_-].");
ABSL_FLAG(std::string, tree_template, "",
          "File with the tree that is proposed while the cost of a step is not known, and for "
          "requests with --speculation=fixed; drafter/README.md has its format. Empty: the paper's "
          "tree of 80 nodes.");
ABSL_FLAG(std::uint64_t, max_matrix_bytes, std::uint64_t{256} << 20,
          "The most memory that all matrices together take, bytes. A matrix takes 8 + 4k bytes for "
          "each token of the vocabulary. For room, the least recently used matrix is dropped.");
ABSL_FLAG(bool, allow_shared, false,
          "Allow requests to use one matrix for all tenants. The drafter may then propose to one "
          "tenant what another one has written.");
ABSL_FLAG(std::string, snapshot_dir, "",
          "Directory from which matrices are loaded at start, and to which those that learnt are "
          "saved every 5 minutes and on shutdown. It must exist. Empty: matrices are lost on "
          "shutdown.");

namespace recycling::drafter {

std::vector<FlagGroup> DrafterFlags() {
  return {GroupOf("Matrices", FLAGS_drafter_id, FLAGS_max_matrix_bytes, FLAGS_allow_shared,
                  FLAGS_snapshot_dir, FLAGS_tree_template)};
}

DrafterOptions OptionsFromFlags() {
  DrafterOptions options;
  options.drafter_id = absl::GetFlag(FLAGS_drafter_id);
  options.template_file = absl::GetFlag(FLAGS_tree_template);
  options.max_matrix_bytes = absl::GetFlag(FLAGS_max_matrix_bytes);
  options.allow_shared = absl::GetFlag(FLAGS_allow_shared);
  options.snapshot_dir = absl::GetFlag(FLAGS_snapshot_dir);
  return options;
}

}  // namespace recycling::drafter
