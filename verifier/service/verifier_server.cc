#include "verifier/service/verifier_server.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/build_version.h"
#include "common/base/check_range.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/base/ticker.h"
#include "common/chat/chat_template.h"
#include "common/rpc/tokenizer_proto.h"
#include "common/tokenizer/tokenizer.h"
#include "common/tokenizer/utf8.h"
#include "verifier/kernels/usable_cores.h"
#include "verifier/model/model.h"
#include "verifier/schedule/cost_probe.h"
#include "verifier/schedule/scheduler.h"
#include "verifier/service/usable_memory.h"
#include "verifier/service/verifier_health.h"
#include "verifier/service/verifier_metrics.h"
#include "verifier/service/verifier_service.h"

namespace recycling::verifier {
namespace {

absl::StatusOr<KvType> KvTypeFromName(const std::string& name) {
  if (name == "f16") return KvType::kF16;
  if (name == "f32") return KvType::kF32;
  return absl::InvalidArgumentError(
      absl::StrCat("kv_type: got \"", name, "\", expected f16 or f32"));
}

constexpr int kMostThreads = 1024;

absl::Status CheckOptions(const VerifierOptions& options) {
  RETURN_IF_ERROR(CheckRange("threads", options.threads, 0, kMostThreads));
  RETURN_IF_ERROR(CheckRange("max_sequences", options.max_sequences, 1, 4096));
  RETURN_IF_ERROR(CheckRange("context_length", options.context_length, 0, 1 << 20));
  RETURN_IF_ERROR(CheckRange("k", options.k, 1, 64));
  RETURN_IF_ERROR(CheckRange("max_tree_nodes", options.max_tree_nodes, 0, 4096));
  RETURN_IF_ERROR(
      CheckRange("stream_idle_timeout", options.stream_idle_timeout, absl::ZeroDuration()));
  return CheckRange("prefill_chunk", options.prefill_chunk, 1, 4096);
}

// The bound on the memory of keys and values. Without --kv_bytes it is at least one page.
std::uint64_t KvBytes(const VerifierOptions& options, const KvLayout& layout,
                      std::uint32_t context_length) {
  if (options.kv_bytes != 0) return options.kv_bytes;
  const std::uint64_t all = KvCache::AllBytes(layout, context_length, options.max_sequences);
  return std::max(std::min(all, UsableMemory() / 2), KvCache::PageBytes(layout));
}

// How long the parts of the start take.
class StartTimes {
 public:
  // The part ends now that began when the last one ended.
  void Ended(std::string_view part) {
    const absl::Duration now = RealClock().Monotonic();
    text_ += absl::StrCat(text_.empty() ? "" : " ", std::string(part), ":",
                          absl::ToInt64Milliseconds(now - last_));
    last_ = now;
  }
  void Write() const { Log(LogLevel::kInfo, "loaded", {{"parts", text_}}); }

