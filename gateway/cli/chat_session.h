// A conversation of `recycling chat`: its messages, its settings, and the commands that change
// them.
#ifndef RECYCLING_GATEWAY_CLI_CHAT_SESSION_H_
#define RECYCLING_GATEWAY_CLI_CHAT_SESSION_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "recycling/gateway/v1/gateway.pb.h"

namespace recycling::cli {

// Threads: one.
class ChatSession {
 public:
  // What the program does after a line.
  struct Reaction {
    enum class Kind {
      kNothing,
      kShow,  // `text` to the user
      kSend,  // Request() to the gateway; then Answered or NotAnswered
      kSave,  // the messages of request() to the file `text`
      kQuit,
    };
    Kind kind = Kind::kNothing;
    std::string text;
  };

  // `request` has the settings of the first messages; its prompt is not used.
  explicit ChatSession(const gateway::v1::GenerateRequest& request);

  // Takes a line of the user: a command if it begins with one slash, else a message. Of two slashes
  // at the beginning, the message has one. InvalidArgument, with what was expected, for a command
  // or setting that does not exist or a value that does not fit. The session then is as before.
  absl::StatusOr<Reaction> Take(const std::string& line);

  // The conversation and the settings.
  const gateway::v1::ChatRequest& request() const { return request_; }

  // Adds what the model answered to the last message, or, if the user stopped it, the part that
  // came.
  void Answered(const std::string& text);
  // Removes the last message, which could not be sent.
  void NotAnswered();

 private:
  absl::StatusOr<Reaction> TakeCommand(const std::string& name, const std::string& argument);
  absl::StatusOr<Reaction> Set(const std::string& argument);
  void SetSystem(const std::string& text);
  bool HasSystem() const;

  gateway::v1::ChatRequest request_;
};

}  // namespace recycling::cli

#endif  // RECYCLING_GATEWAY_CLI_CHAT_SESSION_H_
