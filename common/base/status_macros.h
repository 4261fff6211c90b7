// Early return on absl::Status and absl::StatusOr errors.
#ifndef RECYCLING_COMMON_BASE_STATUS_MACROS_H_
#define RECYCLING_COMMON_BASE_STATUS_MACROS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Returns from the enclosing function if `expr`, an absl::Status, is not OK.
#define RETURN_IF_ERROR(expr)                                         \
  do {                                                                \
    if (absl::Status status_ = (expr); !status_.ok()) return status_; \
  } while (false)

// Evaluates `expr`, an absl::StatusOr<T>; returns its status if not OK, else assigns the value to
// `lhs`, which may declare a variable. Use it in a block, not as the body of an if.
#define ASSIGN_OR_RETURN(lhs, expr) \
  ASSIGN_OR_RETURN_IMPL_(RECYCLING_CONCAT_(status_or_, __LINE__), lhs, expr)

#define ASSIGN_OR_RETURN_IMPL_(result, lhs, expr)      \
  auto result = (expr);                                \
  if (!result.ok()) return std::move(result).status(); \
  lhs = *std::move(result)

#define RECYCLING_CONCAT_(a, b) RECYCLING_CONCAT_INNER_(a, b)
#define RECYCLING_CONCAT_INNER_(a, b) a##b

#endif  // RECYCLING_COMMON_BASE_STATUS_MACROS_H_
