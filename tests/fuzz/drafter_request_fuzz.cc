// The drafter must refuse a message of a Draft stream, or learn from it and answer with a valid
// tree.
#include <memory>
#include <utility>

#include "common/decoding/model_identity.h"
#include "drafter/service/drafter_convert.h"
#include "drafter/sources/draft_sources.h"
#include "drafter/tree/mixing_estimator.h"
#include "drafter/tree/sequence_drafter.h"
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
  if (!key.ok() || binding.model.vocab_size > 4096) return;  // a larger one only takes more memory
  drafter::MatrixStore store({.max_bytes = 1 << 20, .allow_shared = true});
  if (!store.Bind(binding).ok()) return;
  FUZZ_CHECK(recycling::ValidateModelIdentity(binding.model).ok());
  const auto memory = store.Use(*key);
  if (!memory.ok()) return;
  FUZZ_CHECK((*memory)->matrix.vocab_size() == binding.model.vocab_size);
  const auto committed = drafter::CommittedFromProto(open);
  if (!committed.ok()) return;
  FUZZ_CHECK(committed->size() <= drafter::kMaxCommittedIds);
  for (const recycling::TokenId id : *committed) FUZZ_CHECK(id < binding.model.vocab_size);
  FUZZ_CHECK(store.bytes() <= store.options().max_bytes);
}

void CheckStep(const drafter::v1::DraftStep& step) {
  drafter::ScopeMemory memory(kBinding.model.vocab_size, kBinding.k);
  drafter::CandidateSources sources = drafter::MakeSources(&memory.matrix, &memory.pairs);
  auto estimator = std::make_unique<drafter::MixingEstimator>(sources, &memory.mixing);
  drafter::SequenceDrafter drafts(std::move(sources), std::move(estimator), {1, 2, 3});
  drafter::StepNews news{.step = step.step()};
  const auto prompt = drafter::PromptFromProto(step.prompt(), kBinding);
  if (prompt.ok()) news.prompt = &*prompt;
  const auto observation = drafter::ObservationFromProto(step.observation(), kBinding);
  if (observation.ok()) {
    FUZZ_CHECK(observation->parents.empty() ||
               observation->parents.size() == observation->tokens.size());
    news.observation = &*observation;
  }
  const auto& shape = drafter::TreeTemplate::Paper80();
  const auto proposal =
      drafter::ProposalFromProto(step.proposal(), shape, kBinding.model.vocab_size);
  if (proposal.ok()) news.next = drafter::NextRoot{.base = proposal->base, .root = proposal->root};
  drafts.Learn(news);
  drafts.Learn(news);  // learning the same message twice must not break anything

  if (!proposal.ok()) return;
  recycling::DraftTree tree = drafter::BuildTree(memory.matrix, proposal->root, shape,
                                                 proposal->max_nodes, proposal->max_depth);
  FUZZ_CHECK(tree.tokens[0] == step.proposal().root());
  FUZZ_CHECK(recycling::ValidateTree(tree, kBinding.model.vocab_size, proposal->max_nodes).ok());
  for (const int depth : recycling::NodeDepths(tree)) FUZZ_CHECK(depth <= proposal->max_depth);

  FUZZ_CHECK(proposal->costs.has_value() == (step.proposal().step_costs_size() > 0));
  if (!proposal->costs.has_value()) return;
  double before = 1;
  for (int nodes = 0; nodes <= proposal->max_nodes; ++nodes) {
    FUZZ_CHECK(proposal->costs->Micros(nodes) >= before);
    before = proposal->costs->Micros(nodes);
  }
  tree = drafts.Propose(*proposal->costs, proposal->max_nodes, proposal->max_depth,
                        proposal->other_tokens);
  FUZZ_CHECK(tree.tokens[0] == step.proposal().root());
  FUZZ_CHECK(recycling::ValidateTree(tree, kBinding.model.vocab_size, proposal->max_nodes).ok());
  for (const int depth : recycling::NodeDepths(tree)) FUZZ_CHECK(depth <= proposal->max_depth);
  FUZZ_CHECK(drafts.expected_tokens() >= 1 && drafts.expected_tokens() <= 1 + tree.drafted());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto request = recycling::fuzz::ParseInput<drafter::v1::DraftRequest>(data, size);
  if (request.has_open()) CheckOpen(request.open());
  if (request.has_step()) CheckStep(request.step());
  return 0;
}
