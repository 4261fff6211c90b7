#include "common/rpc/proto_convert.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/decoding/check_token.h"

namespace recycling {
namespace {

TextConstraint ConstraintFromProto(const common::v1::Constraint& proto) {
  switch (proto.form_case()) {
    case common::v1::Constraint::kPattern:
      return {.kind = TextConstraint::Kind::kPattern, .text = proto.pattern()};
    case common::v1::Constraint::kGrammar:
      return {.kind = TextConstraint::Kind::kGrammar, .text = proto.grammar()};
    default:  // without a form: an empty schema text, which is refused
      return {.kind = TextConstraint::Kind::kJsonSchema, .text = proto.json_schema()};
  }
}

void ConstraintToProto(const TextConstraint& constraint, common::v1::Constraint* proto) {
  switch (constraint.kind) {
    case TextConstraint::Kind::kJsonSchema:
      return proto->set_json_schema(constraint.text);
    case TextConstraint::Kind::kPattern:
      return proto->set_pattern(constraint.text);
    case TextConstraint::Kind::kGrammar:
      return proto->set_grammar(constraint.text);
  }
}

}  // namespace

SamplingOptions SamplingOptionsFromProto(const common::v1::SamplingOptions& proto) {
  SamplingOptions options;
  if (proto.has_temperature()) options.temperature = proto.temperature();
  if (proto.has_top_k()) options.top_k = proto.top_k();
  if (proto.has_top_p()) options.top_p = proto.top_p();
  if (proto.has_min_p()) options.min_p = proto.min_p();
  if (proto.has_repetition_penalty()) options.repetition_penalty = proto.repetition_penalty();
  if (proto.has_frequency_penalty()) options.frequency_penalty = proto.frequency_penalty();
  if (proto.has_presence_penalty()) options.presence_penalty = proto.presence_penalty();
  for (const auto& entry : proto.logit_bias())
    options.logit_bias.emplace_back(entry.token_id(), entry.bias());
  if (proto.has_seed()) options.seed = proto.seed();
  if (proto.has_max_tokens()) options.max_tokens = proto.max_tokens();
  if (proto.has_min_tokens()) options.min_tokens = proto.min_tokens();
  options.stop_token_ids.assign(proto.stop_token_ids().begin(), proto.stop_token_ids().end());
  if (proto.has_ignore_eos()) options.ignore_eos = proto.ignore_eos();
  if (proto.has_top_logprobs()) options.top_logprobs = proto.top_logprobs();
  if (proto.has_constraint()) options.constraint = ConstraintFromProto(proto.constraint());
  return options;
}

void SamplingOptionsToProto(const SamplingOptions& options, common::v1::SamplingOptions* proto) {
  proto->Clear();
  proto->set_temperature(options.temperature);
  proto->set_top_k(options.top_k);
  proto->set_top_p(options.top_p);
  proto->set_min_p(options.min_p);
  proto->set_repetition_penalty(options.repetition_penalty);
  proto->set_frequency_penalty(options.frequency_penalty);
  proto->set_presence_penalty(options.presence_penalty);
  for (const auto& [token, bias] : options.logit_bias) {
    auto* entry = proto->add_logit_bias();
    entry->set_token_id(token);
    entry->set_bias(bias);
  }
  if (options.seed.has_value()) proto->set_seed(*options.seed);
  if (options.max_tokens.has_value()) proto->set_max_tokens(*options.max_tokens);
  proto->set_min_tokens(options.min_tokens);
  proto->mutable_stop_token_ids()->Add(options.stop_token_ids.begin(),
                                       options.stop_token_ids.end());
  proto->set_ignore_eos(options.ignore_eos);
  if (options.top_logprobs.has_value()) proto->set_top_logprobs(*options.top_logprobs);
  if (options.constraint.has_value()) {
    ConstraintToProto(*options.constraint, proto->mutable_constraint());
  }
}

absl::StatusOr<DraftTree> DraftTreeFromProto(const common::v1::DraftTree& proto) {
  const int drafted = proto.tokens_size();
  const auto check = [&](const char* name, int size, bool may_be_empty) {
    if (size == drafted || (may_be_empty && size == 0)) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat("draft tree: got ", size, " ", name, " for ", drafted, " drafted nodes"));
  };
  for (absl::Status status :
       {check("parents", proto.parents_size(), false), check("ranks", proto.ranks_size(), true),
        check("sources", proto.sources_size(), true),
        check("probabilities", proto.probabilities_size(), true)}) {
    if (!status.ok()) return status;
  }
  DraftTree tree = DraftTree::Root(proto.base(), proto.root());
  tree.tokens.insert(tree.tokens.end(), proto.tokens().begin(), proto.tokens().end());
  for (const std::uint32_t parent : proto.parents()) {
    if (parent > static_cast<std::uint32_t>(std::numeric_limits<std::int32_t>::max())) {
      return absl::InvalidArgumentError(
          absl::StrCat("draft tree: got parent ", parent, ", expected an earlier node"));
    }
    tree.parents.push_back(static_cast<std::int32_t>(parent));
  }
  if (proto.ranks_size() > 0) {
    tree.ranks.push_back(0);
    tree.ranks.insert(tree.ranks.end(), proto.ranks().begin(), proto.ranks().end());
  }
  if (proto.sources_size() > 0) {
    constexpr DraftSourceSet kKnown = (1U << kDraftSources) - 1;
    tree.sources.push_back(0);
    for (const std::uint32_t set : proto.sources()) {
      tree.sources.push_back(static_cast<DraftSourceSet>(set & kKnown));
    }
  }
  if (proto.probabilities_size() > 0) {
    tree.probabilities.push_back(1);
    tree.probabilities.insert(tree.probabilities.end(), proto.probabilities().begin(),
                              proto.probabilities().end());
  }
  return tree;
}

