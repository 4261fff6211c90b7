// How integer weights lie in memory, and what the fast arithmetic computes from them.
//
// A matrix is packed into panels of 32 outputs. A panel has chunks of 256 columns, a chunk has
// blocks of 32 columns; the last chunk of a row may have fewer blocks. A chunk is
// [header][block 0][block 1] ..., so that a pass reads one ascending stream.
//
// The arithmetic, for one row x and one output. Each weight of the file is d q - m, with a small
// integer q, and with a scale d and a minimum m that 16 or 32 neighbouring columns share.
// Activations are rounded to signed bytes a. With M the largest |x| of a chunk:
//   k_b = the largest integer in [0, 10] with 2^k_b (largest |x| of block b) <= M
//   a   = round to even (x (127 / M) 2^k_b)           in [-127, 127]
//   e_b = 10 - k_b,  s = (M / 127) 2^-10
// and with i the exact integer sum of q a over the columns that share a scale, and t that of a:
//   F   = fma(float(i 2^e_b), d, F), then, for formats with minima, F = fma(float(t 2^e_b), -m, F);
//         columns ascending, from 0, anew for each chunk
//   sum = fma(F, s, sum); chunks ascending, from 0
// Both conversions to float are exact. M below 2^-100 counts as 0: then s = 0 and a = 0. If M is
// not finite, s is not a number. So a sum is a function of the columns alone: every instruction
// set, every number of rows and every number of threads gives the same bits.
#ifndef RECYCLING_VERIFIER_KERNELS_PACKED_FORMAT_H_
#define RECYCLING_VERIFIER_KERNELS_PACKED_FORMAT_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "verifier/kernels/tensor_type.h"

namespace recycling::verifier {

inline constexpr std::size_t kPanelOutputs = 32;
inline constexpr std::size_t kBlockColumns = 32;   // share a power of two of activations
inline constexpr std::size_t kChunkColumns = 256;  // share a scale of activations
inline constexpr std::size_t kChunkBlocks = kChunkColumns / kBlockColumns;
inline constexpr int kLargestShift = 10;

// A packed format is a struct in formats/ with these members:
//   kType                  of the file
//   kScaleColumns          columns that share a scale, 16 or 32
//   kOffset                Values() gives q + kOffset, an unsigned byte; 128: any q of 8 bits
//   kHasMinimum
//   kHeaderBytes           of a chunk; a multiple of 64
//   kBlockBytes            a multiple of 64
//   Pack(from, o, chunk)   one block of the file, of output o of the panel, into a chunk that was
//                          zero; `chunk` is moved so that its block 0 is the first of the file's
//   Values<Isa, k>(block, v)           columns [4 k, 4 k + 4) of vector v of outputs
//   Scale<Isa>(header, block, part, v) d of columns [part kScaleColumns, ...) of a block
//   Minimum<Isa>(...)                  m, likewise; only with kHasMinimum
//
// An Isa is what a source compiles the loops for: vectors of kOutputs outputs (Float, Int), and of
// 4 kOutputs bytes (Bytes), four columns of each output.

// Values of 8, 4, 2 and 1 bits in a block. A row of values is 4 columns of all outputs of a panel:
// output o, column c stands at 4 o + c % 4. Narrower values share a byte with those of the next
// rows, the first row in the lowest bits.
inline constexpr std::size_t kRowBytes = 4 * kPanelOutputs;
inline constexpr std::size_t kByteValues = kRowBytes * kBlockColumns / 4;  // bytes of a block
inline constexpr std::size_t kNibbleValues = kByteValues / 2;
inline constexpr std::size_t kTwoBitValues = kByteValues / 4;
inline constexpr std::size_t kOneBitValues = kByteValues / 8;

constexpr std::size_t PlaceInRow(std::size_t o, std::size_t c) { return 4 * o + c % 4; }

// Sets value c, in [0, 32), of output o. `values` is zero there before.
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

inline std::uint16_t LoadU16(const std::byte* at) {
  std::uint16_t value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

// The scale, of 16 bits, of output o in a row of them.
inline void PutHalf(std::byte* halves, std::size_t o, const std::byte* from) {
  std::memcpy(halves + 2 * o, from, 2);
}

inline constexpr std::size_t kHalves = 2 * kPanelOutputs;  // bytes

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_PACKED_FORMAT_H_
