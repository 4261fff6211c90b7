// recycling-inspect: looks into a model file, offline.
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/status_macros.h"
#include "common/program/program.h"
#include "verifier/inspect/commands.h"
#include "verifier/model/tokenizer_data.h"

ABSL_FLAG(std::string, file, "", "tokenize, detokenize: file to read. Empty: standard input.");
ABSL_FLAG(std::string, separator, "",
          "tokenize, detokenize: texts end with a line break, this string and a line break. Empty: "
          "with a line break.");
ABSL_FLAG(bool, special, false,
          "tokenize: add the beginning- and end-of-sequence tokens the model asks for.");
ABSL_FLAG(bool, parse_control, false,
          "tokenize: read control tokens written in the text as control tokens.");
ABSL_FLAG(std::vector<std::string>, ids, {}, "logits: token ids, separated by commas.");
ABSL_FLAG(std::string, out, "",
          "logits: file to write, little-endian float32 [positions, vocabulary].");
ABSL_FLAG(int, greedy, 0, "logits: print this many ids that follow greedily, as a JSON array.");
ABSL_FLAG(std::string, text, "", "perplexity: file of text to score.");
ABSL_FLAG(std::uint32_t, context, 0,
          "logits, perplexity: most tokens of a sequence; perplexity cuts the text into pieces of "
          "so many. 0: what the model was trained for.");
ABSL_FLAG(int, threads, 0, "logits, perplexity: threads. 0: one for each core.");
ABSL_FLAG(std::string, kv_type, "f32",
          "logits, perplexity: number format of keys and values: f32 or f16.");
ABSL_FLAG(std::string, kernel, "auto",
          "logits, perplexity: portable, avx2, avx512, avx512-vnni or amx; auto: the best that "
          "this machine has.");

namespace recycling::verifier {
namespace {

absl::StatusOr<std::unique_ptr<const Tokenizer>> LoadTokenizer(const std::string& path) {
  ASSIGN_OR_RETURN(const auto file, GgufFile::Open(path));
  ASSIGN_OR_RETURN(TokenizerData data, ReadTokenizerData(*file));
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
  const int cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  const int threads = absl::GetFlag(FLAGS_threads);
  ASSIGN_OR_RETURN(const InstructionSet instruction_set,
                   ChooseInstructionSet(absl::GetFlag(FLAGS_kernel)));
  ASSIGN_OR_RETURN(auto model, Model::Load(path));
  return Transformer::Create(std::move(model),
                             {.threads = threads != 0 ? threads : std::min(cores, 1024),
                              .kv_type = kv_type,
                              .instruction_set = instruction_set,
                              .context_length = absl::GetFlag(FLAGS_context)});
}

absl::StatusOr<std::ifstream> OpenForReading(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(absl::StrCat("cannot read ", path));
  return file;
}

absl::Status RunInfo(const std::string& path) {
  ASSIGN_OR_RETURN(const auto file, GgufFile::Open(path));
  PrintInfo(*file, path, std::cout);
  return absl::OkStatus();
}

absl::Status RunTokens(const std::string& path, bool encode) {
  ASSIGN_OR_RETURN(const auto tokenizer, LoadTokenizer(path));
  const std::string name = absl::GetFlag(FLAGS_file);
  std::ifstream file;
  if (!name.empty()) {
    ASSIGN_OR_RETURN(file, OpenForReading(name));
  }
  std::istream& in = name.empty() ? std::cin : file;
  const TextFraming framing = {absl::GetFlag(FLAGS_separator)};
  if (!encode) return Detokenize(*tokenizer, framing, in, std::cout);
  const EncodeOptions options = {.add_special = absl::GetFlag(FLAGS_special),
                                 .parse_control = absl::GetFlag(FLAGS_parse_control)};
  return Tokenize(*tokenizer, options, framing, in, std::cout);
}

absl::Status RunLogits(const std::string& path) {
  std::vector<TokenId> ids;
  for (const std::string& text : absl::GetFlag(FLAGS_ids)) {
    if (!absl::SimpleAtoi(text, &ids.emplace_back())) {
      return absl::InvalidArgumentError(absl::StrCat("--ids: got \"", text, "\", expected an id"));
    }
  }
  if (ids.empty()) return absl::InvalidArgumentError("--ids: got none, expected at least one");
  const std::string name = absl::GetFlag(FLAGS_out);
  if (name.empty()) return absl::InvalidArgumentError("--out: got none, expected a file to write");
  const int greedy = absl::GetFlag(FLAGS_greedy);
  if (greedy < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("--greedy: got ", greedy, ", expected at least 0"));
  }
  ASSIGN_OR_RETURN(const KvType kv_type, KvTypeFlag());
  ASSIGN_OR_RETURN(const auto transformer, LoadTransformer(path, kv_type));
  std::ofstream out(name, std::ios::binary | std::ios::trunc);
  if (!out) return absl::PermissionDeniedError(absl::StrCat("cannot write ", name));
  ASSIGN_OR_RETURN(const auto followed, WriteLogits(*transformer, kv_type, ids, greedy, out));
  if (greedy > 0) std::cout << nlohmann::json(followed).dump() << "\n";
  return absl::OkStatus();
}

absl::Status RunPerplexity(const std::string& path) {
  const std::string name = absl::GetFlag(FLAGS_text);
  if (name.empty()) return absl::InvalidArgumentError("--text: got none, expected a file");
  ASSIGN_OR_RETURN(std::ifstream file, OpenForReading(name));
  ASSIGN_OR_RETURN(const std::string text, ReadAll(file));
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

absl::Status Run(const std::string& path, const std::string& command) {
  if (command == "info") return RunInfo(path);
  if (command == "tokenize" || command == "detokenize") {
    return RunTokens(path, command == "tokenize");
  }
  if (command == "logits") return RunLogits(path);
  if (command == "perplexity") return RunPerplexity(path);
  return absl::InvalidArgumentError(absl::StrCat(
      "command: got \"", command, "\", expected info, tokenize, detokenize, logits or perplexity"));
}

}  // namespace
}  // namespace recycling::verifier

