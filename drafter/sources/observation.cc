#include "drafter/sources/observation.h"

#include "absl/strings/str_cat.h"

namespace recycling::drafter {
namespace {

absl::Status ValidatePath(const std::vector<std::uint32_t>& path, std::size_t rows) {
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (path[i] >= rows) {
      return absl::InvalidArgumentError(
          absl::StrCat("accepted_path: got row ", path[i], ", expected less than ", rows));
    }
    if (i == 0 ? path[i] != 0 : path[i] <= path[i - 1]) {
      return absl::InvalidArgumentError(absl::StrCat(
          "accepted_path: got row ", path[i], " at index ", i, ", expected rows ascending from 0"));
    }
  }
  return absl::OkStatus();
}

// Requires a valid accepted path.
absl::Status ValidateParents(const Observation& observation) {
  const std::vector<std::int32_t>& parents = observation.parents;
  const std::vector<std::uint32_t>& path = observation.accepted_path;
  if (parents.empty()) return absl::OkStatus();
  if (parents.size() != observation.tokens.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("parents: got ", parents.size(), " including that of the root, expected ",
                     observation.tokens.size(), ", one for each row"));
  }
  for (std::size_t row = 0; row < parents.size(); ++row) {
    const auto first = static_cast<std::int64_t>(row == 0 ? -1 : 0);
    const auto end = static_cast<std::int64_t>(row);
    if (parents[row] < first || parents[row] >= end) {
      return absl::InvalidArgumentError(absl::StrCat("parents: got ", parents[row], " for row ",
                                                     row, ", expected ", first, " to ", end - 1));
    }
  }
  for (std::size_t i = 1; i < path.size(); ++i) {
    if (parents[path[i]] != static_cast<std::int32_t>(path[i - 1])) {
      return absl::InvalidArgumentError(absl::StrCat(
          "parents: got ", parents[path[i]], " for row ", path[i],
          " of the accepted path, expected the previous row of the path, ", path[i - 1]));
    }
  }
  return absl::OkStatus();
}

absl::Status ValidateCandidates(std::span<const TokenId> ids, std::size_t row,
                                std::uint32_t vocab_size) {
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] >= vocab_size) {
      return absl::InvalidArgumentError(absl::StrCat("candidates: got token id ", ids[i],
                                                     " in row ", row, ", expected less than ",
                                                     vocab_size));
    }
    for (std::size_t j = 0; j < i; ++j) {
      if (ids[i] == ids[j]) {
        return absl::InvalidArgumentError(absl::StrCat(
            "candidates: got token id ", ids[i], " twice in row ", row, ", expected distinct ids"));
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::span<const TokenId> CandidatesOf(const Observation& observation, std::size_t row) {
  const std::size_t k = observation.candidates.k;
  return std::span(observation.candidates.ids).subspan(row * k, k);
}

absl::Status ValidateObservation(const Observation& observation, std::uint32_t vocab_size,
                                 std::uint32_t k) {
  const std::size_t rows = observation.tokens.size();
  if (rows == 0) {
    return absl::InvalidArgumentError("observation: got no rows, expected at least one");
  }
  if (observation.candidates.k != k) {
    return absl::InvalidArgumentError(
        absl::StrCat("candidates: got k ", observation.candidates.k, ", expected ", k));
  }
  if (observation.candidates.ids.size() != rows * k) {
    return absl::InvalidArgumentError(absl::StrCat("candidates: got ",
                                                   observation.candidates.ids.size(),
                                                   " ids, expected ", rows, " rows of ", k));
  }
  for (std::size_t row = 0; row < rows; ++row) {
    if (observation.tokens[row] >= vocab_size) {
      return absl::InvalidArgumentError(absl::StrCat("observation: got token id ",
                                                     observation.tokens[row], " in row ", row,
                                                     ", expected less than ", vocab_size));
    }
    if (absl::Status status = ValidateCandidates(CandidatesOf(observation, row), row, vocab_size);
        !status.ok()) {
      return status;
    }
  }
  if (absl::Status status = ValidatePath(observation.accepted_path, rows); !status.ok()) {
    return status;
  }
  return ValidateParents(observation);
}

void Learn(const Observation& observation, AdjacencyMatrix* matrix) {
  for (std::size_t row = 0; row < observation.tokens.size(); ++row) {
    matrix->WriteRow(observation.tokens[row], CandidatesOf(observation, row));
  }
  for (const std::uint32_t row : observation.accepted_path) {
    matrix->WriteRow(observation.tokens[row], CandidatesOf(observation, row));
  }
}

}  // namespace recycling::drafter
