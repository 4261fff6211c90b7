// How integer weights are stored in memory, and how the fast arithmetic uses them.
//
// A matrix is packed into panels of 32 outputs. A panel has chunks of 256 columns, and a chunk has
// blocks of 32 columns. The last chunk of a panel may have fewer blocks. A chunk is a header
// and then its blocks, so that a pass reads memory in ascending order.
//
// The arithmetic, for one row x and one output. Each weight of the file is d q - m, with a small
// integer q, and with a scale d and a minimum m that 16 or 32 neighbouring columns share.
// Activations are rounded to signed bytes a. Let M be the largest |x| of a chunk. Then
//   k_b = the largest integer in [0, 10] with 2^k_b (largest |x| of block b) <= M
//   a   = round to even (x (127 / M) 2^k_b)           in [-127, 127]
//   e_b = 10 - k_b,  s = (M / 127) 2^-10
// Let i be the exact integer sum of q a over the columns that share a scale, and t the sum of a
// over the same columns. In each chunk F starts at 0, and the columns are added in ascending order:
//   F   = fma(float(i 2^e_b), d, F), then, for formats with minima, F = fma(float(t 2^e_b), -m, F)
// The output starts at 0, and the chunks are added in ascending order:
//   sum = fma(F, s, sum)
// Both conversions to float are exact. If M is below 2^-100, it counts as 0: then s = 0 and a = 0.
// If M is not finite, s is not a number. So a sum depends only on the numbers in the columns: every
// instruction set, every number of rows and every number of threads gives the same bits.
#ifndef RECYCLING_VERIFIER_KERNELS_PACKED_FORMAT_H_
#define RECYCLING_VERIFIER_KERNELS_PACKED_FORMAT_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "verifier/kernels/tensor_type.h"

namespace recycling::verifier {

inline constexpr std::size_t kPanelOutputs = 32;
inline constexpr std::size_t kBlockColumns = 32;   // of activations, with one power of two
inline constexpr std::size_t kChunkColumns = 256;  // of activations, with one scale
inline constexpr std::size_t kChunkBlocks = kChunkColumns / kBlockColumns;
inline constexpr int kLargestShift = 10;

// A packed format is a struct in formats/ with these members:
//   kType                  the type in the model file
//   kScaleColumns          columns that share a scale, 16 or 32
//   kOffset                Values() gives q + kOffset as an unsigned byte. kOffset is 128 if q is a
//                          signed byte that uses all 8 bits. Only for such a q, and only if
//                          Isa::kSignedBytes is true, Values() gives q itself as a signed byte
//   kLargest               the largest byte that Values() gives; 255 if kOffset is 128
//   kHasMinimum
//   kHeaderBytes           of a chunk; a multiple of 64
//   kBlockBytes            a multiple of 64
//   Pack(from, o, chunk)   packs one block of the file, for output o of the panel, into memory that
//                          was zero. The first 32 columns of the file's block go to the first block
//                          of `chunk`
//   Values<Isa, k>(block, v)           columns [4 k, 4 k + 4) of vector v of outputs
//   Scale<Isa>(header, block, part, v) d of the columns of part `part` of a block
//   Minimum<Isa>(header, block, part, v)  m of these columns; only with kHasMinimum
//
// An Isa has the vector operations of one instruction set. A Float or an Int holds one number for
// each of kOutputs outputs. A Bytes holds 4 kOutputs bytes, four columns of each output.

// Values of 8, 4, 2 and 1 bits in a block. A row of values is 4 columns of all outputs of a panel.
// The value of output o and column c is at place 4 o + c % 4 of its row. Two rows of 4-bit values,
// or four rows of 2-bit values, share their bytes; the first row has the lowest bits. In a row of
// 1-bit values, the place is the index of the bit.
inline constexpr std::size_t kRowBytes = 4 * kPanelOutputs;
inline constexpr std::size_t kByteValues = kRowBytes * kBlockColumns / 4;  // bytes of a block
inline constexpr std::size_t kNibbleValues = kByteValues / 2;
inline constexpr std::size_t kTwoBitValues = kByteValues / 4;
inline constexpr std::size_t kOneBitValues = kByteValues / 8;

constexpr std::size_t PlaceInRow(std::size_t o, std::size_t c) { return 4 * o + c % 4; }

// Sets the value of column c, in [0, 32), of output o. The place must be zero before the call.
inline void PutByte(std::byte* values, std::size_t o, std::size_t c, unsigned value) {
  values[c / 4 * kRowBytes + PlaceInRow(o, c)] = static_cast<std::byte>(value);
}
inline void PutNibble(std::byte* values, std::size_t o, std::size_t c, unsigned value) {
  values[c / 8 * kRowBytes + PlaceInRow(o, c)] |= static_cast<std::byte>(value << 4 * (c / 4 % 2));
}
inline void PutTwoBits(std::byte* values, std::size_t o, std::size_t c, unsigned value) {
  values[c / 16 * kRowBytes + PlaceInRow(o, c)] |= static_cast<std::byte>(value << 2 * (c / 4 % 4));
}
inline void PutBit(std::byte* values, std::size_t o, std::size_t c, unsigned value) {
  const std::size_t bit = PlaceInRow(o, c);
  values[c / 4 * (kRowBytes / 8) + bit / 8] |= static_cast<std::byte>(value << bit % 8);
}

// Sets the 32 nibbles of output o from 16 bytes of a file: their low halves are columns 0 to 15,
// their high halves the others.
inline void PutNibblesOf16(std::byte* values, std::size_t o, const std::byte* from) {
  for (std::size_t c = 0; c < 32; ++c) {
    const auto pair = std::to_integer<unsigned>(from[c % 16]);
    PutNibble(values, o, c, c < 16 ? pair & 15U : pair >> 4);
  }
}
// Sets the 32 bits of output o from 4 bytes of a file, the lowest bit first.
inline void PutBitsOf4(std::byte* values, std::size_t o, const std::byte* from) {
  for (std::size_t c = 0; c < 32; ++c) {
    PutBit(values, o, c, std::to_integer<unsigned>(from[c / 8]) >> c % 8 & 1U);
  }
}

inline std::uint16_t LoadU16(const std::byte* at) {
  std::uint16_t value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

// Copies the float16 at `from` to place o of a row of float16 numbers.
inline void PutHalf(std::byte* halves, std::size_t o, const std::byte* from) {
  std::memcpy(halves + 2 * o, from, 2);
}

inline constexpr std::size_t kHalves = 2 * kPanelOutputs;  // bytes of a row of float16 numbers

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_PACKED_FORMAT_H_
