// tiny_model: writes a small random model of an architecture, for tests and for comparisons with
// other engines.
#include <iostream>
#include <string>

#include "common/program/program.h"
#include "tests/doubles/tiny_model.h"

int main(int argc, char** argv) {
  const std::vector<std::string> arguments = recycling::ParseProgramFlags(
      argc, argv,
      {.name = "tiny_model",
       .summary =
           "Writes a small random model: tiny_model ARCHITECTURE OUT. The tests use the same "
           "model (TinyModelOf). Of an architecture that it does not know it writes the keys "
           "and tensors of llama.",
       .examples = "  tiny_model qwen3 qwen3.gguf\n"});
  if (arguments.size() != 2) {
    std::cerr << "tiny_model: got " << arguments.size()
              << " arguments, expected ARCHITECTURE OUT\nTry 'tiny_model --help'.\n";
    return recycling::kExitUsage;
  }
  if (recycling::doubles::WriteTinyModel(recycling::doubles::TinyModelOf(arguments[0]),
                                         arguments[1])) {
    return recycling::kExitOk;
  }
  std::cerr << "tiny_model: cannot write " << arguments[1] << "\n";
  return recycling::kExitFailure;
}
