// TreeTemplate::Parse must refuse the text, or return a template within the limits, in
// breadth-first order and with distinct siblings.
#include "drafter/matrix/adjacency_matrix.h"
#include "drafter/tree/tree_template.h"
#include "tests/fuzz/proto_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using recycling::drafter::TreeTemplate;
  const auto shape =
      TreeTemplate::Parse(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!shape.ok()) return 0;
  FUZZ_CHECK(!shape->name().empty());
  FUZZ_CHECK(shape->size() >= 1 && shape->size() <= recycling::drafter::kMaxTemplateNodes);
  FUZZ_CHECK(shape->nodes().back().depth <= recycling::drafter::kMaxTemplateDepth);
  const auto& nodes = shape->nodes();
  for (std::size_t i = 1; i < nodes.size(); ++i) {
    const TreeTemplate::Node& node = nodes[i];
    const TreeTemplate::Node& before = nodes[i - 1];
    FUZZ_CHECK(node.rank < recycling::drafter::kMaxK);
    FUZZ_CHECK(node.parent >= 0 && node.parent < static_cast<int>(i));
    FUZZ_CHECK(node.depth == nodes[static_cast<std::size_t>(node.parent)].depth + 1);
    FUZZ_CHECK(node.parent > before.parent ||
               (node.parent == before.parent && node.rank > before.rank));
  }
  return 0;
}
