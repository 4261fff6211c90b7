#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/civil_time.h"
#include "common/base/status_macros.h"
#include "common/chat/chat_template.h"
#include "common/chat/json.h"
#include "gateway/cli/client.h"
#include "gateway/cli/commands.h"
#include "gateway/cli/json_text.h"

namespace recycling::cli {
namespace {

constexpr char kTemplateProgram[] = "recycling template";

// The fields of a case that are no variables of the template.
bool IsOwnField(const std::string& name) {
  return name == "name" || name == "expect" || name == "messages" || name == "tools" ||
         name == "add_generation_prompt";
}

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string content(std::istreambuf_iterator<char>(file), {});
  if (!file.is_open() || std::filesystem::is_directory(path)) {
    return absl::NotFoundError("cannot read the file");
  }
  return content;
}

// The text of a field; empty if there is none.
absl::StatusOr<std::string> TextField(const chat::Dict& fields, const std::string& name) {
  const chat::Value* value = fields.Find(name);
  if (value == nullptr || value->is_none()) return std::string();
  if (!value->is_text()) return absl::InvalidArgumentError(absl::StrCat(name, ": expected a text"));
  return value->text()->bytes();
}

// A file of cases, without the cases.
struct Cases {
  std::vector<chat::Value> cases;
  chat::ChatTemplateInput common;
};

absl::StatusOr<Cases> ParseCases(const std::string& json) {
  ASSIGN_OR_RETURN(const chat::Value parsed, chat::ParseJson(json, true));
  const chat::Dict* fields = parsed.dict();
  const chat::Value* list = fields == nullptr ? nullptr : fields->Find("cases");
  if (list == nullptr || list->list() == nullptr) {
    return absl::InvalidArgumentError("expected an object with a list \"cases\"");
  }
  Cases cases;
  cases.cases = list->list()->items;
  ASSIGN_OR_RETURN(cases.common.bos_token, TextField(*fields, "bos_token"));
  ASSIGN_OR_RETURN(cases.common.eos_token, TextField(*fields, "eos_token"));
  ASSIGN_OR_RETURN(const std::string now, TextField(*fields, "now"));
  if (!now.empty() && !absl::ParseCivilTime(now, &cases.common.now)) {
    return absl::InvalidArgumentError(
        absl::StrCat("now: got \"", now, "\", expected for example 2026-11-29T12:00:00"));
  }
  return cases;
}

absl::StatusOr<std::string> RenderCase(const absl::StatusOr<chat::ChatTemplate>& chat_template,
                                       const chat::Value& fields, chat::ChatTemplateInput input) {
  RETURN_IF_ERROR(chat_template.status());
  const chat::Value* messages =
      fields.dict() == nullptr ? nullptr : fields.dict()->Find("messages");
  if (messages == nullptr) return absl::InvalidArgumentError("a case without \"messages\"");
  ASSIGN_OR_RETURN(input.messages, chat::MessagesOf(*messages));
  if (const chat::Value* tools = fields.dict()->Find("tools")) input.tools = *tools;
  const chat::Value* prompt = fields.dict()->Find("add_generation_prompt");
  input.add_generation_prompt = prompt != nullptr && prompt->is_bool() && prompt->boolean();
  const auto arguments = std::make_shared<chat::Dict>();
  for (const chat::Dict::Entry& entry : fields.dict()->entries()) {
    if (!IsOwnField(entry.key.text()->bytes())) arguments->Set(entry.key, entry.value);
  }
  input.arguments = chat::Value::Of(arguments);
  ASSIGN_OR_RETURN(const chat::MarkedText text, chat_template->Render(input));
  return text.bytes();
}

int Render(const std::string& template_path, const std::string& cases_path) {
  const absl::StatusOr<std::string> source = ReadFile(template_path);
  if (!source.ok()) return Fail(kTemplateProgram, template_path, source.status());
  const absl::StatusOr<std::string> json = ReadFile(cases_path);
  if (!json.ok()) return Fail(kTemplateProgram, cases_path, json.status());
  const absl::StatusOr<Cases> cases = ParseCases(*json);
  if (!cases.ok()) return Fail(kTemplateProgram, cases_path, cases.status());
  const auto chat_template = chat::ChatTemplate::Parse(*source);
  for (const chat::Value& fields : cases->cases) {
    const std::string line = RenderedJson(RenderCase(chat_template, fields, cases->common));
    if (!Print(kTemplateProgram, line)) return kExitFailure;
  }
  return kExitOk;
}

}  // namespace

ProgramInfo TemplateInfo() {
  return {.name = kTemplateProgram,
          .summary =
              "Renders a chat template, a file of Jinja2, for each case of a JSON file. The "
              "arguments are the word 'render' and the two files. Prints one JSON object per "
              "case: {\"text\": ...}, or {\"error\": ...} where the template fails. The JSON file "
              "holds \"cases\", a list of objects with \"messages\", \"add_generation_prompt\", "
              "and, if wanted, \"tools\" and other variables of the template; beside it "
              "\"bos_token\", \"eos_token\" and \"now\", the local time.",
          .examples = "recycling template render chat.jinja cases.json\n",
          .takes_flags = false};
}

int RunTemplate(const std::vector<std::string>& words) {
  if (words.size() != 3 || words[0] != "render") {
    return FailUsage(kTemplateProgram, "expected 'render TEMPLATE CASES.json'");
  }
  return Render(words[1], words[2]);
}

}  // namespace recycling::cli