void DraftTreeToProto(const DraftTree& tree, common::v1::DraftTree* proto) {
  proto->Clear();
  proto->set_base(tree.base);
  proto->set_root(tree.tokens[0]);
  for (std::size_t i = 1; i < tree.tokens.size(); ++i) {
    proto->add_tokens(tree.tokens[i]);
    proto->add_parents(static_cast<std::uint32_t>(tree.parents[i]));
    if (!tree.ranks.empty()) proto->add_ranks(tree.ranks[i]);
    if (!tree.sources.empty()) proto->add_sources(tree.sources[i]);
    if (!tree.probabilities.empty()) proto->add_probabilities(tree.probabilities[i]);
  }
}

absl::StatusOr<Candidates> CandidatesFromProto(const common::v1::Candidates& proto,
                                               std::size_t rows, std::uint32_t vocab_size) {
  if (proto.k() < 1 || proto.k() > 64) {
    return absl::InvalidArgumentError(
        absl::StrCat("candidates: got k ", proto.k(), ", expected 1 to 64"));
  }
  if (static_cast<std::size_t>(proto.ids_size()) != rows * proto.k()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "candidates: got ", proto.ids_size(), " ids, expected ", rows, " rows of ", proto.k()));
  }
  RETURN_IF_ERROR(CheckTokens(
      "candidates", {proto.ids().data(), static_cast<std::size_t>(proto.ids_size())}, vocab_size));
  Candidates candidates;
  candidates.k = proto.k();
  candidates.ids.assign(proto.ids().begin(), proto.ids().end());
  return candidates;
}

void CandidatesToProto(const Candidates& candidates, common::v1::Candidates* proto) {
  proto->set_k(candidates.k);
  proto->mutable_ids()->Assign(candidates.ids.begin(), candidates.ids.end());
}

ModelIdentity ModelIdentityFromProto(const common::v1::ModelIdentity& proto) {
  return {.model_id = proto.model_id(),
          .vocab_size = proto.vocab_size(),
          .tokenizer_digest = proto.tokenizer_digest()};
}

void ModelIdentityToProto(const ModelIdentity& identity, common::v1::ModelIdentity* proto) {
  proto->set_model_id(identity.model_id);
  proto->set_vocab_size(identity.vocab_size);
  proto->set_tokenizer_digest(identity.tokenizer_digest);
}

TokenLogprob TokenLogprobFromProto(const common::v1::TokenLogprob& proto) {
  TokenLogprob logprob{.token = proto.token_id(), .logprob = proto.logprob(), .top = {}};
  for (const auto& entry : proto.top()) logprob.top.emplace_back(entry.token_id(), entry.logprob());
  return logprob;
}

void TokenLogprobToProto(const TokenLogprob& logprob, common::v1::TokenLogprob* proto) {
  proto->Clear();
  proto->set_token_id(logprob.token);
  proto->set_logprob(logprob.logprob);
  for (const auto& [token, value] : logprob.top) {
    auto* entry = proto->add_top();
    entry->set_token_id(token);
    entry->set_logprob(value);
  }
}

absl::Duration MicrosFromProto(std::uint64_t micros) {
  static const auto kMost = static_cast<std::uint64_t>(absl::ToInt64Microseconds(kLongestTold));
  return absl::Microseconds(static_cast<std::int64_t>(std::min(micros, kMost)));
}

}  // namespace recycling
