// Runs AMX instructions on a Linux machine that does not have them: each one ends in SIGILL, whose
// handler does what the processor's manual says and goes on behind it.
#ifndef RECYCLING_TESTS_VERIFIER_KERNELS_TRAPPED_TILES_H_
#define RECYCLING_TESTS_VERIFIER_KERNELS_TRAPPED_TILES_H_

namespace recycling::verifier {

// From here on, in the whole process, LDTILECFG, TILERELEASE, TILEZERO, TILELOADD, TILESTORED and
// TDPBSSD work, with tiles for each thread. What the processor would refuse, such as tiles that
// were not configured, and every other unknown instruction still ends the process. False: not
// possible here.
bool TrapTiles();

}  // namespace recycling::verifier

#endif  // RECYCLING_TESTS_VERIFIER_KERNELS_TRAPPED_TILES_H_
