#include "common/base/build_version.h"

namespace recycling {

std::string BuildVersion() { return RECYCLING_VERSION " (" RECYCLING_COMMIT ")"; }

}  // namespace recycling
