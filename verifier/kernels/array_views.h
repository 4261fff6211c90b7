// Views of memory as Eigen arrays, so that code over rows of numbers reads like its formula. A view
// owns nothing; the memory must outlive it.
//
// Use them for copies and element-wise expressions, which give the same bits however they are
// compiled. Do not use Eigen's sums and products of matrices: they add in an order of their own.
//
// Not for the sources of vector_kernels: they are compiled for instruction sets that the machine
// may not have, and the linker could take their copy of an Eigen function for all others.
#ifndef RECYCLING_VERIFIER_KERNELS_ARRAY_VIEWS_H_
#define RECYCLING_VERIFIER_KERNELS_ARRAY_VIEWS_H_

#include <Eigen/Core>
#include <cstddef>

namespace recycling::verifier {

// Eigen counts in signed numbers.
inline Eigen::Index AsIndex(std::size_t n) { return static_cast<Eigen::Index>(n); }

// Numbers that lie side by side.
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

// Rows one after the other, the first numbers of two rows `stride` apart.
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
