#include "common/base/byte_size.h"

#include <algorithm>
#include <cstddef>
#include <limits>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace recycling {
namespace {

struct Unit {
  const char* name;
  int shift;
};
constexpr Unit kUnits[] = {{"TiB", 40}, {"GiB", 30}, {"MiB", 20}, {"KiB", 10}, {"B", 0}, {"", 0}};

}  // namespace

bool AbslParseFlag(absl::string_view text, ByteSize* size, std::string* error) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  for (const Unit& unit : kUnits) {
    std::uint64_t number = 0;
    if (text.substr(digits) != unit.name || !absl::SimpleAtoi(text.substr(0, digits), &number)) {
      continue;
    }
    if (number > std::numeric_limits<std::uint64_t>::max() >> unit.shift) break;
    size->bytes = number << unit.shift;
    return true;
  }
  *error = absl::StrCat("got \"", absl::CEscape(text.substr(0, 64)),
                        "\", expected a number of bytes such as 1073741824, 512MiB or 2GiB");
  return false;
}

std::string AbslUnparseFlag(ByteSize size) {
  for (const Unit& unit : kUnits) {
    const std::uint64_t one = std::uint64_t{1} << unit.shift;
    if (unit.shift == 0 || (size.bytes >= one && size.bytes % one == 0)) {
      return absl::StrCat(size.bytes / one, unit.shift == 0 ? "" : unit.name);
    }
  }
  return "";
}

}  // namespace recycling
