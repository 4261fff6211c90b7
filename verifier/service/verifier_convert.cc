#include "verifier/service/verifier_convert.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/rpc/proto_convert.h"

namespace recycling::verifier {
namespace {

std::uint64_t Micros(absl::Duration duration) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(0, absl::ToInt64Microseconds(duration)));
}

void TimingsToProto(const StepTimings& timings, v1::StepTimings* proto) {
  proto->set_queue_micros(Micros(timings.queue));
  proto->set_forward_micros(Micros(timings.forward));
  proto->set_sample_micros(Micros(timings.sample));
}

}  // namespace

absl::Status CheckMeansThisVerifier(const v1::OpenSequence& proto, const ModelIdentity& model,
                                    const std::string& numerics_id) {
  if (proto.has_model()) {
    const ModelIdentity got = ModelIdentityFromProto(proto.model());
    RETURN_IF_ERROR(ValidateModelIdentity(got));
    RETURN_IF_ERROR(CheckSameModel(got, model));
  }
  if (!proto.numerics_id().empty() && proto.numerics_id() != numerics_id) {
    return absl::FailedPreconditionError(
        absl::StrCat("numerics_id: got \"", absl::CEscape(proto.numerics_id().substr(0, 256)),
                     "\", expected \"", absl::CEscape(numerics_id), "\""));
  }
  return absl::OkStatus();
}

absl::StatusOr<SequenceOptions> SequenceOptionsFromProto(const v1::OpenSequence& proto,
                                                         std::uint32_t context_length) {
  const auto tokens = static_cast<std::uint64_t>(proto.prompt_ids_size()) +
                      static_cast<std::uint64_t>(proto.generated_ids_size());
  if (tokens > context_length) {
    return absl::InvalidArgumentError(absl::StrCat("prompt_ids and generated_ids: got ", tokens,
                                                   " tokens, expected at most the context length, ",
                                                   context_length));
  }
  SequenceOptions options;
  options.prompt_ids.assign(proto.prompt_ids().begin(), proto.prompt_ids().end());
  options.generated_ids.assign(proto.generated_ids().begin(), proto.generated_ids().end());
  options.sampling = SamplingOptionsFromProto(proto.sampling());
  options.learn_last = proto.learn_last();
  options.want_candidates = proto.want_candidates();
  constexpr std::size_t kMostTenantBytes = 128;
  if (proto.tenant().size() > kMostTenantBytes) {
    return absl::InvalidArgumentError(absl::StrCat("tenant: got ", proto.tenant().size(),
                                                   " bytes, expected at most ", kMostTenantBytes));
  }
  options.tenant = proto.tenant();
  return options;
}

absl::StatusOr<VerifyStep> StepFromProto(const v1::VerifyStep& proto, int max_tree_nodes) {
  VerifyStep step = {.base = proto.base(), .tree = {}};
  if (!proto.has_tree()) return step;
  if (proto.tree().tokens_size() > max_tree_nodes) {
    return absl::InvalidArgumentError(absl::StrCat("draft tree: got ", proto.tree().tokens_size(),
                                                   " nodes beside the root, expected at most ",
                                                   max_tree_nodes));
  }
  ASSIGN_OR_RETURN(step.tree, DraftTreeFromProto(proto.tree()));
  return step;
}

void LoadToProto(const Load& load, v1::Load* proto) {
  proto->Clear();
  proto->set_open_sequences(load.open_sequences);
  proto->set_queued_passes(load.queued_passes);
  proto->set_kv_bytes_used(load.kv_bytes_used);
  proto->set_kv_bytes_bound(load.kv_bytes_bound);
  for (const PassCost& cost : load.pass_costs) {
    auto* entry = proto->add_pass_costs();
    entry->set_rows(cost.rows);
    entry->set_micros(cost.micros);
  }
}

void OpenResultToProto(const OpenResult& result, const Load& load, v1::SequenceOpened* proto) {
  proto->Clear();
  proto->set_base(result.base);
  proto->set_cached_tokens(result.cached_tokens);
  if (result.prompt_candidates.k > 0) {
    CandidatesToProto(result.prompt_candidates, proto->mutable_prompt_candidates());
  }
  TimingsToProto(result.timings, proto->mutable_timings());
  LoadToProto(load, proto->mutable_load());
}

void StepResultToProto(const StepResult& result, std::uint64_t step, std::uint32_t base,
                       const Load& load, v1::StepVerified* proto) {
  proto->Clear();
  proto->set_step(step);
  proto->set_base(base);
  proto->mutable_tokens()->Add(result.tokens.begin(), result.tokens.end());
  for (const int node : result.accepted_nodes) {
    proto->add_accepted_nodes(static_cast<std::uint32_t>(node));
  }
  if (result.candidates.k > 0) CandidatesToProto(result.candidates, proto->mutable_candidates());
  for (const TokenLogprob& logprob : result.logprobs) {
    TokenLogprobToProto(logprob, proto->add_logprobs());
  }
  proto->set_draft_ignored(result.draft_ignored);
  proto->set_verified_nodes(static_cast<std::uint32_t>(result.rows - 1));
  TimingsToProto(result.timings, proto->mutable_timings());
  LoadToProto(load, proto->mutable_load());
  proto->mutable_load()->set_other_rows(result.others.rows);
  proto->mutable_load()->set_other_tokens(result.others.tokens);
  proto->mutable_load()->set_other_micros(Micros(result.others.passes));
}

}  // namespace recycling::verifier
