// Runs AMX instructions on a Linux machine without AMX. Each of them raises SIGILL; the handler
// does what the processor's manual says and continues after the instruction.
#ifndef RECYCLING_TESTS_VERIFIER_KERNELS_TRAPPED_TILES_H_
#define RECYCLING_TESTS_VERIFIER_KERNELS_TRAPPED_TILES_H_

namespace recycling::verifier {

// From now on LDTILECFG, TILERELEASE, TILEZERO, TILELOADD, TILESTORED and TDPBSSD work in the whole
// process; each thread has its own tiles. What the processor would refuse, for example the use of
// tiles that are not configured, still ends the process. So does every other unknown instruction.
// Returns false if this is not possible on this machine.
bool TrapTiles();

}  // namespace recycling::verifier

#endif  // RECYCLING_TESTS_VERIFIER_KERNELS_TRAPPED_TILES_H_
