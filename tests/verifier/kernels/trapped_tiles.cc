#include "tests/verifier/kernels/trapped_tiles.h"

#if defined(__x86_64__) && defined(__linux__)

#include <signal.h>
#include <ucontext.h>

#include <cstdint>
#include <cstring>

namespace recycling::verifier {
namespace {

struct TileState {
  bool configured = false;
  std::uint8_t rows[8] = {};
  std::uint16_t row_bytes[8] = {};
  std::int8_t data[8][16][64] = {};
};
thread_local TileState state;

// The parts of an instruction with a three-byte VEX prefix.
struct Instruction {
  int opcode;
  int prefix;  // 0: none, 1: 66, 2: F3, 3: F2
  int v;       // the third register
  int mode, reg, rm;
  // `address` is the address of the memory operand. `index` is the part of it that comes from the
  // index register.
  std::uint64_t address = 0;
  std::uint64_t index = 0;
  std::uint64_t length = 0;
};

// The value of the general register that an instruction calls `number`.
std::uint64_t Register(const ucontext_t& context, int number) {
  constexpr int kPlaces[] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                             REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                             REG_R12, REG_R13, REG_R14, REG_R15};
  return static_cast<std::uint64_t>(context.uc_mcontext.gregs[kPlaces[number]]);
}

// Decodes the next instruction. False if it has no VEX prefix, or not the opcode map of the tile
// instructions.
bool Decode(const ucontext_t& context, Instruction& i) {
  const auto start = static_cast<std::uint64_t>(context.uc_mcontext.gregs[REG_RIP]);
  const auto* byte = reinterpret_cast<const std::uint8_t*>(start);
  if (byte[0] != 0xc4 || (byte[1] & 31) != 2) return false;
  const int high_index = byte[1] & 0x40 ? 0 : 8;
  const int high_base = byte[1] & 0x20 ? 0 : 8;
  i.prefix = byte[2] & 3;
  i.v = ~(byte[2] >> 3) & 15;
  i.opcode = byte[3];
  i.mode = byte[4] >> 6;
  i.reg = byte[4] >> 3 & 7;
  i.rm = byte[4] & 7;
  const std::uint8_t* at = byte + 5;
  if (i.mode != 3) {
    int base = i.rm;
    if (i.rm == 4) {
      const int sib = *at++;
      base = sib & 7;
      const int index = (sib >> 3 & 7) | high_index;
      if (index != 4) i.index = Register(context, index) << (sib >> 6);
    }
    std::int32_t offset = 0;
    const bool no_base = i.mode == 0 && base == 5;
    if (i.mode == 1) {
      offset = static_cast<std::int8_t>(*at++);
    } else if (i.mode == 2 || no_base) {
      std::memcpy(&offset, at, sizeof(offset));
      at += sizeof(offset);
    }
    i.address = static_cast<std::uint64_t>(std::int64_t{offset}) + i.index;
    if (!no_base) i.address += Register(context, base | high_base);
    // Without a base the address is relative to RIP.
    if (no_base && i.rm == 5) i.address += reinterpret_cast<std::uint64_t>(at);
  }
  i.length = reinterpret_cast<std::uint64_t>(at) - start;
  return true;
}

bool Configure(const std::uint8_t* config) {
  if (config[0] != 1 || config[1] != 0) return false;
  state = {};
  for (int t = 0; t < 8; ++t) {
    std::memcpy(&state.row_bytes[t], config + 16 + 2 * t, 2);
    state.rows[t] = config[48 + t];
    if (state.rows[t] > 16 || state.row_bytes[t] > 64) return false;
  }
  state.configured = true;
  return true;
}

bool AddProducts(int c, int a, int b) {
  const int n = state.row_bytes[c] / 4;
  const int k = state.row_bytes[a];
  if (a == b || a == c || b == c || state.rows[a] != state.rows[c] || 4 * state.rows[b] != k ||
      state.row_bytes[b] != 4 * n) {
    return false;
  }
  for (int row = 0; row < state.rows[c]; ++row) {
    std::int32_t sums[16];
    std::memcpy(sums, state.data[c][row], sizeof(sums));
    for (int i = 0; i < k; ++i) {
      for (int o = 0; o < n; ++o) {
        sums[o] += state.data[a][row][i] * state.data[b][i / 4][4 * o + i % 4];
      }
    }
    std::memcpy(state.data[c][row], sums, sizeof(sums));
  }
  return true;
}

// Executes a tile instruction. False for any other instruction, and for one that the processor
// would refuse.
bool Run(const Instruction& i) {
  if (i.opcode == 0x49 && i.prefix == 0 && i.reg == 0) {
    if (i.mode != 3) return Configure(reinterpret_cast<const std::uint8_t*>(i.address));
    state = {};
    return i.rm == 0;
  }
  if (!state.configured) return false;
  if (i.opcode == 0x49 && i.prefix == 3 && i.mode == 3 && i.rm == 0) {
    std::memset(state.data[i.reg], 0, sizeof(state.data[i.reg]));
    return true;
  }
  if (i.opcode == 0x4b && (i.prefix == 2 || i.prefix == 3) && i.mode != 3 && i.rm == 4) {
    std::uint64_t at = i.address - i.index;
    if (i.prefix == 3) std::memset(state.data[i.reg], 0, sizeof(state.data[i.reg]));
    for (int row = 0; row < state.rows[i.reg]; ++row) {
      // The index register holds the distance between rows.
      void* memory = reinterpret_cast<void*>(at + static_cast<std::uint64_t>(row) * i.index);
      if (i.prefix == 3) {
        std::memcpy(state.data[i.reg][row], memory, state.row_bytes[i.reg]);
      } else {
        std::memcpy(memory, state.data[i.reg][row], state.row_bytes[i.reg]);
      }
    }
    return true;
  }
  return i.opcode == 0x5e && i.prefix == 3 && i.mode == 3 && AddProducts(i.reg, i.rm, i.v);
}

void Handle(int, siginfo_t*, void* data) {
  auto& context = *static_cast<ucontext_t*>(data);
  Instruction instruction = {};
  if (Decode(context, instruction) && Run(instruction)) {
    context.uc_mcontext.gregs[REG_RIP] += static_cast<greg_t>(instruction.length);
  } else {
    signal(SIGILL, SIG_DFL);  // the instruction runs again and ends the process
  }
}

}  // namespace

bool TrapTiles() {
  struct sigaction action = {};
  action.sa_sigaction = Handle;
  action.sa_flags = SA_SIGINFO;
  return sigaction(SIGILL, &action, nullptr) == 0;
}

}  // namespace recycling::verifier

#else

namespace recycling::verifier {
bool TrapTiles() { return false; }
}  // namespace recycling::verifier

#endif
