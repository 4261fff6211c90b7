#include <cstdio>
#include <fstream>
#include <optional>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "common/base/check_range.h"
#include "common/base/status_macros.h"
#include "common/program/program.h"
#include "common/rpc/status_grpc.h"
#include "gateway/cli/bench_concurrent.h"
#include "gateway/cli/bench_report.h"
#include "gateway/cli/client.h"
#include "gateway/cli/commands.h"
#include "gateway/cli/connection.h"
#include "gateway/cli/flags.h"
#include "gateway/cli/generate_call.h"
#include "gateway/cli/json_text.h"
#include "recycling/gateway/v1/gateway.grpc.pb.h"

ABSL_FLAG(
    std::string, prompts, "",
    "File with one JSON object per line, which has a string \"prompt\" or, as in Spec-Bench, an "
    "array \"turns\". bench takes the first turn. Required.");
ABSL_FLAG(int, repeat, 1, "How often each prompt is decoded in each mode.");
ABSL_FLAG(
    int, concurrency, 0,
    "Number of clients that run at the same time. Measures the speed of all of them together and "
    "the waiting times of each; --repeat is the number of rounds. 0: one request after the "
    "other; the report then shows the times of the steps.");

namespace recycling::cli {
namespace {

constexpr char kBenchProgram[] = "recycling bench";
constexpr std::uint32_t kDefaultMaxTokens = 128;
constexpr int kDifferencesShown = 5;
constexpr int kMostClients = 1024;  // each has a thread
constexpr int kMostRuns = 1'000'000;

struct PromptFile {
  std::vector<std::string> prompts;
  std::vector<std::string> categories;  // [prompts]
  std::size_t from_turns = 0;
};

absl::StatusOr<PromptFile> ReadPrompts(const std::string& path) {
  if (path.empty()) return absl::InvalidArgumentError("--prompts: got no file");
  std::ifstream file(path);
  if (!file) return absl::InvalidArgumentError(absl::StrCat("--prompts: cannot open ", path));
  PromptFile result;
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    absl::StatusOr<PromptLine> prompt = ParsePromptLine(line);
    if (!prompt.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ", line ", number, ": ", prompt.status().message()));
    }
    result.from_turns += prompt->from_turns;
    result.prompts.push_back(std::move(prompt->prompt));
    result.categories.push_back(std::move(prompt->category));
  }
  if (file.bad()) return absl::InvalidArgumentError(absl::StrCat(path, ": cannot be read"));
  if (result.prompts.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": got no prompt"));
  }
  return result;
}

absl::StatusOr<Output> Run(gateway::v1::GatewayService::Stub& stub,
                           const gateway::v1::GenerateRequest& request) {
  InterruptibleCall call(absl::GetFlag(FLAGS_timeout));
  const auto stream = StartGenerate(stub, call.context(), request);
  gateway::v1::GenerateResponse response;
  Output output;
  bool ended = false;
  while (stream->Read(&response)) {
    output.text += response.delta().text();
    const auto& ids = response.delta().token_ids();
    output.token_ids.insert(output.token_ids.end(), ids.begin(), ids.end());
    if (response.has_final()) output.final = response.final();
    ended = ended || response.has_final();
  }
  RETURN_IF_ERROR(FromGrpcStatus(stream->Finish()));
  if (!ended) return absl::InternalError("the stream ended without its final message");
  return output;
}

class Bench {
 public:
  Bench(gateway::v1::GatewayService::Stub& stub, const gateway::v1::GenerateRequest& request,
        const PromptFile& file)
      : stub_(stub),
        request_(request),
        recycled_mode_(request.speculation().mode()),
        prompts_(file.prompts),
        categories_(file.categories) {
    summary_.plain_by_prompt.resize(prompts_.size());
    summary_.recycled_by_prompt.resize(prompts_.size());
  }

  // Plain and recycled runs alternate, and each goes first in every other pair. So a machine whose
  // speed changes favours neither.
  absl::Status RunAll(int repeats) {
    for (int repeat = 0; repeat < repeats; ++repeat) {
      for (std::size_t prompt = 0; prompt < prompts_.size(); ++prompt) {
        const bool plain_first = (prompt + static_cast<std::size_t>(repeat)) % 2 == 0;
        ASSIGN_OR_RETURN(const double first, RunOne(prompt, repeat, plain_first));
        ASSIGN_OR_RETURN(const double second, RunOne(prompt, repeat, !plain_first));
        summary_.pairs.emplace_back(plain_first ? first : second, plain_first ? second : first);
        ShowProgress(static_cast<std::size_t>(repeat) * prompts_.size() + prompt + 1,
                     static_cast<std::size_t>(repeats) * prompts_.size());
      }
    }
    return absl::OkStatus();
  }

