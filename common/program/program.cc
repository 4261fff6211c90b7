#include "common/program/program.h"

#include <google/protobuf/stubs/common.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <optional>
#include <string_view>

#include "absl/flags/reflection.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/program/help.h"

namespace recycling {
namespace {

using Flags = std::map<std::string, absl::CommandLineFlag*>;

[[noreturn]] void ExitWithUsageError(const ProgramInfo& info, const std::string& message) {
  std::fprintf(stderr, "%s: %s\nTry '%s --help'.\n", info.name.c_str(), message.c_str(),
               info.name.c_str());
  std::exit(kExitUsage);
}

// `info` with every linked flag in one group, if it names no flags.
ProgramInfo WithEveryFlag(ProgramInfo info) {
  if (!info.flags.empty() || !info.takes_flags) return info;
  FlagGroup every = {.title = "Flags", .names = {}};
  for (const auto& [name, flag] : absl::GetAllFlags()) {
    if (!flag->IsRetired()) every.names.push_back(std::string(name));
  }
  std::sort(every.names.begin(), every.names.end());
  info.flags = {std::move(every)};
  return info;
}

Flags FlagsOf(const ProgramInfo& info) {
  Flags flags;
  for (const FlagGroup& group : info.flags) {
    for (const std::string& name : group.names) flags[name] = absl::FindCommandLineFlag(name);
  }
  return flags;
}

std::string Versions(const ProgramInfo& info) {
  return absl::StrCat(info.name, " ", BuildVersion(), "\ngRPC ", grpc::Version(), ", protobuf ",
                      google::protobuf::internal::VersionString(GOOGLE_PROTOBUF_VERSION), "\n");
}

// Number of insertions, deletions and replacements between `a` and `b`.
std::size_t EditDistance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

// " (did you mean --x?)", or nothing if no flag has a similar name.
std::string Suggestion(const std::string& name, const Flags& flags) {
  if (name.size() > 64) return "";
  std::size_t best = std::max<std::size_t>(2, name.size() / 3) + 1;
  std::string nearest;
  for (const auto& [flag, unused] : flags) {
    const std::size_t distance = EditDistance(name, flag);
    if (distance < best) {
      best = distance;
      nearest = flag;
    }
  }
  return nearest.empty() ? "" : absl::StrCat(" (did you mean --", nearest, "?)");
}

void SetFlag(const ProgramInfo& info, absl::CommandLineFlag* flag, const std::string& source,
             const std::string& value) {
  std::string error;
  if (flag->ParseFrom(value, &error)) return;
  // Abseil's error repeats the flag's name and value. The reason stands after the first "; ".
  const std::size_t reason = error.find("; ");
  ExitWithUsageError(info, absl::StrCat(source, ": cannot take \"", value, "\"",
                                        reason == std::string::npos ? "" : error.substr(reason)));
}

void SetFromEnvironment(const ProgramInfo& info, const Flags& flags) {
  for (const auto& [name, flag] : flags) {
    const std::string variable = EnvironmentName(name);
    const char* value = std::getenv(variable.c_str());
    if (value != nullptr && *value != '\0') {
      SetFlag(info, flag, absl::StrCat("environment ", variable), value);
    }
  }
}

struct Argument {
  std::string name;                  // the flag's name, with underscores
  std::optional<std::string> value;  // the text after '='
};

Argument SplitArgument(std::string_view text) {
  const std::size_t equals = text.find('=');
  Argument argument;
  argument.name = absl::StrReplaceAll(std::string(text.substr(0, equals)), {{"-", "_"}});
  if (equals != std::string_view::npos) argument.value = text.substr(equals + 1);
  return argument;
}

// Sets the flag that starts at argv[i]. Returns the number of arguments that it used, 1 or 2.
int TakeFlag(const ProgramInfo& info, const Flags& flags, int argc, char** argv, int i) {
  const std::string text = argv[i];
  const auto [name, value] = SplitArgument(std::string_view(text).substr(2));
  if (const auto flag = flags.find(name); flag != flags.end()) {
    const std::string source = absl::StrCat("--", name);
    if (value.has_value()) {
      SetFlag(info, flag->second, source, *value);
    } else if (flag->second->IsOfType<bool>()) {
      SetFlag(info, flag->second, source, "true");
    } else if (i + 1 < argc) {
      SetFlag(info, flag->second, source, argv[i + 1]);
      return 2;
    } else {
      ExitWithUsageError(info, absl::StrCat(source, ": got no value"));
    }
    return 1;
  }
  if (name.starts_with("no") && !value.has_value()) {
    const auto flag = flags.find(name.substr(2));
    if (flag != flags.end() && flag->second->IsOfType<bool>()) {
      SetFlag(info, flag->second, text, "false");
      return 1;
    }
  }
  ExitWithUsageError(info, absl::StrCat("unknown flag --", name, Suggestion(name, flags)));
}

// The text that --help=`what` asks for.
std::string HelpFor(const ProgramInfo& info, const std::string& what) {
  if (what.empty()) return HelpText(info, HelpDepth::kShort);
  if (what == "all") return HelpText(info, HelpDepth::kAll);
  if (what == "man") return ManPage(info);
  ExitWithUsageError(info,
                     absl::StrCat("--help: got \"", what, "\", expected nothing, all or man"));
}

}  // namespace

std::string EnvironmentName(const std::string& flag) {
  return absl::StrCat("RECYCLING_", absl::AsciiStrToUpper(flag));
}

void PrintAndExit(const std::string& text) {
  const bool written =
      std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  std::exit(written ? kExitOk : kExitFailure);
}

std::vector<std::string> ParseProgramFlags(int argc, char** argv, const ProgramInfo& program) {
  const ProgramInfo info = WithEveryFlag(program);
  const Flags flags = FlagsOf(info);
  std::vector<std::string> positional;
  for (const auto& [name, value] : info.defaults) {
    SetFlag(info, flags.at(name), absl::StrCat("default of --", name), value);
  }
  SetFromEnvironment(info, flags);
  for (int i = 1; i < argc;) {
    const std::string argument = argv[i];
    if (argument == "--help" || argument == "-h") PrintAndExit(HelpFor(info, ""));
    if (argument.starts_with("--help=")) PrintAndExit(HelpFor(info, argument.substr(7)));
    if (argument == "--version") PrintAndExit(Versions(info));
    if (argument == "--") {
      positional.insert(positional.end(), argv + i + 1, argv + argc);
      break;
    }
    if (argument.starts_with("--")) {
      i += TakeFlag(info, flags, argc, argv, i);
    } else if (argument.size() > 1 && argument[0] == '-') {
      ExitWithUsageError(info, absl::StrCat("unknown flag ", argument,
                                            " (a flag begins with two dashes; put -- before an "
                                            "argument that begins with one)"));
    } else {
      positional.push_back(argument);
      ++i;
    }
  }
  return positional;
}

}  // namespace recycling
