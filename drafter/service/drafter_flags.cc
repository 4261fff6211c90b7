#include "drafter/service/drafter_flags.h"

#include <cstdint>
#include <string>

#include "absl/flags/flag.h"
#include "absl/time/time.h"

ABSL_FLAG(std::string, tree, "adaptive",
          "Which tree is drafted. adaptive: of all trees the one expected to pay most, by what the "
          "gateway says a step costs and by how often such guesses came true; the template's tree "
          "while the cost is not known. template: always the template's tree.");
ABSL_FLAG(std::string, tree_template, "",
          "File with the tree template (drafter/README.md). Empty: the paper's tree of 80 nodes.");
ABSL_FLAG(std::uint64_t, max_matrix_bytes, std::uint64_t{256} << 20,
          "Bound on the memory of all matrices together, bytes. A matrix takes 8 + 4k bytes for "
          "each token of the vocabulary; the least recently used one is dropped for room.");
ABSL_FLAG(bool, allow_shared, false,
          "Allow requests to use one matrix for all tenants. What one tenant writes can then be "
          "guessed for another.");
ABSL_FLAG(std::string, snapshot_dir, "",
          "Existing directory to load matrices from at start and to save them to on shutdown. "
          "Empty: nothing is kept.");
ABSL_FLAG(absl::Duration, snapshot_interval, absl::ZeroDuration(),
          "Save also this often, for example 5m. 0: on shutdown only.");

namespace recycling::drafter {

DrafterOptions OptionsFromFlags() {
  DrafterOptions options;
  options.tree = absl::GetFlag(FLAGS_tree);
  options.template_file = absl::GetFlag(FLAGS_tree_template);
  options.max_matrix_bytes = absl::GetFlag(FLAGS_max_matrix_bytes);
  options.allow_shared = absl::GetFlag(FLAGS_allow_shared);
  options.snapshot_dir = absl::GetFlag(FLAGS_snapshot_dir);
  options.snapshot_interval = absl::GetFlag(FLAGS_snapshot_interval);
  return options;
}

}  // namespace recycling::drafter