  const BenchSummary& summary() const { return summary_; }

 private:
  // Runs one prompt. Returns its decode tokens per second.
  absl::StatusOr<double> RunOne(std::size_t prompt, int repeat, bool plain) {
    request_.set_prompt(prompts_[prompt]);
    request_.mutable_speculation()->set_mode(plain ? gateway::v1::SPECULATION_MODE_OFF
                                                   : recycled_mode_);
    const absl::StatusOr<Output> output = Run(stub_, request_);
    if (!output.ok()) {
      return absl::Status(output.status().code(),
                          absl::StrCat("prompt ", prompt, ": ", output.status().message()));
    }
    (plain ? summary_.plain : summary_.recycled).Add(output->final);
    (plain ? summary_.plain_by_prompt : summary_.recycled_by_prompt)[prompt].Add(output->final);
    if (!categories_[prompt].empty()) {
      auto& [plain_totals, recycled_totals] = summary_.by_category[categories_[prompt]];
      (plain ? plain_totals : recycled_totals).Add(output->final);
    }
    RETURN_IF_ERROR(Compare(prompt, repeat, plain, *output));
    Totals run;
    run.Add(output->final);
    return run.DecodeTokensPerSecond();
  }

  // Compares `output` with the first output of the same prompt.
  absl::Status Compare(std::size_t prompt, int repeat, bool plain, const Output& output) {
    if (prompt == first_.size()) first_.push_back(output);
    const std::optional<std::string> difference = Difference(output, first_[prompt]);
    const std::string mode = plain ? "plain" : "recycled";
    if (difference.has_value() && ++summary_.different <= kDifferencesShown) {
      std::fprintf(stderr, "%s: prompt %zu, run %d, %s: %s\n", kBenchProgram, prompt, repeat,
                   mode.c_str(), difference->c_str());
    }
    if (absl::GetFlag(FLAGS_json) &&
        !Print(kBenchProgram, BenchRunJson(prompt, repeat, mode, output.final, difference))) {
      return absl::CancelledError("stdout is gone");
    }
    return absl::OkStatus();
  }

  static void ShowProgress(std::size_t done, std::size_t all) {
    if (!StderrIsTerminal()) return;
    std::fprintf(stderr, "\r%zu of %zu pairs%s", done, all, done == all ? "\r\x1b[K" : "");
  }

  gateway::v1::GatewayService::Stub& stub_;
  gateway::v1::GenerateRequest request_;
  const gateway::v1::SpeculationMode recycled_mode_;
  const std::vector<std::string>& prompts_;
  const std::vector<std::string>& categories_;  // [prompts]
  std::vector<Output> first_;                   // [prompts that were run]
  BenchSummary summary_;
};

// The request of every run. If the flags do not set the seed or the number of tokens, bench does,
// so that two runs can be compared.
absl::StatusOr<gateway::v1::GenerateRequest> BenchRequest() {
  ASSIGN_OR_RETURN(gateway::v1::GenerateRequest request, RequestFromFlags());
  if (request.input_case() != gateway::v1::GenerateRequest::INPUT_NOT_SET) {
    return absl::InvalidArgumentError("--request: got a prompt, expected none with --prompts");
  }
  if (request.speculation().mode() == gateway::v1::SPECULATION_MODE_OFF) {
    return absl::InvalidArgumentError(
        "--speculation: got off, expected auto, fixed or full; bench always runs off too");
  }
  if (!request.sampling().has_seed()) request.mutable_sampling()->set_seed(0);
  if (!request.sampling().has_max_tokens()) {
    request.mutable_sampling()->set_max_tokens(kDefaultMaxTokens);
  }
  return request;
}

std::string Conditions(const PromptFile& file, const gateway::v1::GenerateRequest& request,
                       int repeats) {
  std::string text =
      absl::StrCat(file.prompts.size(), " prompts, ", repeats, " runs each way, at most ",
                   request.sampling().max_tokens(), " tokens, temperature ",
                   request.sampling().temperature(), ", seed ", request.sampling().seed(), "\n");
  if (file.from_turns > 0) {
    absl::StrAppend(&text, "only the first turn was taken of ", file.from_turns, " prompts\n");
  }
  return absl::StrCat(text, "\n");
}

