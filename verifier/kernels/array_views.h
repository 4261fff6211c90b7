// Views of memory as Eigen arrays, so that code for rows of numbers looks like its formula. A view
// does not own the memory, which must outlive the view.
//
// Use them for copies and element-wise expressions, which give the same bits with every compiler
// and option. Do not use Eigen's sums and matrix products, because Eigen chooses the order of their
// additions.
//
// The sources of vector_kernels must not include this file. They are compiled for instruction sets
// that the machine may not have, and the linker could use their copy of an Eigen function in the
// whole program.
#ifndef RECYCLING_VERIFIER_KERNELS_ARRAY_VIEWS_H_
#define RECYCLING_VERIFIER_KERNELS_ARRAY_VIEWS_H_

#include <Eigen/Core>
#include <cstddef>

namespace recycling::verifier {

// Eigen's sizes are signed.
inline Eigen::Index AsIndex(std::size_t n) { return static_cast<Eigen::Index>(n); }

// One row of adjacent numbers.
template <typename Number>
using RowView = Eigen::Map<Eigen::Array<Number, 1, Eigen::Dynamic>>;
template <typename Number>
using ConstRowView = Eigen::Map<const Eigen::Array<Number, 1, Eigen::Dynamic>>;

template <typename Number>
RowView<Number> AsRow(Number* data, std::size_t size) {
  return {data, AsIndex(size)};
}
template <typename Number>
ConstRowView<Number> AsRow(const Number* data, std::size_t size) {
  return {data, AsIndex(size)};
}

// Rows of numbers. The first numbers of neighbouring rows are `stride` numbers apart.
template <typename Number>
using RowsView = Eigen::Map<Eigen::Array<Number, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>,
                            Eigen::Unaligned, Eigen::OuterStride<>>;
template <typename Number>
using ConstRowsView =
    Eigen::Map<const Eigen::Array<Number, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>,
               Eigen::Unaligned, Eigen::OuterStride<>>;

template <typename Number>
RowsView<Number> AsRows(Number* data, std::size_t rows, std::size_t columns, std::size_t stride) {
  return {data, AsIndex(rows), AsIndex(columns), Eigen::OuterStride<>(AsIndex(stride))};
}
template <typename Number>
ConstRowsView<Number> AsRows(const Number* data, std::size_t rows, std::size_t columns,
                             std::size_t stride) {
  return {data, AsIndex(rows), AsIndex(columns), Eigen::OuterStride<>(AsIndex(stride))};
}
template <typename Number>
auto AsRows(Number* data, std::size_t rows, std::size_t columns) {
  return AsRows(data, rows, columns, columns);
}

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_ARRAY_VIEWS_H_
