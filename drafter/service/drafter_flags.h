// The command line flags of the programs that run a drafter.
#ifndef RECYCLING_DRAFTER_SERVICE_DRAFTER_FLAGS_H_
#define RECYCLING_DRAFTER_SERVICE_DRAFTER_FLAGS_H_

#include <vector>

#include "common/program/flag_group.h"
#include "drafter/service/drafter_server.h"

namespace recycling::drafter {

// The flags in groups, for the output of --help.
std::vector<FlagGroup> DrafterFlags();

// Reads the flags. Does not check the values; CreateDrafter does.
DrafterOptions OptionsFromFlags();

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_SERVICE_DRAFTER_FLAGS_H_