int RunConcurrentlyAndReport(const PromptFile& file, const gateway::v1::GenerateRequest& request,
                             ConcurrentOptions options) {
  const bool json = absl::GetFlag(FLAGS_json);
  if (json) {
    options.on_round = [&](const std::string& mode, int round, const ConcurrentRound& measured) {
      return Print(kBenchProgram, ConcurrentRoundJson(options.concurrency, round, mode, measured))
                 ? absl::OkStatus()
                 : absl::CancelledError("stdout is gone");
    };
  }
  const std::string address = absl::GetFlag(FLAGS_gateway);
  const auto channel = Connect("--gateway", address);
  if (!channel.ok()) return FailUsage(kBenchProgram, std::string(channel.status().message()));
  TellIfItWaits(kBenchProgram, address, *channel, absl::GetFlag(FLAGS_timeout));
  const auto stub = gateway::v1::GatewayService::NewStub(*channel);
  const auto summary = RunConcurrently(*stub, request, file.prompts, options);
  if (!summary.ok())
    return Fail(kBenchProgram, absl::StrCat("gateway ", address),
                Explain(summary.status(), address));
  const std::string report =
      json ? ConcurrentSummaryJson(*summary)
           : Conditions(file, request, options.rounds) + ConcurrentTable(*summary);
  return Print(kBenchProgram, report) && summary->different == 0 ? kExitOk : kExitFailure;
}

int RunAndReport(const PromptFile& file, const gateway::v1::GenerateRequest& request, int repeats) {
  const std::string address = absl::GetFlag(FLAGS_gateway);
  const auto channel = Connect("--gateway", address);
  if (!channel.ok()) return FailUsage(kBenchProgram, std::string(channel.status().message()));
  TellIfItWaits(kBenchProgram, address, *channel, absl::GetFlag(FLAGS_timeout));
  const auto stub = gateway::v1::GatewayService::NewStub(*channel);
  Bench bench(*stub, request, file);
  if (const absl::Status status = bench.RunAll(repeats); !status.ok()) {
    return Fail(kBenchProgram, absl::StrCat("gateway ", address), Explain(status, address));
  }
  const BenchSummary& summary = bench.summary();
  const std::string report = absl::GetFlag(FLAGS_json)
                                 ? BenchSummaryJson(summary)
                                 : Conditions(file, request, repeats) + BenchTable(summary);
  return Print(kBenchProgram, report) && summary.different == 0 ? kExitOk : kExitFailure;
}

}  // namespace

ProgramInfo BenchInfo() {
  return {.name = kBenchProgram,
          .summary =
              "Decodes the same prompts plainly and with drafts (recycled), checks that the "
              "outputs are equal, and compares the speed. Exits 1 if an output differs.",
          .examples =
              "recycling bench --prompts prompts.jsonl --max_tokens 128\n"
              "recycling bench --prompts prompts.jsonl --concurrency 8 --repeat 5\n"
              "recycling bench --prompts prompts.jsonl --temperature 1 --seed 7 --repeat 3\n"
              "recycling bench --prompts prompts.jsonl --json --request '{\"sampling\": "
              "{\"ignoreEos\": "
              "true}}' > runs.jsonl\n",
          .flags = WithConnectionFlags(
              {GroupOf("Runs", FLAGS_prompts, FLAGS_repeat, FLAGS_concurrency), RequestFlags()})};
}

int RunBench(const std::vector<std::string>& words) {
  if (!words.empty()) {
    return FailUsage(kBenchProgram, absl::StrCat("got \"", words[0], "\", expected flags only"));
  }
  const int repeats = absl::GetFlag(FLAGS_repeat);
  const int concurrency = absl::GetFlag(FLAGS_concurrency);
  for (const absl::Status& checked : {CheckRange("--repeat", repeats, 1, kMostRuns),
                                      CheckRange("--concurrency", concurrency, 0, kMostClients)}) {
    if (!checked.ok()) return FailUsage(kBenchProgram, std::string(checked.message()));
  }
  const auto request = BenchRequest();
  if (!request.ok()) return FailUsage(kBenchProgram, std::string(request.status().message()));
  const auto file = ReadPrompts(absl::GetFlag(FLAGS_prompts));
  if (!file.ok()) return FailUsage(kBenchProgram, std::string(file.status().message()));
  if (concurrency > 0) {
    return RunConcurrentlyAndReport(
        *file, *request,
        {.concurrency = concurrency, .rounds = repeats, .timeout = absl::GetFlag(FLAGS_timeout)});
  }
  return RunAndReport(*file, *request, repeats);
}

}  // namespace recycling::cli
