#include "gateway/cli/bench_concurrent.h"

#include <algorithm>
#include <optional>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/mutex.h"
#include "common/base/status_macros.h"
#include "common/rpc/status_grpc.h"
#include "gateway/cli/api_key.h"
#include "gateway/cli/generate_call.h"

namespace recycling::cli {
namespace {

namespace pb = gateway::v1;

double MicrosSince(absl::Time begin) { return absl::ToDoubleMicroseconds(absl::Now() - begin); }

// The clients of half a round. Half a round decodes every prompt in one mode.
class Clients {
 public:
  Clients(pb::GatewayService::StubInterface& stub, const pb::GenerateRequest& request,
          const std::vector<std::string>& prompts, const ConcurrentOptions& options,
          std::vector<std::optional<Output>>& first)
      : stub_(stub), request_(request), prompts_(prompts), options_(options), first_(first) {}

  absl::StatusOr<ConcurrentRound> Run() {
    const absl::Time begin = absl::Now();
    std::vector<std::thread> threads;
    for (int i = 0; i < options_.concurrency; ++i) threads.emplace_back([this] { RunClient(); });
    for (auto& thread : threads) thread.join();
    MutexLock lock(mutex_);
    RETURN_IF_ERROR(error_);
    round_.wall_micros = MicrosSince(begin);
    return round_;
  }

  std::uint64_t different() {
    MutexLock lock(mutex_);
    return different_;
  }

 private:
  std::optional<std::size_t> Next() {
    const std::size_t count =
        std::max(prompts_.size(), 2 * static_cast<std::size_t>(options_.concurrency));
    MutexLock lock(mutex_);
    if (!error_.ok() || next_ == count) return std::nullopt;
    return next_++ % prompts_.size();
  }

  void RunClient() {
    while (const std::optional<std::size_t> prompt = Next()) {
      std::vector<Arrival> arrivals;
      const absl::StatusOr<Output> output = Generate(prompts_[*prompt], &arrivals);
      MutexLock lock(mutex_);
      if (!output.ok()) {
        if (error_.ok()) {
          error_ = absl::Status(output.status().code(),
                                absl::StrCat("prompt ", *prompt, ": ", output.status().message()));
        }
        return;
      }
      round_.Add(arrivals);
      std::optional<Output>& first = first_[*prompt];
      if (!first.has_value()) first = *output;
      if (Difference(*output, *first).has_value()) ++different_;
    }
  }

  absl::StatusOr<Output> Generate(const std::string& prompt, std::vector<Arrival>* arrivals) {
    grpc::ClientContext context;
    AddApiKey(&context);
    if (options_.timeout > absl::ZeroDuration() && options_.timeout < absl::InfiniteDuration()) {
      context.set_deadline(absl::ToChronoTime(absl::Now() + options_.timeout));
    }
    pb::GenerateRequest request = request_;
    request.set_prompt(prompt);
    const absl::Time begin = absl::Now();
    const auto stream = StartGenerate(stub_, &context, request);
    pb::GenerateResponse response;
    Output output;
    bool ended = false;
    while (stream->Read(&response)) {
      const auto& ids = response.delta().token_ids();
      if (!ids.empty()) {
        arrivals->push_back({MicrosSince(begin), static_cast<std::uint32_t>(ids.size())});
      }
      output.text += response.delta().text();
      output.token_ids.insert(output.token_ids.end(), ids.begin(), ids.end());
      if (response.has_final()) output.final = response.final();
      ended = ended || response.has_final();
    }
    RETURN_IF_ERROR(FromGrpcStatus(stream->Finish()));
    if (!ended) return absl::InternalError("the stream ended without its final message");
    return output;
  }

  pb::GatewayService::StubInterface& stub_;
  const pb::GenerateRequest& request_;
  const std::vector<std::string>& prompts_;
  const ConcurrentOptions& options_;
  Mutex mutex_;
  std::vector<std::optional<Output>>& first_;  // under mutex_; [prompts]
  ConcurrentRound round_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t different_ ABSL_GUARDED_BY(mutex_) = 0;
  std::size_t next_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status error_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

absl::StatusOr<ConcurrentSummary> RunConcurrently(pb::GatewayService::StubInterface& stub,
                                                  const pb::GenerateRequest& request,
                                                  const std::vector<std::string>& prompts,
                                                  const ConcurrentOptions& options) {
  ConcurrentSummary summary;
  summary.concurrency = options.concurrency;
  std::vector<std::optional<Output>> first(prompts.size());
  pb::GenerateRequest plain_request = request;
  plain_request.mutable_speculation()->set_mode(pb::SPECULATION_MODE_OFF);
  for (int round = 0; round < options.rounds; ++round) {
    double tokens_per_second[2] = {};
    for (const bool plain : {round % 2 == 0, round % 2 != 0}) {
      Clients clients(stub, plain ? plain_request : request, prompts, options, first);
      ASSIGN_OR_RETURN(const ConcurrentRound half, clients.Run());
      summary.different += clients.different();
      (plain ? summary.plain : summary.recycled).Add(half);
      tokens_per_second[plain ? 0 : 1] = half.TokensPerSecond();
      if (options.on_round) {
        RETURN_IF_ERROR(options.on_round(plain ? "plain" : "recycled", round, half));
      }
    }
    if (tokens_per_second[0] > 0) {
      summary.ratios.push_back(tokens_per_second[1] / tokens_per_second[0]);
    }
  }
  return summary;
}

}  // namespace recycling::cli