int main(int argc, char** argv) {
  const std::vector<std::string> arguments = recycling::ParseProgramFlags(
      argc, argv,
      {.name = "recycling-inspect",
       .summary = "Looks into a GGUF model file, offline: recycling-inspect MODEL [COMMAND]. "
                  "Commands: info (the default) shows metadata, tensors and memory; tokenize and "
                  "detokenize turn texts into JSON arrays of ids, one a line, and back; logits "
                  "writes what the model computes; perplexity scores a text.",
       .examples =
           "  recycling-inspect model.gguf\n"
           "  echo 'Once upon a time' | recycling-inspect model.gguf tokenize --special\n"
           "  echo '[1, 403, 407]' | recycling-inspect model.gguf detokenize\n"
           "  recycling-inspect model.gguf logits --ids 1,403,407 --out logits.f32 --greedy 10\n"
           "  recycling-inspect model.gguf perplexity --text book.txt --context 512\n"});
  if (arguments.empty() || arguments.size() > 2) {
    std::cerr << "recycling-inspect: got " << arguments.size()
              << " arguments, expected MODEL [COMMAND]\nTry 'recycling-inspect --help'.\n";
    return recycling::kExitUsage;
  }
  std::ios::sync_with_stdio(false);
  const absl::Status status =
      recycling::verifier::Run(arguments[0], arguments.size() == 2 ? arguments[1] : "info");
  std::cout.flush();
  if (!status.ok()) {
    std::cerr << "recycling-inspect: " << status.message() << "\n";
    return absl::IsInvalidArgument(status) ? recycling::kExitUsage : recycling::kExitFailure;
  }
  if (!std::cout) {
    std::cerr << "recycling-inspect: standard output could not be written\n";
    return recycling::kExitFailure;
  }
  return recycling::kExitOk;
}
