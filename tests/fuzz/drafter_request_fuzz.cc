// A message of a Draft stream is refused or can be learnt from and answered with a valid tree.
#include "common/decoding/model_identity.h"
#include "drafter/service/drafter_convert.h"
#include "drafter/sources/sequence_history.h"
#include "drafter/tree/adaptive_tree.h"
#include "drafter/tree/tree_builder.h"
#include "tests/fuzz/proto_fuzz.h"

namespace drafter = recycling::drafter;

namespace {

const drafter::MatrixBinding kBinding = {
    .model = {.model_id = "fuzz", .vocab_size = 64, .tokenizer_digest = std::string(32, 'd')},
    .k = 4};

void CheckOpen(const drafter::v1::OpenSession& open) {
  const auto key = drafter::MatrixKeyFromProto(open.scope(), open.tenant());
  const drafter::MatrixBinding binding = drafter::BindingFromProto(open.model(), open.k());
  if (!key.ok() || binding.model.vocab_size > 4096) return;  // more takes memory, not other code
  drafter::MatrixStore store({.max_bytes = 1 << 20, .allow_shared = true});
  if (!store.Bind(binding).ok()) return;
  FUZZ_CHECK(recycling::ValidateModelIdentity(binding.model).ok());
  const auto matrix = store.Use(*key);
  if (!matrix.ok()) return;
  FUZZ_CHECK((*matrix)->vocab_size() == binding.model.vocab_size);
  const auto committed = drafter::CommittedFromProto(open);
  if (!committed.ok()) return;
  FUZZ_CHECK(committed->size() <= drafter::kMaxCommittedIds);
  for (const recycling::TokenId id : *committed) FUZZ_CHECK(id < binding.model.vocab_size);
  FUZZ_CHECK(store.bytes() <= store.options().max_bytes);
}

void CheckStep(const drafter::v1::DraftStep& step) {
  drafter::AdjacencyMatrix matrix(kBinding.model.vocab_size, kBinding.k);
  drafter::SequenceHistory history;
  const auto prompt = drafter::PromptFromProto(step.prompt(), kBinding);
  if (prompt.ok()) drafter::Learn(*prompt, &matrix);
  if (prompt.ok()) history.ObservePrompt(prompt->tokens);
  const auto observation = drafter::ObservationFromProto(step.observation(), kBinding);
  if (observation.ok()) {
    FUZZ_CHECK(observation->parents.empty() ||
               observation->parents.size() == observation->tokens.size());
    history.Observe(*observation, std::nullopt, &matrix);
    drafter::Learn(*observation, &matrix);
  }

  const auto& shape = drafter::TreeTemplate::Paper80();
  const auto proposal =
      drafter::ProposalFromProto(step.proposal(), shape, kBinding.model.vocab_size);
  if (!proposal.ok()) return;
  recycling::DraftTree tree =
      drafter::BuildTree(matrix, proposal->root, shape, proposal->max_nodes, proposal->max_depth);
  FUZZ_CHECK(tree.tokens[0] == step.proposal().root());
  FUZZ_CHECK(recycling::ValidateTree(tree, kBinding.model.vocab_size, proposal->max_nodes).ok());
  for (const int depth : recycling::NodeDepths(tree)) FUZZ_CHECK(depth <= proposal->max_depth);

  FUZZ_CHECK(proposal->costs.has_value() == (step.proposal().step_costs_size() > 0));
  if (!proposal->costs.has_value()) return;
  history.ObserveBonus(proposal->root, &matrix);
  double before = 1;
  for (int nodes = 0; nodes <= proposal->max_nodes; ++nodes) {
    FUZZ_CHECK(proposal->costs->Micros(nodes) >= before);
    before = proposal->costs->Micros(nodes);
  }
  drafter::AdaptiveTreeBuilder builder;
  const drafter::AcceptanceTable estimates =
      drafter::Estimate(matrix.acceptance().Read(), history.counts());
  tree = builder.Build(matrix, history, estimates, proposal->root, *proposal->costs,
                       proposal->max_nodes, proposal->max_depth);
  FUZZ_CHECK(tree.tokens[0] == step.proposal().root());
  FUZZ_CHECK(recycling::ValidateTree(tree, kBinding.model.vocab_size, proposal->max_nodes).ok());
  for (const int depth : recycling::NodeDepths(tree)) FUZZ_CHECK(depth <= proposal->max_depth);
  FUZZ_CHECK(builder.expected_tokens() >= 1 && builder.expected_tokens() <= 1 + tree.drafted());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto request = recycling::fuzz::ParseInput<drafter::v1::DraftRequest>(data, size);
  if (request.has_open()) CheckOpen(request.open());
  if (request.has_step()) CheckStep(request.step());
  return 0;
}
