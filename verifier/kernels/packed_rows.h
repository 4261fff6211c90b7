// Loads values and scales of a packed block as vectors of an Isa (packed_format.h). The files in
// formats/ and panel_kernel.h include this file. A source for an instruction set includes those
// after its target pragma, so that all of this is compiled for that instruction set.
#ifndef RECYCLING_VERIFIER_KERNELS_PACKED_ROWS_H_
#define RECYCLING_VERIFIER_KERNELS_PACKED_ROWS_H_

#include <cstddef>

#include "verifier/kernels/packed_format.h"

namespace recycling::verifier {

// Loads row k of the values of a block, for vector v of outputs.
template <class Isa>
typename Isa::Bytes ByteRow(const std::byte* values, int k, int v) {
  return Isa::LoadBytes(values + static_cast<std::size_t>(k) * kRowBytes +
                        static_cast<std::size_t>(v) * Isa::kBytes);
}
template <class Isa, int k>
typename Isa::Bytes NibbleRow(const std::byte* values, int v) {
  const auto pair = ByteRow<Isa>(values, k / 2, v);
  return Isa::template Field<k % 2 * 4, 15>(pair);
}
template <class Isa, int k>
typename Isa::Bytes TwoBitRow(const std::byte* values, int v) {
  const auto four = ByteRow<Isa>(values, k / 4, v);
  return Isa::template Field<k % 4 * 2, 3>(four);
}
// Gives kOn where the bit is set and 0 elsewhere.
template <class Isa, int k, int kOn>
typename Isa::Bytes BitRow(const std::byte* values, int v) {
  return Isa::template SpreadBits<kOn>(values + k * (kRowBytes / 8) +
                                       static_cast<std::size_t>(v) * (Isa::kBytes / 8));
}

// Loads vector v of a row of float16 numbers or of bytes, and converts it to floats.
template <class Isa>
typename Isa::Float HalfRow(const std::byte* halves, int v) {
  return Isa::LoadHalves(halves + 2 * static_cast<std::size_t>(v) * Isa::kOutputs);
}
template <class Isa>
typename Isa::Float UnsignedRow(const std::byte* bytes, int v) {
  return Isa::FromUnsigned(bytes + static_cast<std::size_t>(v) * Isa::kOutputs);
}
template <class Isa>
typename Isa::Float SignedRow(const std::byte* bytes, int v) {
  return Isa::FromSigned(bytes + static_cast<std::size_t>(v) * Isa::kOutputs);
}

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_PACKED_ROWS_H_
