#include "common/program/help.h"

#include <cstdint>
#include <optional>
#include <set>

#include "absl/flags/reflection.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"

namespace recycling {
namespace {

constexpr std::size_t kWidth = 100;  // columns

// A sentence that says that environment variables set flags, with the first flag of `program` as
// the example. Empty if it takes no flags.
std::string EnvironmentNote(const ProgramInfo& program) {
  if (program.flags.empty()) return "";
  const std::string flag = program.flags.at(0).names.at(0);
  return absl::StrCat("Environment variables set flags as well, for example ",
                      EnvironmentName(flag), " sets --", flag, ". The command line wins.");
}

// The first sentence of `text`, without its full stop.
std::string FirstSentence(const std::string& text) {
  const std::size_t end = text.find(". ");
  return end == std::string::npos ? text : text.substr(0, end);
}

// Wraps `text` at kWidth columns and puts `indent` before each line.
std::string Wrap(const std::string& text, const std::string& indent) {
  std::string out;
  std::string line = indent;
  for (const auto word : absl::StrSplit(text, absl::ByAnyChar(" \n"), absl::SkipEmpty())) {
    if (line.size() > indent.size() && line.size() + 1 + word.size() > kWidth) {
      absl::StrAppend(&out, line, "\n");
      line = indent;
    }
    absl::StrAppend(&line, line.size() > indent.size() ? " " : "", word);
  }
  return absl::StrCat(out, line, "\n");
}

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  for (const auto line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    lines.push_back(std::string(absl::StripLeadingAsciiWhitespace(line)));
  }
  return lines;
}

// The word that --help shows for the value in "--name VALUE". Empty for a bool.
std::string ValueKind(const absl::CommandLineFlag& flag) {
  if (flag.IsOfType<bool>()) return "";
  if (flag.IsOfType<absl::Duration>()) return " DURATION";
  if (flag.IsOfType<std::string>()) return " TEXT";
  if (flag.IsOfType<std::vector<std::string>>()) return " TEXT,TEXT,...";
  if (flag.IsOfType<int>() || flag.IsOfType<std::uint32_t>() || flag.IsOfType<std::uint64_t>() ||
      flag.IsOfType<float>() || flag.IsOfType<double>() ||
      flag.IsOfType<std::optional<std::uint32_t>>() ||
      flag.IsOfType<std::optional<std::uint64_t>>() || flag.IsOfType<std::optional<float>>()) {
    return " NUMBER";
  }
  return " VALUE";
}

std::string DefaultOf(const ProgramInfo& program, const absl::CommandLineFlag& flag) {
  for (const auto& [name, value] : program.defaults) {
    if (flag.Name() == name) return value;
  }
  return flag.DefaultValue();
}

// "--threads NUMBER", followed by the default.
std::string Heading(const ProgramInfo& program, const absl::CommandLineFlag& flag) {
  const std::string value = DefaultOf(program, flag);
  return absl::StrCat("--", flag.Name(), ValueKind(flag),
                      value.empty() ? "" : absl::StrCat("  (default: ", value, ")"));
}

std::vector<absl::CommandLineFlag*> FlagsOf(const FlagGroup& group) {
  std::vector<absl::CommandLineFlag*> flags;
  for (const std::string& name : group.names) {
    if (auto* flag = absl::FindCommandLineFlag(name); flag != nullptr) flags.push_back(flag);
  }
  return flags;
}

std::string GroupText(const ProgramInfo& program, const FlagGroup& group) {
  std::string text = absl::StrCat("\n", group.title, ":\n");
  for (const absl::CommandLineFlag* flag : FlagsOf(group)) {
    absl::StrAppend(&text, "  ", Heading(program, *flag), "\n", Wrap(flag->Help(), "      "));
  }
  return text;
}

std::string NamesOf(const FlagGroup& group) {
  return absl::StrCat("--", absl::StrJoin(group.names, ", --"));
}

std::string Opening(const ProgramInfo& program) {
  std::string text = absl::StrCat(program.name, ": ", program.summary, "\n");
  if (program.examples.empty()) return text;
  absl::StrAppend(&text, "\nExamples:\n");
  for (const std::string& line : Lines(program.examples)) absl::StrAppend(&text, "  ", line, "\n");
  return text;
}

// `text` escaped for roff, so that no line is read as a request, no backslash as an escape, and
// dashes can be copied as dashes.
std::string Roff(const std::string& text) {
  std::string escaped = absl::StrReplaceAll(text, {{"\\", "\\e"}, {"-", "\\-"}});
  if (!escaped.empty() && (escaped[0] == '.' || escaped[0] == '\'')) escaped.insert(0, "\\&");
  return escaped;
}

std::string ManExamples(const ProgramInfo& program) {
  std::string page;
  for (const std::string& line : Lines(program.examples)) absl::StrAppend(&page, Roff(line), "\n");
  return page.empty() ? page : absl::StrCat(".PP\n.nf\n", page, ".fi\n");
}

std::string ManGroup(const ProgramInfo& program, const FlagGroup& group) {
  std::string page;
  for (const absl::CommandLineFlag* flag : FlagsOf(group)) {
    absl::StrAppend(&page, ".TP\n", Roff(Heading(program, *flag)), "\n", Roff(flag->Help()), "\n");
  }
  return page;
}

}  // namespace

