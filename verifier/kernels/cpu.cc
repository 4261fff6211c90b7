#include "verifier/kernels/cpu.h"

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#endif

namespace recycling::verifier {
namespace {

constexpr InstructionSet kAll[] = {InstructionSet::kPortable, InstructionSet::kAvx2,
                                   InstructionSet::kAvx512, InstructionSet::kAvx512Vnni,
                                   InstructionSet::kAmx};

#if defined(__x86_64__)

constexpr bool Has(std::uint64_t word, std::uint64_t bits) { return (word & bits) == bits; }
constexpr std::uint64_t Bit(int at) { return std::uint64_t{1} << at; }

// The registers that the operating system saves and restores (XCR0). Requires OSXSAVE.
std::uint64_t SavedRegisters() {
  std::uint32_t low = 0;
  std::uint32_t high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (std::uint64_t{high} << 32) | low;
}

bool PermitsTileData() {
#if defined(__linux__)
  constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr long kTileData = 18;               // XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

InstructionSet BestBelowAmx(bool* processor_has_amx) {
  *processor_has_amx = false;
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  constexpr std::uint64_t kFma = Bit(12);
  constexpr std::uint64_t kOsXsave = Bit(27);
  constexpr std::uint64_t kAvx = Bit(28);
  constexpr std::uint64_t kF16c = Bit(29);
  if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) == 0) return InstructionSet::kPortable;
  if (!Has(ecx, kFma | kOsXsave | kAvx | kF16c)) return InstructionSet::kPortable;
  const std::uint64_t saved = SavedRegisters();
  constexpr std::uint64_t kYmm = Bit(1) | Bit(2);
  constexpr std::uint64_t kZmm = kYmm | Bit(5) | Bit(6) | Bit(7);
  constexpr std::uint64_t kTiles = Bit(17) | Bit(18);
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0) return InstructionSet::kPortable;
  constexpr std::uint64_t kAvx2 = Bit(5);
  if (!Has(ebx, kAvx2) || !Has(saved, kYmm)) return InstructionSet::kPortable;
  constexpr std::uint64_t kAvx512 = Bit(16) | Bit(17) | Bit(30) | Bit(31);  // F, DQ, BW, VL
  if (!Has(ebx, kAvx512) || !Has(saved, kZmm)) return InstructionSet::kAvx2;
  constexpr std::uint64_t kVnni = Bit(11);
  if (!Has(ecx, kVnni)) return InstructionSet::kAvx512;
  constexpr std::uint64_t kAmx = Bit(22) | Bit(24) | Bit(25);  // bf16, tiles, int8
  *processor_has_amx = Has(edx, kAmx) && Has(saved, kTiles);
  return InstructionSet::kAvx512Vnni;
}

InstructionSet Detect() {
  bool amx = false;
  const InstructionSet best = BestBelowAmx(&amx);
  return amx && PermitsTileData() ? InstructionSet::kAmx : best;
}

bool IsAmd() {
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  constexpr unsigned kAuth = 0x68747541;  // of "AuthenticAMD"
  return __get_cpuid(0, &eax, &ebx, &ecx, &edx) != 0 && ebx == kAuth;
}

#else

InstructionSet Detect() { return InstructionSet::kPortable; }
bool IsAmd() { return false; }

#endif

}  // namespace

InstructionSet BestInstructionSet() {
  static const InstructionSet best = Detect();
  return best;
}

bool Supports(InstructionSet set) { return set <= BestInstructionSet(); }

bool PrefetchesFewRows() {
  static const bool fetches = !IsAmd();
  return fetches;
}

std::vector<InstructionSet> SupportedInstructionSets() {
  std::vector<InstructionSet> sets;
  for (const InstructionSet set : kAll) {
    if (Supports(set)) sets.push_back(set);
  }
  return sets;
}

std::string_view Name(InstructionSet set) {
  switch (set) {
    case InstructionSet::kPortable:
      return "portable";
    case InstructionSet::kAvx2:
      return "avx2";
    case InstructionSet::kAvx512:
      return "avx512";
    case InstructionSet::kAvx512Vnni:
      return "avx512-vnni";
    case InstructionSet::kAmx:
      return "amx";
  }
  return "unknown";
}

std::optional<InstructionSet> InstructionSetFromName(std::string_view name) {
  for (const InstructionSet set : kAll) {
    if (Name(set) == name) return set;
  }
  return std::nullopt;
}

absl::StatusOr<InstructionSet> ChooseInstructionSet(std::string_view name) {
  if (name == "auto") return BestInstructionSet();
  const std::optional<InstructionSet> set = InstructionSetFromName(name);
  if (!set.has_value()) {
    return absl::InvalidArgumentError(
        absl::StrCat("kernel: got \"", std::string(name),
                     "\", expected auto, portable, avx2, avx512, avx512-vnni or amx"));
  }
  if (!Supports(*set)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "kernel: got ", std::string(name), ", expected at most ",
        std::string(Name(BestInstructionSet())), ", the best that this machine can run"));
  }
  return *set;
}

}  // namespace recycling::verifier
