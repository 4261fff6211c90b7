// --log_level and --log_format of the services.
#ifndef RECYCLING_COMMON_PROGRAM_LOG_FLAGS_H_
#define RECYCLING_COMMON_PROGRAM_LOG_FLAGS_H_

#include "common/program/flag_group.h"

namespace recycling {

FlagGroup LogFlags();

// Sets level and format of the log from the flags. Call after the flags are parsed.
void SetLogFromFlags();

}  // namespace recycling

#endif  // RECYCLING_COMMON_PROGRAM_LOG_FLAGS_H_
