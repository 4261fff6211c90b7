#include "common/constraint/string_formats.h"

#include <array>
#include <string>
#include <utility>

namespace recycling::constraint {
namespace {

constexpr char kDate[] =
    R"([12]\d{3}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)|)"
    R"(02-(?:0[1-9]|1\d|2[0-8])))";
constexpr char kTime[] =
    R"((?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d))";
constexpr char kByte[] = R"((?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d))";
constexpr char kLabel[] = R"([A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)";

// All of it, and nothing else.
std::string Whole(const std::string& pattern) { return "^(?:" + pattern + ")$"; }

std::string Duration() {
  const std::string time =
      R"(T(?:\d{1,4}H(?:\d{1,4}M(?:\d{1,4}S)?)?|\d{1,4}M(?:\d{1,4}S)?|\d{1,4}S))";
  return R"(P(?:\d{1,4}W|)" + time +
         R"(|(?:\d{1,4}Y(?:\d{1,4}M(?:\d{1,4}D)?)?|\d{1,4}M(?:\d{1,4}D)?|\d{1,4}D)(?:)" + time +
         ")?)";
}

// All eight groups, or one run of zeros left out.
std::string Ipv6() {
  const std::string group = "[0-9a-fA-F]{1,4}";
  std::string pattern = "(?:" + group + ":){7}" + group;
  for (int before = 0; before <= 6; ++before) {
    const std::string first =
        before == 0 ? "" : group + "(?::" + group + "){" + std::to_string(before - 1) + "}";
    const int after = 6 - before;
    pattern += "|" + first + "::";
    if (after > 0) {
      pattern += "(?:" + group + "(?::" + group + "){0," + std::to_string(after - 1) + "})?";
    }
  }
  return pattern;
}

std::string Hostname() {
  const std::string label = kLabel;
  return label + "(?:\\." + label + "){0,2}";
}

std::string Email() {
  const std::string label = kLabel;
  return R"([A-Za-z0-9]+(?:[._+-][A-Za-z0-9]+)*@)" + label + "(?:\\." + label + "){1,2}";
}

std::string Uri() {
  const std::string byte = R"((?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2}))";
  return R"([A-Za-z][A-Za-z0-9+.-]{0,15}:\/\/)" + Hostname() + R"((?::[1-9]\d{0,3})?(?:\/)" + byte +
         R"(*)*(?:\?(?:)" + byte + R"(|[\/?])*)?(?:#(?:)" + byte + R"(|[\/?])*)?)";
}

}  // namespace

std::string_view PatternOfFormat(std::string_view format) {
  using Formats = std::array<std::pair<std::string_view, std::string>, 10>;
  static const Formats* const formats = new Formats{{
      {"date", Whole(kDate)},
      {"time", Whole(kTime)},
      {"date-time", Whole(std::string(kDate) + "T" + kTime)},
      {"duration", Whole(Duration())},
      {"email", Whole(Email())},
      {"hostname", Whole(Hostname())},
      {"ipv4", Whole(std::string(kByte) + "(?:\\." + kByte + "){3}")},
      {"ipv6", Whole(Ipv6())},
      {"uri", Whole(Uri())},
      {"uuid", Whole("[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")},
  }};
  for (const auto& [name, pattern] : *formats) {
    if (name == format) return pattern;
  }
  return "";
}

}  // namespace recycling::constraint
