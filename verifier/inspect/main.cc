// recycling-inspect: shows what is in a model file, without a server.
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <iostream>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/check_range.h"
#include "common/base/status_macros.h"
#include "common/program/program.h"
#include "verifier/inspect/commands.h"
#include "verifier/kernels/usable_cores.h"
#include "verifier/model/tokenizer_data.h"
#include "verifier/service/engine_flags.h"

ABSL_FLAG(bool, special, false,
          "Add the tokens that begin and end a sequence, if the model wants them.");
ABSL_FLAG(bool, parse_control, false,
          "If the text contains the name of a control token, encode it as that control token.");
ABSL_FLAG(std::vector<std::string>, ids, {}, "Token ids, separated by commas. Required.");
ABSL_FLAG(std::string, out, "",
          "File to write: little-endian float32 [positions, vocabulary]. Required.");
ABSL_FLAG(int, greedy, 0, "Number of further ids to choose greedily and print, as a JSON array.");

namespace recycling::verifier {
namespace {

absl::StatusOr<std::unique_ptr<const Tokenizer>> LoadTokenizer(const std::string& path) {
  ASSIGN_OR_RETURN(const auto file, GgufFile::Open(path));
  ASSIGN_OR_RETURN(TokenizerData data, ReadTokenizerData(*file, absl::GetFlag(FLAGS_pretokenizer)));
  return Tokenizer::Create(std::move(data));
}

absl::StatusOr<KvType> KvTypeFlag() {
  const std::string name = absl::GetFlag(FLAGS_kv_type);
  if (name == "f32") return KvType::kF32;
  if (name == "f16") return KvType::kF16;
  return absl::InvalidArgumentError(
      absl::StrCat("--kv_type: got \"", name, "\", expected f32 or f16"));
}

absl::StatusOr<std::unique_ptr<Transformer>> LoadTransformer(const std::string& path,
                                                             KvType kv_type) {
  const int threads = absl::GetFlag(FLAGS_threads);
  ASSIGN_OR_RETURN(const InstructionSet instruction_set,
                   ChooseInstructionSet(absl::GetFlag(FLAGS_kernel)));
  ASSIGN_OR_RETURN(const Arithmetic arithmetic,
                   ArithmeticFromName(absl::GetFlag(FLAGS_arithmetic)));
  ASSIGN_OR_RETURN(auto model, Model::Load(path, absl::GetFlag(FLAGS_pretokenizer)));
  return Transformer::Create(std::move(model),
                             {.threads = threads != 0 ? threads : std::min(UsableCores(), 1024),
                              .kv_type = kv_type,
                              .instruction_set = instruction_set,
                              .arithmetic = arithmetic,
                              .context_length = absl::GetFlag(FLAGS_context_length)});
}

absl::Status RunInfo(const std::string& path) {
  const int max_sequences = absl::GetFlag(FLAGS_max_sequences);
  RETURN_IF_ERROR(CheckRange("--max_sequences", max_sequences, 1, 4096));
  RETURN_IF_ERROR(CheckRange("--context_length", absl::GetFlag(FLAGS_context_length),
                             std::uint32_t{0}, std::uint32_t{1} << 20));
  ASSIGN_OR_RETURN(const auto file, GgufFile::Open(path));
  PrintInfo(*file, path,
            {.context_length = absl::GetFlag(FLAGS_context_length),
             .max_sequences = max_sequences,
             .pretokenizer = absl::GetFlag(FLAGS_pretokenizer)},
            std::cout);
  return absl::OkStatus();
}

absl::Status RunTokenize(const std::string& path) {
  ASSIGN_OR_RETURN(const auto tokenizer, LoadTokenizer(path));
  const EncodeOptions options = {.add_special = absl::GetFlag(FLAGS_special),
                                 .parse_control = absl::GetFlag(FLAGS_parse_control)};
  return Tokenize(*tokenizer, options, std::cin, std::cout);
}

absl::Status RunDetokenize(const std::string& path) {
  ASSIGN_OR_RETURN(const auto tokenizer, LoadTokenizer(path));
  return Detokenize(*tokenizer, std::cin, std::cout);
}

absl::Status RunLogits(const std::string& path) {
  std::vector<TokenId> ids;
  for (const std::string& text : absl::GetFlag(FLAGS_ids)) {
    if (!absl::SimpleAtoi(text, &ids.emplace_back())) {
      return absl::InvalidArgumentError(
          absl::StrCat("--ids: got \"", text, "\", expected token ids, separated by commas"));
    }
  }
  const std::string name = absl::GetFlag(FLAGS_out);
  if (ids.empty()) return absl::InvalidArgumentError("--ids: got none, expected token ids");
  if (name.empty()) return absl::InvalidArgumentError("--out: got none, expected a file to write");
  const int greedy = absl::GetFlag(FLAGS_greedy);
  RETURN_IF_ERROR(CheckRange("--greedy", greedy, 0, std::numeric_limits<int>::max()));
  ASSIGN_OR_RETURN(const KvType kv_type, KvTypeFlag());
  ASSIGN_OR_RETURN(const auto transformer, LoadTransformer(path, kv_type));
  std::ofstream out(name, std::ios::binary | std::ios::trunc);
  if (!out) return absl::PermissionDeniedError(absl::StrCat("cannot write ", name));
  ASSIGN_OR_RETURN(const auto followed, WriteLogits(*transformer, kv_type, ids, greedy, out));
  if (greedy > 0) std::cout << nlohmann::json(followed).dump() << "\n";
  return absl::OkStatus();
}

absl::Status RunPerplexity(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, ReadAll(std::cin));
  ASSIGN_OR_RETURN(const KvType kv_type, KvTypeFlag());
  ASSIGN_OR_RETURN(const auto transformer, LoadTransformer(path, kv_type));
  ASSIGN_OR_RETURN(const auto tokenizer, Tokenizer::Create(transformer->model().tokenizer_data()));
  ASSIGN_OR_RETURN(const auto ids, tokenizer->Encode(text, {.add_special = false}));
  const TokenizerData& data = tokenizer->data();
  ASSIGN_OR_RETURN(
      const Perplexity p,
      MeasurePerplexity(*transformer, kv_type, ids, data.add_bos ? data.bos : std::nullopt,
                        transformer->context_length(),
                        isatty(STDERR_FILENO) != 0 ? &std::cerr : nullptr));
  const double nats = p.nats / static_cast<double>(p.tokens);
  std::cout << absl::StrFormat(
      "perplexity %.4f a token, %.4f bits a byte: %d tokens, %d bytes, %d windows of %d\n",
      std::exp(nats), p.nats / std::log(2.0) / static_cast<double>(text.size()), p.tokens,
      text.size(), p.windows, transformer->context_length());
  return absl::OkStatus();
}

// `words`: the model, then the command and its arguments.
absl::Status Run(const std::vector<std::string>& words) {
  if (words.empty())
    return absl::InvalidArgumentError("got no arguments, expected MODEL [COMMAND]");
  const std::string& path = words[0];
  const std::string command = words.size() > 1 ? words[1] : "info";
  const bool known = command == "info" || command == "tokenize" || command == "detokenize" ||
                     command == "logits" || command == "perplexity";
  if (!known) {
    return absl::InvalidArgumentError(
        absl::StrCat("command: got \"", command,
                     "\", expected info, tokenize, detokenize, logits or perplexity"));
  }
  if (words.size() > 2) {
    return absl::InvalidArgumentError(
        absl::StrCat("got ", words.size(), " arguments, expected MODEL [COMMAND]"));
  }
  if (command == "info") return RunInfo(path);
  if (command == "tokenize") return RunTokenize(path);
  if (command == "detokenize") return RunDetokenize(path);
  if (command == "logits") return RunLogits(path);
  return RunPerplexity(path);
}

}  // namespace
}  // namespace recycling::verifier

