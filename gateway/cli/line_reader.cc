#include "gateway/cli/line_reader.h"

#include <unistd.h>

#include <clocale>
#include <cstdio>
#include <iostream>

namespace recycling::cli {
namespace {

constexpr int kRememberedLines = 1000;

}  // namespace

LineReader::LineReader() {
  if (isatty(STDIN_FILENO) != 1 || isatty(STDOUT_FILENO) != 1) return;
  std::setlocale(LC_CTYPE, "");  // the editor counts characters as the terminal shows them
  editor_ = el_init("recycling", stdin, stdout, stderr);
  if (editor_ == nullptr) return;
  history_ = history_init();
  HistEvent event;
  history(history_, &event, H_SETSIZE, kRememberedLines);
  history(history_, &event, H_SETUNIQUE, 1);
  el_set(editor_, EL_CLIENTDATA, this);
  el_set(editor_, EL_PROMPT, &LineReader::PromptOf);
  el_set(editor_, EL_EDITOR, "emacs");
  el_set(editor_, EL_HIST, history, history_);
  // While a line is edited, Ctrl-C is a key like others and no signal.
  el_set(editor_, EL_SETTY, "-d", "-isig", nullptr);
  el_set(editor_, EL_BIND, "^C", "em-kill-line", nullptr);
}

LineReader::~LineReader() {
  if (editor_ != nullptr) el_end(editor_);
  if (history_ != nullptr) history_end(history_);
}

char* LineReader::PromptOf(EditLine* editor) {
  LineReader* reader = nullptr;
  el_get(editor, EL_CLIENTDATA, &reader);
  return reader->prompt_.data();
}

std::optional<std::string> LineReader::Read(const std::string& prompt) {
  std::optional<std::string> whole = ReadOne(prompt);
  while (whole.has_value() && whole->ends_with('\\')) {
    whole->back() = '\n';
    const std::optional<std::string> next = ReadOne("... ");
    if (!next.has_value()) break;
    whole->append(*next);
  }
  return whole;
}

std::optional<std::string> LineReader::ReadOne(const std::string& prompt) {
  if (editor_ == nullptr) {
    std::string line;
    if (!std::getline(std::cin, line)) return std::nullopt;
    return line;
  }
  prompt_ = prompt;
  int length = 0;
  const char* read = el_gets(editor_, &length);
  if (read == nullptr || length <= 0) return std::nullopt;
  std::string line(read, static_cast<std::size_t>(length));
  if (line.ends_with('\n')) line.pop_back();
  HistEvent event;
  if (!line.empty()) history(history_, &event, H_ENTER, line.c_str());
  return line;
}

}  // namespace recycling::cli
