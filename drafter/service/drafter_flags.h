// Flags of a drafter, for the programs that hold one.
#ifndef RECYCLING_DRAFTER_SERVICE_DRAFTER_FLAGS_H_
#define RECYCLING_DRAFTER_SERVICE_DRAFTER_FLAGS_H_

#include <vector>

#include "common/program/flag_group.h"
#include "drafter/service/drafter_server.h"

namespace recycling::drafter {

std::vector<FlagGroup> DrafterFlags();

// Ranges are CreateDrafter's to check.
DrafterOptions OptionsFromFlags();

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_SERVICE_DRAFTER_FLAGS_H_