 private:
  absl::Duration last_ = RealClock().Monotonic();
  std::string text_;
};

// The kernel that was asked for, or those to choose from.
std::vector<const MatMulKernel*> KernelsFor(const std::string& name, InstructionSet set,
                                            Arithmetic arithmetic) {
  if (name == "auto") return MatMulKernel::Candidates(set, arithmetic);
  return {&MatMulKernel::For(set, arithmetic)};
}

// The template, or nothing and a warning if it cannot travel to a gateway.
std::string ServableChatTemplate(const std::string& chat_template) {
  std::string problem;
  if (chat_template.size() > chat::kMaxTemplateBytes) {
    problem = absl::StrCat("got ", chat_template.size(), " bytes, expected at most ",
                           chat::kMaxTemplateBytes);
  } else if (const auto invalid = FindInvalidUtf8(chat_template)) {
    problem = absl::StrCat("not UTF-8 at byte ", *invalid);
  }
  if (problem.empty()) return chat_template;
  Log(LogLevel::kWarning, "the model's chat template is not served", {{"reason", problem}});
  return "";
}

std::vector<TokenId> EndOfSequenceIds(const TokenizerData& data) {
  std::set<TokenId> ids;
  for (const auto& id : {data.eos, data.eot}) {
    if (id.has_value()) ids.insert(*id);
  }
  return {ids.begin(), ids.end()};
}

// The texts of the tokens are read when the first constraint comes.
std::shared_ptr<constraint::ConstraintCache> Constraints(const TokenizerData& data) {
  return std::make_shared<constraint::ConstraintCache>(
      [data]() -> absl::StatusOr<constraint::Vocabulary> {
        ASSIGN_OR_RETURN(const auto tokenizer, Tokenizer::Create(data));
        constraint::Vocabulary vocabulary{.texts = {}, .eos_ids = EndOfSequenceIds(data)};
        for (TokenId id = 0; id < tokenizer->vocab_size(); ++id) {
          vocabulary.texts.push_back(tokenizer->TokenBytes(id));
        }
        for (const TokenId id : vocabulary.eos_ids) vocabulary.texts[id].clear();
        return vocabulary;
      });
}

// Logs the progress of packing for each tenth, beginning one second after the start.
PackingProgress LogPacking() {
  const absl::Time start = RealClock().Now();
  return [start, next = absl::Seconds(1), tenth = std::size_t{1}](std::size_t done,
                                                                  std::size_t total) mutable {
    const absl::Duration spent = RealClock().Now() - start;
    if (spent < next || done * 10 < tenth * total) return;
    tenth = done * 10 / total + 1;
    Log(LogLevel::kInfo, "packing weights",
        {{"percent", absl::StrCat(done * 100 / total)}, {"mib", absl::StrCat(done >> 20)}});
  };
}

class ComposedVerifier final : public VerifierServer {
 public:
  ComposedVerifier(std::unique_ptr<Scheduler> scheduler, VerifierFacts facts,
                   absl::Duration stream_idle_timeout, std::string description)
      : scheduler_(std::move(scheduler)),
        service_(*scheduler_, std::move(facts), stream_idle_timeout),
        description_(std::move(description)),
        health_([this] { return scheduler_->CheckPasses(); }),
        ticker_([this] {
          health_.Look();
          service_.EndIdleStreams();
          return absl::Seconds(1);
        }) {}

  grpc::Service* service() override { return &service_; }
  std::unique_ptr<DecodeStream> OpenDecode(absl::Time deadline, const CallOrigin& origin) override {
    return service_.OpenDecode(deadline, origin);
  }
  void Drain(absl::Duration grace) override { service_.Drain(grace); }
  void AddMetrics(MetricSet* metrics) const override { AddVerifierMetrics(*scheduler_, metrics); }
  void OnHealth(std::function<void(bool)> tell) override { health_.OnChange(std::move(tell)); }
  std::string Description() const override { return description_; }

