#include "verifier/schedule/page_claims.h"

#include <span>

namespace recycling::verifier {
namespace {

constexpr auto kPage = static_cast<std::uint32_t>(kKvBlockRows);

}  // namespace

void PageClaims::Add(const SequenceState& state) {
  if (!HasFullPage(state)) return;
  const SequenceState*& filler = fillers_[NextPage(state)];
  if (filler == nullptr || filler->kv->length() < state.kv->length()) filler = &state;
}

bool PageClaims::MayFill(const SequenceState& state) const {
  if (state.kv->kept_length() + kPage > state.reusable())
    return true;  // the sequence may not reuse this page
  return fillers_.at(NextPage(state)) == &state;
}

bool PageClaims::HasFullPage(const SequenceState& state) {
  return state.kv->kept_length() + kPage <= state.base() - 1;
}

PageClaims::Page PageClaims::NextPage(const SequenceState& state) {
  const auto tokens =
      std::as_bytes(std::span(state.tokens).subspan(state.kv->kept_length(), kPage));
  return {state.tenant, state.kv->kept_prefix(),
          std::string_view(reinterpret_cast<const char*>(tokens.data()), tokens.size())};
}

}  // namespace recycling::verifier
