#include "gateway/cli/chat_session.h"

#include <google/protobuf/util/json_util.h>

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "gateway/cli/flags.h"

namespace recycling::cli {
namespace {

using Kind = ChatSession::Reaction::Kind;

constexpr char kSystem[] = "system";

constexpr char kHelp[] =
    "/help              shows this text\n"
    "/reset             forgets the messages, but not the system message and the settings\n"
    "/system TEXT       sets the system message; without TEXT it removes it\n"
    "/set NAME VALUE    sets a sampling option, for example temperature 0.7; without a name it "
    "shows them\n"
    "/save FILE         writes the messages as JSON into a new file\n"
    "/quit              ends the program, as Ctrl-D does\n"
    "Ctrl-C stops an answer. A backslash at the end of a line continues the message on the next "
    "line.\nA message that begins with a slash needs two.\n";

std::string Trimmed(const std::string& text) {
  return std::string(absl::StripAsciiWhitespace(text));
}

}  // namespace

ChatSession::ChatSession(const gateway::v1::GenerateRequest& request) {
  if (request.has_sampling()) *request_.mutable_sampling() = request.sampling();
  if (request.has_speculation()) *request_.mutable_speculation() = request.speculation();
  *request_.mutable_stop() = request.stop();
}

absl::StatusOr<ChatSession::Reaction> ChatSession::Take(const std::string& line) {
  RETURN_IF_ERROR(CheckUtf8("the message", line));
  if (Trimmed(line).empty()) return Reaction{};
  const bool escaped = line.starts_with("//");
  if (line.starts_with("/") && !escaped) {
    const std::size_t space = line.find_first_of(" \t");
    const std::string name = line.substr(1, space == std::string::npos ? space : space - 1);
    return TakeCommand(name, space == std::string::npos ? "" : Trimmed(line.substr(space)));
  }
  gateway::v1::ChatMessage* message = request_.mutable_conversation()->add_messages();
  message->set_role("user");
  message->set_content(escaped ? line.substr(1) : line);
  return Reaction{.kind = Kind::kSend, .text = ""};
}

absl::StatusOr<ChatSession::Reaction> ChatSession::TakeCommand(const std::string& name,
                                                               const std::string& argument) {
  if (name == "help") return Reaction{.kind = Kind::kShow, .text = kHelp};
  if (name == "quit" || name == "exit") return Reaction{.kind = Kind::kQuit, .text = ""};
  if (name == "set") return Set(argument);
  if (name == "system") {
    SetSystem(argument);
    return Reaction{};
  }
  if (name == "reset") {
    auto* messages = request_.mutable_conversation()->mutable_messages();
    messages->DeleteSubrange(HasSystem() ? 1 : 0, messages->size() - (HasSystem() ? 1 : 0));
    return Reaction{};
  }
  if (name == "save") {
    if (argument.empty()) return absl::InvalidArgumentError("/save: expected the name of a file");
    return Reaction{.kind = Kind::kSave, .text = argument};
  }
  return absl::InvalidArgumentError(
      absl::StrCat("unknown command /", name, "; /help lists the commands"));
}

absl::StatusOr<ChatSession::Reaction> ChatSession::Set(const std::string& argument) {
  if (argument.empty()) {
    google::protobuf::util::JsonPrintOptions options;
    options.preserve_proto_field_names = true;
    std::string shown;
    RETURN_IF_ERROR(
        absl::Status(static_cast<absl::StatusCode>(google::protobuf::util::MessageToJsonString(
                                                       request_.sampling(), &shown, options)
                                                       .code()),
                     "the settings cannot be shown"));
    return Reaction{.kind = Kind::kShow, .text = absl::StrCat(shown, "\n")};
  }
  const std::size_t space = argument.find_first_of(" \t");
  const std::string name = argument.substr(0, space);
  const std::string value = space == std::string::npos ? "" : Trimmed(argument.substr(space));
  const auto* field = common::v1::SamplingOptions::descriptor()->FindFieldByName(name);
  if (field == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("/set: unknown option ", name,
                     ", expected one of SamplingOptions, for example "
                     "temperature, top_p, top_k, min_p, seed, max_tokens"));
  }
  common::v1::SamplingOptions changed;
  const auto parsed = google::protobuf::util::JsonStringToMessage(
      absl::StrCat("{\"", name, "\": ", value, "}"), &changed);
  if (value.empty() || !parsed.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("/set ", name, ": got \"", value,
                                                   "\", expected a ", field->cpp_type_name(),
                                                   field->is_repeated() ? " list" : ""));
  }
  request_.mutable_sampling()->GetReflection()->ClearField(request_.mutable_sampling(), field);
  request_.mutable_sampling()->MergeFrom(changed);
  return Reaction{};
}

bool ChatSession::HasSystem() const {
  const gateway::v1::Conversation& conversation = request_.conversation();
  return conversation.messages_size() > 0 && conversation.messages(0).role() == kSystem;
}

void ChatSession::SetSystem(const std::string& text) {
  auto* messages = request_.mutable_conversation()->mutable_messages();
  if (HasSystem()) messages->DeleteSubrange(0, 1);
  if (text.empty()) return;
  gateway::v1::ChatMessage* message = messages->Add();
  message->set_role(kSystem);
  message->set_content(text);
  for (int i = messages->size() - 1; i > 0; --i) messages->SwapElements(i, i - 1);
}

void ChatSession::Answered(const std::string& text) {
  gateway::v1::ChatMessage* message = request_.mutable_conversation()->add_messages();
  message->set_role("assistant");
  message->set_content(text);
}

void ChatSession::NotAnswered() {
  request_.mutable_conversation()->mutable_messages()->RemoveLast();
}

}  // namespace recycling::cli
