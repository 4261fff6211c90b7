// AMX tiles in memory, with the interface that AmxKernel needs. A source includes this header after
// its target pragma, like amx_kernel.h.
#ifndef RECYCLING_TESTS_VERIFIER_KERNELS_SOFTWARE_TILES_H_
#define RECYCLING_TESTS_VERIFIER_KERNELS_SOFTWARE_TILES_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "verifier/kernels/panel_layout.h"

namespace recycling::verifier {
namespace {

template <int kSteps>
class SoftwareTiles {
 public:
  static constexpr std::string_view kName = "amx in software";
  static constexpr int kTurnSteps = kSteps;

  SoftwareTiles(int columns, int rows)
      : columns_(static_cast<std::size_t>(columns)), rows_(static_cast<std::size_t>(rows)) {}

  template <int kTile>
  void Zero() {
    std::memset(tiles_[kTile], 0, sizeof(tiles_[kTile]));
  }
  template <int kTile>
  void LoadInputs(const std::byte* from) {
    Load(kTile, from, rows_, columns_, kBlockColumns);
  }
  template <int kTile>
  void LoadWeights(const std::byte* from) {
    Load(kTile, from, columns_ / 4, 64, kRowBytes);
  }
  template <int kTile>
  void Store(std::int32_t* to) {
    std::memcpy(to, tiles_[kTile], rows_ * sizeof(tiles_[kTile][0]));
  }
  template <int kC, int kA, int kB>
  void AddProducts() {
    Multiply(kC, kA, kB);
  }

 private:
  // Not inlined, because the kernel names hundreds of tile operations and would take minutes to
  // compile.
  __attribute__((noinline)) void Multiply(int c, int a, int b) {
    for (std::size_t row = 0; row < rows_; ++row) {
      std::int32_t sums[16];
      std::memcpy(sums, tiles_[c][row], sizeof(sums));
      for (std::size_t i = 0; i < columns_; ++i) {
        for (std::size_t o = 0; o < 16; ++o) {
          sums[o] += tiles_[a][row][i] * tiles_[b][i / 4][4 * o + i % 4];
        }
      }
      std::memcpy(tiles_[c][row], sums, sizeof(sums));
    }
  }
  __attribute__((noinline)) void Load(int tile, const std::byte* from, std::size_t rows,
                                      std::size_t bytes, std::size_t stride) {
    for (std::size_t row = 0; row < rows; ++row) {
      std::memcpy(tiles_[tile][row], from + row * stride, bytes);
    }
  }

  const std::size_t columns_;
  const std::size_t rows_;
  std::int8_t tiles_[8][16][64] = {};
};

}  // namespace
}  // namespace recycling::verifier

#endif  // RECYCLING_TESTS_VERIFIER_KERNELS_SOFTWARE_TILES_H_
