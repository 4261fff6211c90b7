// Emulates AMX instructions on a Linux machine without AMX. Each of them raises SIGILL. The signal
// handler executes the instruction in software and continues after it.
#ifndef RECYCLING_TESTS_VERIFIER_KERNELS_TRAPPED_TILES_H_
#define RECYCLING_TESTS_VERIFIER_KERNELS_TRAPPED_TILES_H_

namespace recycling::verifier {

// Installs the signal handler. After that, LDTILECFG, TILERELEASE, TILEZERO, TILELOADD, TILESTORED
// and TDPBSSD work in the whole process, and each thread has its own tiles. An instruction that the
// processor would refuse, for example one that uses tiles before LDTILECFG, still ends the process.
// So does every other unknown instruction. Returns false if the handler cannot be installed on this
// system.
bool TrapTiles();

}  // namespace recycling::verifier

#endif  // RECYCLING_TESTS_VERIFIER_KERNELS_TRAPPED_TILES_H_
