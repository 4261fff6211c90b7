// The constraint of one output, and the compiled constraints that outputs share.
#ifndef RECYCLING_COMMON_CONSTRAINT_CONSTRAINT_H_
#define RECYCLING_COMMON_CONSTRAINT_CONSTRAINT_H_

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/mutex.h"
#include "common/constraint/matcher.h"
#include "common/constraint/token_masks.h"
#include "common/decoding/sampling_options.h"

namespace recycling::constraint {

// Whether `constraint` can be compiled. InvalidArgument as CompileJsonSchema, ParsePattern and
// ParseGbnf; the message begins with "schema: ", "pattern: " or "grammar: ".
absl::Status CheckConstraint(const TextConstraint& constraint);

// A vocabulary, as constraints need it.
struct Vocabulary {
  std::vector<std::string> texts;  // by id; empty: no text can have the token
  std::vector<TokenId> eos_ids;
};

// A constraint, compiled for a vocabulary.
struct CompiledConstraint;

// Follows one output. Threads: one.
class OutputConstraint {
 public:
  // With `ignore_eos` the output ends only where the text cannot go on.
  OutputConstraint(std::shared_ptr<CompiledConstraint> compiled, bool ignore_eos);
  ~OutputConstraint();

  // The state after the committed tokens and `tokens`. InvalidArgument if the constraint does not
  // allow them, and ResourceExhausted if the grammar is too ambiguous for this text.
  absl::StatusOr<StateId> StateAfter(std::span<const TokenId> tokens);
  // Commits the tokens of which StateAfter returned `state`.
  void Commit(StateId state) { committed_ = state; }

  // The tokens that may follow the committed ones and `path`, which must be allowed. Among them are
  // the end-of-sequence tokens if the text is complete. Valid until the next call.
  // ResourceExhausted as StateAfter.
  absl::StatusOr<std::span<const std::uint64_t>> AllowedAfter(std::span<const TokenId> path);

  // Whether `token` is an end-of-sequence token.
  bool Ends(TokenId token) const;

 private:
  StateId After(StateId state, TokenId token);

  const std::shared_ptr<CompiledConstraint> compiled_;
  const bool ignore_eos_;
  Matcher matcher_;
  StateId committed_;
  absl::flat_hash_map<StateId, TokenMask> masks_;
};

// Compiles constraints and keeps the last ones. Threads: any.
class ConstraintCache {
 public:
  // `read` is called once, when the first constraint comes.
  explicit ConstraintCache(std::function<absl::StatusOr<Vocabulary>()> read);
  ~ConstraintCache();

  // Errors as CheckConstraint, and of `read`.
  absl::StatusOr<std::unique_ptr<OutputConstraint>> Open(const TextConstraint& constraint,
                                                         bool ignore_eos);

 private:
  struct Shared;  // what all compiled constraints use

  absl::StatusOr<std::shared_ptr<CompiledConstraint>> Find(const TextConstraint& constraint);

  const std::function<absl::StatusOr<Vocabulary>()> read_;
  Mutex mutex_;
  std::shared_ptr<const Shared> shared_ ABSL_GUARDED_BY(mutex_);
  // The last used first.
  std::list<std::pair<TextConstraint, std::shared_ptr<CompiledConstraint>>> kept_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace recycling::constraint

#endif  // RECYCLING_COMMON_CONSTRAINT_CONSTRAINT_H_
