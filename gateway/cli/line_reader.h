// Reads the lines that a user types.
#ifndef RECYCLING_GATEWAY_CLI_LINE_READER_H_
#define RECYCLING_GATEWAY_CLI_LINE_READER_H_

#include <histedit.h>

#include <optional>
#include <string>

namespace recycling::cli {

// If stdin and stdout are a terminal, lines can be edited, the arrow keys give earlier lines, and
// Ctrl-C empties the line. Else lines come from stdin as they are, without a prompt.
// Threads: one. Only one may exist at a time.
class LineReader {
 public:
  LineReader();
  ~LineReader();
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;

  bool interactive() const { return editor_ != nullptr; }

  // The next line without its line break. A backslash at the end of a line joins it with the next
  // one, with a line break between them. Nothing at the end of the input.
  std::optional<std::string> Read(const std::string& prompt);

 private:
  static char* PromptOf(EditLine* editor);
  std::optional<std::string> ReadOne(const std::string& prompt);

  EditLine* editor_ = nullptr;
  History* history_ = nullptr;
  std::string prompt_;
};

}  // namespace recycling::cli

#endif  // RECYCLING_GATEWAY_CLI_LINE_READER_H_
