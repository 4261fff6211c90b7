#ifndef RECYCLING_VERIFIER_KERNELS_USABLE_CORES_H_
#define RECYCLING_VERIFIER_KERNELS_USABLE_CORES_H_

#include <string>

namespace recycling::verifier {

// The number of physical cores that this process may use, at least 1: the default number of threads
// of a forward pass. Two hardware threads of one core share its arithmetic units, so they count as
// one.
//  - The process may use the processors of its affinity mask (/proc/self/status). If the mask is
//    not known, it may use all processors of the machine.
//  - A core is a set of processors with the same topology/thread_siblings_list
//    (/sys/devices/system/cpu). A processor without this file is a core.
//  - The lowest limit on processor time of the process's control groups (cpu.max, or version 1's
//    cpu.cfs_quota_us) is a limit too, rounded up to whole processors.
// `root` stands before /proc and /sys. For tests.
int UsableCores(const std::string& root = "");

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_USABLE_CORES_H_