int main(int argc, char** argv) {
  const std::vector<std::string> words = recycling::ParseProgramFlags(
      argc, argv,
      {.name = "recycling-inspect",
       .summary =
           "Shows what is in a GGUF model file and computes with it, without a server. Usage: "
           "recycling-inspect MODEL [COMMAND]. Commands: info (the default) shows metadata, "
           "tensors, number formats, the memory of a verifier and whether it can serve the file; "
           "tokenize and detokenize turn the lines of standard input into "
           "JSON arrays of ids and back; logits writes the logits of the model for --ids to "
           "--out; perplexity scores the text on standard input, in pieces of --context_length "
           "tokens.",
       .examples =
           "recycling-inspect model.gguf --context_length 4096 --max_sequences 2\n"
           "echo 'Once upon a time' | recycling-inspect model.gguf tokenize --special\n"
           "echo '[1, 403, 407]' | recycling-inspect model.gguf detokenize\n"
           "recycling-inspect model.gguf logits --ids 1,403,407 --out logits.f32 --greedy 10\n"
           "recycling-inspect model.gguf perplexity --context_length 512 < book.txt\n",
       .flags = {recycling::GroupOf("info", FLAGS_max_sequences),
                 recycling::GroupOf("tokenize", FLAGS_special, FLAGS_parse_control),
                 recycling::GroupOf("all commands", FLAGS_pretokenizer),
                 recycling::GroupOf("logits", FLAGS_ids, FLAGS_out, FLAGS_greedy),
                 recycling::GroupOf("logits, perplexity and info", FLAGS_context_length,
                                    FLAGS_kv_type, FLAGS_threads, FLAGS_arithmetic, FLAGS_kernel)},
       .defaults = {{"kv_type", "f32"}}});
  std::ios::sync_with_stdio(false);
  const absl::Status status = recycling::verifier::Run(words);
  std::cout.flush();
  if (!status.ok()) {
    std::cerr << "recycling-inspect: " << status.message() << "\n";
    if (!absl::IsInvalidArgument(status)) return recycling::kExitFailure;
    std::cerr << "Try 'recycling-inspect --help'.\n";
    return recycling::kExitUsage;
  }
  if (!std::cout) {
    std::cerr << "recycling-inspect: standard output could not be written\n";
    return recycling::kExitFailure;
  }
  return recycling::kExitOk;
}