 private:
  const std::unique_ptr<Scheduler> scheduler_;
  VerifierService service_;
  const std::string description_;
  VerifierHealth health_;
  Ticker ticker_;  // last: it uses everything above
};

}  // namespace

absl::StatusOr<std::unique_ptr<VerifierServer>> VerifierServer::Create(
    const VerifierOptions& options) {
  RETURN_IF_ERROR(CheckOptions(options));
  ASSIGN_OR_RETURN(const KvType kv_type, KvTypeFromName(options.kv_type));
  ASSIGN_OR_RETURN(const InstructionSet instruction_set, ChooseInstructionSet(options.kernel));
  ASSIGN_OR_RETURN(const Arithmetic arithmetic, ArithmeticFromName(options.arithmetic));
  StartTimes times;
  ASSIGN_OR_RETURN(std::shared_ptr<const Model> model,
                   Model::Load(options.model_path, options.pretokenizer));
  if (const absl::Status known = CheckKnownTokenizer(model->tokenizer_data()); !known.ok()) {
    return absl::Status(known.code(), absl::StrCat(options.model_path, ": ", known.message(),
                                                   model->tokenizer_data().model == "gpt2"
                                                       ? ". --pretokenizer sets another one"
                                                       : ""));
  }
  times.Ended("open_ms");
  // One pass has enough rows for the roots of all open sequences.
  const int max_rows =
      std::max({options.prefill_chunk, options.max_tree_nodes + 1, options.max_sequences});
  ASSIGN_OR_RETURN(
      std::unique_ptr<Transformer> transformer,
      Transformer::Create(
          model, {.threads = options.threads == 0 ? std::min(UsableCores(), kMostThreads)
                                                  : options.threads,
                  .max_rows = max_rows,
                  .kv_type = kv_type,
                  .instruction_set = instruction_set,
                  .arithmetic = arithmetic,
                  .matmul_kernels = KernelsFor(options.kernel, instruction_set, arithmetic),
                  .packing_progress = LogPacking(),
                  .context_length = options.context_length}));
  times.Ended("pack_ms");
  const std::uint64_t kv_bytes =
      KvBytes(options, KvLayout::Of(model->config(), kv_type), transformer->context_length());
  ASSIGN_OR_RETURN(std::unique_ptr<KvCache> cache,
                   KvCache::Create(model->config(), kv_type, transformer->context_length(),
                                   options.max_sequences, kv_bytes));
  VerifierFacts facts = {.model = model->identity(),
                         .build = BuildVersion(),
                         .model_description = model->Description()};
  facts.callers = options.callers;
  facts.chat_template = ServableChatTemplate(model->chat_template());
  ASSIGN_OR_RETURN(facts.tokenizer_chunks, SplitTokenizerData(model->tokenizer_data()));
  const SchedulerOptions scheduler_options = {.vocab_size = model->identity().vocab_size,
                                              .eos_ids = EndOfSequenceIds(model->tokenizer_data()),
                                              .k = options.k,
                                              .max_tree_nodes = options.max_tree_nodes,
                                              .prefill_chunk = options.prefill_chunk,
                                              .max_rows = max_rows,
                                              .constraints = Constraints(model->tokenizer_data())};
  // The measured passes have a page of their own, so that they leave nothing in the cache.
  ASSIGN_OR_RETURN(
      std::unique_ptr<KvCache> probe_cache,
      KvCache::Create(model->config(), kv_type,
                      std::min(transformer->context_length(), std::uint32_t{kKvBlockRows}), 1));
  ASSIGN_OR_RETURN(std::unique_ptr<CostProbe> probe,
                   CostProbe::Create(*transformer, std::move(probe_cache), scheduler_options));
  times.Ended("rest_ms");
  RETURN_IF_ERROR(probe->MeasureFirst(options.cost_budget));
  times.Ended("measure_ms");
  times.Write();
  ASSIGN_OR_RETURN(
      const std::size_t weight_bytes,
      PackedWeights::Bytes(model->weights(), MatMulKernel::For(instruction_set, arithmetic)));
  std::string description = absl::StrCat(
      model->Description(), ", ", options.arithmetic, " arithmetic, kernel ", probe->costs().text(),
      ", up to ", options.max_sequences, " sequences of ", transformer->context_length(),
      " tokens, ",
      weight_bytes != 0 ? absl::StrFormat("%.1f MiB for weights, ", std::ldexp(weight_bytes, -20))
                        : "weights in the mapped file, ",
      absl::StrFormat("%.1f", std::ldexp(kv_bytes, -20)), " MiB for keys and values");
  auto scheduler = std::make_unique<Scheduler>(std::move(transformer), std::move(cache),
                                               scheduler_options, RealClock(), std::move(probe));
  return std::make_unique<ComposedVerifier>(std::move(scheduler), std::move(facts),
                                            options.stream_idle_timeout, std::move(description));
}

const char* VerifierServer::full_name() { return v1::VerifierService::service_full_name(); }

}  // namespace recycling::verifier
