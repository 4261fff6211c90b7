#include "tests/doubles/fake_drafter_client.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/doubles/fake_verifier_client.h"

namespace recycling::doubles {
namespace {

using gateway::DraftStep;
using gateway::Proposal;

void AddNode(DraftTree& tree, TokenId token, int parent, std::uint32_t rank) {
  tree.tokens.push_back(token);
  tree.parents.push_back(parent);
  tree.ranks.push_back(rank);
  tree.sources.push_back(SetOf(DraftSource::kMatrix));
}

DraftTree RootOf(const Proposal& proposal) {
  DraftTree tree = DraftTree::Root(proposal.base, proposal.root);
  tree.ranks = {0};
  tree.sources = {0};
  return tree;
}

// Adds children to one node at each depth, so the tree is in breadth-first order.
DraftTree Draft(const FakeDrafterOptions& options, const Proposal& proposal) {
  DraftTree tree = RootOf(proposal);
  const int max_nodes = std::min(proposal.max_nodes, options.max_tree_nodes);
  const auto children = static_cast<std::uint32_t>(std::max(options.children, 1));
  int parent = 0;
  bool right = true;
  for (int depth = 0; depth < proposal.max_depth && tree.drafted() < max_nodes; ++depth) {
    const std::uint32_t position = proposal.base - 1 + static_cast<std::uint32_t>(depth);
    std::vector<TokenId> tokens =
        options.model->TopK(tree.tokens[static_cast<std::size_t>(parent)], position, children + 1);
    const auto chance = static_cast<double>(ToyHash(options.seed, position) >> 11) * 0x1p-53;
    right = right && chance < options.acceptance_rate;
    if (right) {
      tokens.pop_back();
    } else {
      tokens.erase(tokens.begin());
    }
    const int first = tree.size();
    for (std::uint32_t rank = 0; rank < tokens.size() && tree.drafted() < max_nodes; ++rank) {
      AddNode(tree, tokens[rank], parent, rank);
    }
    parent = first;
  }
  return tree;
}

DraftTree Chain(const Proposal& proposal, int nodes, TokenId token) {
  DraftTree tree = RootOf(proposal);
  for (int i = 0; i < nodes; ++i) AddNode(tree, token, i, 0);
  return tree;
}

class FakeDrafterSession final : public gateway::DrafterSession {
 public:
  explicit FakeDrafterSession(std::shared_ptr<const FakeDrafterOptions> options)
      : options_(std::move(options)) {
    Note("drafter.session");
  }

  ~FakeDrafterSession() override { Note("drafter.close"); }

  void Send(DraftStep step) override {
    if (options_->on_step != nullptr) options_->on_step(step);
    if (step.prompt.has_value()) Note(absl::StrCat("drafter.prompt ", step.step));
    if (step.observation.has_value()) Note(absl::StrCat("drafter.observe ", step.step));
    if (step.proposal.has_value()) {
      Note(absl::StrCat("drafter.propose ", step.step));
      asked_[step.step] = *step.proposal;
    }
  }

  absl::StatusOr<gateway::DraftAnswer> Receive(std::uint64_t step,
                                               absl::Duration timeout) override {
    if (!broken_.ok()) return broken_;
    const auto asked = asked_.find(step);
    if (asked == asked_.end()) {
      return absl::DeadlineExceededError("fake drafter: the step did not ask for a tree");
    }
    const Proposal proposal = asked->second;
    asked_.erase(asked_.begin(), std::next(asked));
    const DraftFault fault = options_->fault == nullptr ? DraftFault::kNone : options_->fault(step);
    switch (fault) {
      case DraftFault::kSilent:
        if (options_->clock != nullptr) options_->clock->Advance(timeout);
        return absl::DeadlineExceededError(kSilence);
      case DraftFault::kError:
        return broken_ = options_->error;
      case DraftFault::kMismatch:
        return broken_ = absl::FailedPreconditionError("model_id: got \"other\", expected \"toy\"");
      case DraftFault::kDropped:
        return broken_ = absl::UnavailableError(kStreamDropped);
      default:
        return gateway::DraftAnswer{.tree = FakeDraft(*options_, step, proposal, fault),
                                    .inside = options_->inside};
    }
  }

 private:
  void Note(const std::string& call) const {
    if (options_->trace != nullptr) options_->trace->Add(call);
    if (options_->on_call != nullptr) options_->on_call(call);
  }

  const std::shared_ptr<const FakeDrafterOptions> options_;
  std::map<std::uint64_t, Proposal> asked_;
  absl::Status broken_;
};

}  // namespace

DraftFault Garbage(std::uint64_t step) {
  constexpr DraftFault kKinds[] = {DraftFault::kNoTree,         DraftFault::kCycle,
                                   DraftFault::kUnknownToken,   DraftFault::kTooManyNodes,
                                   DraftFault::kTwins,          DraftFault::kWrongRoot,
                                   DraftFault::kNegativeParent, DraftFault::kLengthsDiffer};
  return kKinds[step % std::size(kKinds)];
}

DraftTree FakeDraft(const FakeDrafterOptions& options, std::uint64_t step, const Proposal& proposal,
                    DraftFault fault) {
  const std::uint32_t vocab = options.model->vocab_size();
  DraftTree tree = RootOf(proposal);
  switch (fault) {
    case DraftFault::kStale: {
      tree = Draft(options, proposal);
      tree.base = proposal.base > 1 ? proposal.base - 1 : proposal.base + 1;
      return tree;
    }
    case DraftFault::kNoTree:
      return DraftTree{.base = proposal.base};
    case DraftFault::kCycle:
      AddNode(tree, 1, 2, 0);
      AddNode(tree, 2, 1, 0);
      return tree;
    case DraftFault::kUnknownToken:
      AddNode(tree, step % 2 == 0 ? vocab : static_cast<TokenId>(-1), 0, 0);
      return tree;
    case DraftFault::kTooManyNodes:
      return Chain(proposal, proposal.max_nodes + 1, proposal.root);
    case DraftFault::kTwins:
      AddNode(tree, 3, 0, 0);
      AddNode(tree, 3, 0, 1);
      return tree;
    case DraftFault::kWrongRoot: {
      Proposal other = proposal;
      other.root = (proposal.root + 1) % vocab;
      return Draft(options, other);
    }
    case DraftFault::kNegativeParent:
      AddNode(tree, 1, -7, 0);
      return tree;
    case DraftFault::kLengthsDiffer:
      AddNode(tree, 1, 0, 0);
      AddNode(tree, 2, 0, 1);
      tree.parents.pop_back();
      return tree;
    default:
      return Draft(options, proposal);
  }
}

FakeDrafterClient::FakeDrafterClient(FakeDrafterOptions options)
    : options_(std::make_shared<const FakeDrafterOptions>(std::move(options))) {}

std::unique_ptr<gateway::DrafterSession> FakeDrafterClient::NewSession(gateway::OpenDrafting open,
                                                                       absl::Time,
                                                                       const CallOrigin&) {
  if (options_->on_open != nullptr) options_->on_open(open);
  return std::make_unique<FakeDrafterSession>(options_);
}

}  // namespace recycling::doubles