std::string HelpText(const ProgramInfo& program, HelpDepth depth) {
  const std::string note = EnvironmentNote(program);
  std::string text = absl::StrCat(Opening(program), note.empty() ? "" : "\n" + Wrap(note, ""));
  std::string rare;
  for (const FlagGroup& group : program.flags) {
    if (group.rare && depth == HelpDepth::kShort) {
      absl::StrAppend(&rare, Wrap(absl::StrCat(group.title, ": ", NamesOf(group)), "  "));
    } else {
      absl::StrAppend(&text, GroupText(program, group));
    }
  }
  if (!rare.empty()) absl::StrAppend(&text, "\nMore flags, which --help=all describes:\n", rare);
  return absl::StrCat(text, "\nHelp:\n",
                      "  --help, --help=all, --help=man\n"
                      "      Print this text, all flags, or a manual page.\n"
                      "  --version\n"
                      "      Prints versions.\n");
}

std::string HelpOfCommands(const ProgramInfo& program, const std::vector<ProgramInfo>& commands) {
  std::string text =
      absl::StrCat(Opening(program), "\n", Wrap(EnvironmentNote(commands.at(0)), ""));
  std::set<std::string> shown;
  for (const ProgramInfo& command : commands) {
    absl::StrAppend(&text, "\n", Opening(command));
    for (const FlagGroup& group : command.flags) {
      if (shown.insert(group.title).second) {
        absl::StrAppend(&text, GroupText(command, group));
      } else {
        absl::StrAppend(&text, "\n",
                        Wrap(absl::StrCat(group.title, ", described above: ", NamesOf(group)), ""));
      }
    }
  }
  return text;
}

std::string ManPage(const ProgramInfo& program, const std::vector<ProgramInfo>& commands) {
  const std::string page_name = absl::StrReplaceAll(program.name, {{" ", "-"}});
  const std::string version = BuildVersion();
  std::string page =
      absl::StrCat(".TH ", absl::AsciiStrToUpper(page_name), " 1 \"\" \"recycling ",
                   Roff(version.substr(0, version.find(' '))), "\" \"User Commands\"\n.SH NAME\n",
                   Roff(page_name), " \\- ", Roff(FirstSentence(program.summary)),
                   "\n.SH SYNOPSIS\n.B ", Roff(program.name), commands.empty() ? "" : " COMMAND",
                   " [FLAGS]\n.SH DESCRIPTION\n", Roff(program.summary), "\n");
  std::set<std::string> shown;
  for (const ProgramInfo& command : commands) {
    absl::StrAppend(&page, ".SH ", absl::AsciiStrToUpper(Roff(command.name)), "\n",
                    Roff(command.summary), "\n", ManExamples(command));
    for (const FlagGroup& group : command.flags) {
      absl::StrAppend(&page, ".SS ", Roff(group.title), "\n");
      const bool first = shown.insert(group.title).second;
      absl::StrAppend(&page, first ? ManGroup(command, group)
                                   : absl::StrCat("Described above: ", Roff(NamesOf(group)), "\n"));
    }
  }
  if (commands.empty()) {
    absl::StrAppend(&page, ".SH OPTIONS\n");
    for (const FlagGroup& group : program.flags) {
      absl::StrAppend(&page, ".SS ", Roff(group.title), "\n", ManGroup(program, group));
    }
  }
  absl::StrAppend(&page, ".SH ENVIRONMENT\n",
                  Roff(EnvironmentNote(commands.empty() ? program : commands[0])),
                  "\n.SH EXIT STATUS\n0 done; 1 failed while running; 2 wrong flags, arguments or "
                  "configuration; 130 interrupted.\n.SH EXAMPLES\n",
                  ManExamples(program));
  return page;
}

}  // namespace recycling
