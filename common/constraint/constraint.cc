#include "common/constraint/constraint.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/constraint/gbnf.h"
#include "common/constraint/json_schema.h"
#include "common/constraint/pattern.h"

namespace recycling::constraint {
namespace {

constexpr std::size_t kMostKept = 8;                 // compiled constraints
constexpr std::size_t kMostMaskBytes = 16 << 20;     // of one
constexpr std::size_t kMostMatcherBytes = 16 << 20;  // of one output
constexpr std::size_t kMostMasks = 64;               // that an output keeps

absl::StatusOr<std::shared_ptr<const Grammar>> CompilePattern(std::string_view text) {
  ASSIGN_OR_RETURN(Expression expression, ParsePattern(text, &Expression::Chars));
  return GrammarOf(std::move(expression));
}

absl::StatusOr<std::shared_ptr<const Grammar>> Compile(const TextConstraint& constraint) {
  using Kind = TextConstraint::Kind;
  const char* name = constraint.kind == Kind::kJsonSchema ? "schema: "
                     : constraint.kind == Kind::kPattern  ? "pattern: "
                                                          : "grammar: ";
  auto grammar = constraint.kind == Kind::kJsonSchema ? CompileJsonSchema(constraint.text)
                 : constraint.kind == Kind::kPattern  ? CompilePattern(constraint.text)
                                                      : ParseGbnf(constraint.text);
  if (grammar.ok() && Matcher(*grammar).overflowed()) {
    return absl::InvalidArgumentError(absl::StrCat(name, "it is too ambiguous"));
  }
  if (grammar.ok() || absl::StartsWith(grammar.status().message(), name)) return grammar;
  return absl::Status(grammar.status().code(), absl::StrCat(name, grammar.status().message()));
}

absl::Status TooAmbiguous() {
  return absl::ResourceExhaustedError("constraint: it is too ambiguous for the text of the output");
}

}  // namespace

struct ConstraintCache::Shared {
  Vocabulary vocabulary;
  std::shared_ptr<const TokenTrie> trie;
};

struct CompiledConstraint {
  std::shared_ptr<const Vocabulary> vocabulary;
  std::shared_ptr<const Grammar> grammar;
  TokenMasks masks;
};

OutputConstraint::OutputConstraint(std::shared_ptr<CompiledConstraint> compiled, bool ignore_eos)
    : compiled_(std::move(compiled)),
      ignore_eos_(ignore_eos),
      matcher_(compiled_->grammar, kMostMatcherBytes),
      committed_(matcher_.start()) {}

OutputConstraint::~OutputConstraint() = default;

StateId OutputConstraint::After(StateId state, TokenId token) {
  const std::string& text = compiled_->vocabulary->texts[token];
  return text.empty() ? kDead : matcher_.Next(state, text);
}

absl::StatusOr<StateId> OutputConstraint::StateAfter(std::span<const TokenId> tokens) {
  StateId state = committed_;
  for (const TokenId token : tokens) {
    if (Ends(token) && matcher_.accepts(state)) return state;
    const StateId next = After(state, token);
    if (matcher_.overflowed()) return TooAmbiguous();
    if (next == kDead) {
      return absl::InvalidArgumentError(
          absl::StrCat("constraint: token ", token, " of the output does not fit"));
    }
    state = next;
  }
  return state;
}

absl::StatusOr<std::span<const std::uint64_t>> OutputConstraint::AllowedAfter(
    std::span<const TokenId> path) {
  StateId state = committed_;
  for (const TokenId token : path) state = After(state, token);
  auto known = masks_.find(state);
  if (known == masks_.end()) {
    if (masks_.size() >= kMostMasks) masks_.clear();
    TokenMask mask = compiled_->masks.Of(matcher_, state);
    if (matcher_.accepts(state) && (!ignore_eos_ || matcher_.is_last(state))) {
      for (const TokenId eos : compiled_->vocabulary->eos_ids) mask.Add(eos);
    }
    known = masks_.emplace(state, std::move(mask)).first;
  }
  if (matcher_.overflowed()) return TooAmbiguous();
  return std::span<const std::uint64_t>(known->second.words());
}

bool OutputConstraint::Ends(TokenId token) const {
  const std::vector<TokenId>& ids = compiled_->vocabulary->eos_ids;
  return std::find(ids.begin(), ids.end(), token) != ids.end();
}

absl::Status CheckConstraint(const TextConstraint& constraint) {
  return Compile(constraint).status();
}

ConstraintCache::ConstraintCache(std::function<absl::StatusOr<Vocabulary>()> read)
    : read_(std::move(read)) {}

ConstraintCache::~ConstraintCache() = default;

absl::StatusOr<std::unique_ptr<OutputConstraint>> ConstraintCache::Open(
    const TextConstraint& constraint, bool ignore_eos) {
  ASSIGN_OR_RETURN(std::shared_ptr<CompiledConstraint> compiled, Find(constraint));
  return std::make_unique<OutputConstraint>(std::move(compiled), ignore_eos);
}

absl::StatusOr<std::shared_ptr<CompiledConstraint>> ConstraintCache::Find(
    const TextConstraint& constraint) {
  std::shared_ptr<const Shared> shared;
  {
    MutexLock lock(mutex_);
    for (auto kept = kept_.begin(); kept != kept_.end(); ++kept) {
      if (!(kept->first == constraint)) continue;
      kept_.splice(kept_.begin(), kept_, kept);
      return kept_.front().second;
    }
    if (shared_ == nullptr) {
      ASSIGN_OR_RETURN(Vocabulary vocabulary, read_());
      auto trie = std::make_shared<TokenTrie>(vocabulary.texts);
      shared_ = std::make_shared<const Shared>(
          Shared{.vocabulary = std::move(vocabulary), .trie = std::move(trie)});
    }
    shared = shared_;
  }
  ASSIGN_OR_RETURN(std::shared_ptr<const Grammar> grammar, Compile(constraint));
  const std::shared_ptr<const Vocabulary> vocabulary(shared, &shared->vocabulary);
  std::shared_ptr<CompiledConstraint> compiled(
      new CompiledConstraint{vocabulary, grammar, {grammar, shared->trie, kMostMaskBytes}});
  MutexLock lock(mutex_);
  kept_.emplace_front(constraint, compiled);
  if (kept_.size() > kMostKept) kept_.pop_back();
  return compiled;
}

}  // namespace recycling::constraint
