// Eight tile registers of 16 rows x 64 bytes in memory, as the processor's manual describes them.
// Everything has internal linkage; see amx_kernel.h.
#ifndef RECYCLING_TESTS_VERIFIER_KERNELS_SOFTWARE_TILES_H_
#define RECYCLING_TESTS_VERIFIER_KERNELS_SOFTWARE_TILES_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace recycling::verifier {
namespace {

class SoftwareTiles {
 public:
  static constexpr std::string_view kName = "amx in software";

  template <int kTile>
  void Zero() {
    std::memset(tiles_[kTile], 0, sizeof(tiles_[kTile]));
  }
  template <int kTile>
  void Load(const std::byte* from) {
    std::memcpy(tiles_[kTile], from, sizeof(tiles_[kTile]));
  }
  template <int kTile>
  void Store(std::int32_t* to) {
    std::memcpy(to, tiles_[kTile], sizeof(tiles_[kTile]));
  }
  // C[m][n] += sum over k of A[m][k] B[k / 4][4 n + k % 4]. A float holds a
  // sum of 64 products of bytes exactly, and compilers vectorize floats well.
  template <int kC, int kA, int kB>
  void AddProducts() {
    float b[64][16];
    for (int k = 0; k < 64; ++k) {
      for (int n = 0; n < 16; ++n) b[k][n] = tiles_[kB][k / 4][4 * n + k % 4];
    }
    for (int m = 0; m < 16; ++m) {
      float sums[16] = {};
      for (int k = 0; k < 64; ++k) {
        const float a = tiles_[kA][m][k];
        for (int n = 0; n < 16; ++n) sums[n] += a * b[k][n];
      }
      std::int32_t c[16];
      std::memcpy(c, tiles_[kC][m], sizeof(c));
      for (int n = 0; n < 16; ++n) c[n] += static_cast<std::int32_t>(sums[n]);
      std::memcpy(tiles_[kC][m], c, sizeof(c));
    }
  }

 private:
  alignas(64) std::int8_t tiles_[8][16][64];
};

}  // namespace
}  // namespace recycling::verifier

#endif  // RECYCLING_TESTS_VERIFIER_KERNELS_SOFTWARE_TILES_H_
