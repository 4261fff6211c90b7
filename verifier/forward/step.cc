#include "verifier/forward/step.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"

namespace recycling::verifier {
namespace {

absl::Status CheckSequence(const Segment& segment, const Step& step, const StepLimits& limits) {
  if (segment.kv == nullptr) return absl::InvalidArgumentError("pass: a segment has no sequence");
  if (segment.kv->layout() != limits.layout) {
    return absl::InvalidArgumentError("pass: a sequence belongs to a cache of another layout");
  }
  const bool twice = std::any_of(step.segments.begin(), step.segments.end(),
                                 [&](const StepSegment& other) { return other.kv == segment.kv; });
  if (twice) return absl::InvalidArgumentError("pass: a sequence is in two segments");
  return absl::OkStatus();
}

absl::Status AddRow(const Segment& segment, std::size_t row, std::uint32_t context_length,
                    const StepLimits& limits, Step& step) {
  const std::size_t first_row = step.segments.back().first_row;
  const std::int32_t parent = segment.parents[row];
  if (parent < -1 || parent >= static_cast<std::int32_t>(row)) {
    return absl::InvalidArgumentError(absl::StrCat("pass: got parent ", parent, " for row ", row,
                                                   ", expected -1 or an earlier row"));
  }
  if (segment.tokens[row] >= limits.vocab_size) {
    return absl::InvalidArgumentError(absl::StrCat("pass: got token ", segment.tokens[row],
                                                   ", expected less than ", limits.vocab_size));
  }
  const std::size_t pass_parent = first_row + static_cast<std::size_t>(std::max(parent, 0));
  const std::uint32_t position =
      parent < 0 ? step.segments.back().prefix : step.positions[pass_parent] + 1;
  if (position >= context_length) {
    return absl::InvalidArgumentError(absl::StrCat(
        "pass: got position ", position, ", expected less than the context of ", context_length));
  }
  step.tokens.push_back(segment.tokens[row]);
  step.parents.push_back(parent < 0 ? -1 : static_cast<std::int32_t>(pass_parent));
  step.positions.push_back(position);
  return absl::OkStatus();
}

absl::Status AddLogitRows(const Segment& segment, Step& step) {
  StepSegment& placed = step.segments.back();
  placed.needed_from = segment.logit_rows.empty()
                           ? placed.rows
                           : static_cast<std::size_t>(std::max(segment.logit_rows.front(), 0));
  const std::size_t first_needed = step.needed_rows.size();
  for (std::size_t row = placed.needed_from; row < placed.rows; ++row) {
    step.needed_rows.push_back(placed.first_row + row);
  }
  int next = 0;
  for (const int row : segment.logit_rows) {
    if (row < next || row >= static_cast<int>(segment.tokens.size())) {
      return absl::InvalidArgumentError(absl::StrCat("pass: got logit row ", row,
                                                     ", expected ascending rows less than ",
                                                     segment.tokens.size()));
    }
    next = row + 1;
    step.logit_rows.push_back(first_needed + static_cast<std::size_t>(row) - placed.needed_from);
  }
  return absl::OkStatus();
}

absl::Status AddSegments(std::span<const Segment> segments, const StepLimits& limits, Step& step) {
  for (const Segment& segment : segments) {
    RETURN_IF_ERROR(CheckSequence(segment, step, limits));
    if (segment.tokens.empty() || segment.parents.size() != segment.tokens.size()) {
      return absl::InvalidArgumentError(
          absl::StrCat("pass: got ", segment.tokens.size(), " tokens and ", segment.parents.size(),
                       " parents, expected equal numbers, at least 1"));
    }
    if (segment.tokens.size() > limits.max_rows - step.rows()) {
      return absl::InvalidArgumentError(absl::StrCat("pass: got at least ",
                                                     step.rows() + segment.tokens.size(),
                                                     " rows, expected at most ", limits.max_rows));
    }
    step.segments.push_back({.kv = segment.kv,
                             .prefix = segment.kv->length(),
                             .first_row = step.rows(),
                             .rows = segment.tokens.size()});
    const std::uint32_t context_length =
        std::min(limits.context_length, segment.kv->max_positions());
    for (std::size_t row = 0; row < segment.tokens.size(); ++row) {
      RETURN_IF_ERROR(AddRow(segment, row, context_length, limits, step));
    }
    RETURN_IF_ERROR(AddLogitRows(segment, step));
  }
  return absl::OkStatus();
}

}  // namespace

void Step::Clear() {
  segments.clear();
  tokens.clear();
  parents.clear();
  positions.clear();
  needed_rows.clear();
  logit_rows.clear();
}

absl::Status LayOut(std::span<const Segment> segments, const StepLimits& limits, Step& step) {
  step.Clear();
  const absl::Status status = AddSegments(segments, limits, step);
  if (!status.ok()) step.Clear();
  return status;
}

}  // namespace recycling::verifier
