// The flags of a drafter, for the programs that run one.
#ifndef RECYCLING_DRAFTER_SERVICE_DRAFTER_FLAGS_H_
#define RECYCLING_DRAFTER_SERVICE_DRAFTER_FLAGS_H_

#include <vector>

#include "common/program/flag_group.h"
#include "drafter/service/drafter_server.h"

namespace recycling::drafter {

// The groups of flags, for --help.
std::vector<FlagGroup> DrafterFlags();

// CreateDrafter checks the values.
DrafterOptions OptionsFromFlags();

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_SERVICE_DRAFTER_FLAGS_H_
