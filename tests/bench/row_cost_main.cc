// bench_row_cost: measures the time of a pass over r rows, and the time of only reading the
// weights. Prints one JSON object.
#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <functional>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/program/program.h"
#include "tests/bench/kernel_choice.h"
#include "verifier/forward/transformer.h"
#include "verifier/kernels/buffer.h"
#include "verifier/kernels/thread_pool.h"

ABSL_FLAG(std::string, kernel, "", "Kernel of the projections. Empty: the best of this machine.");
ABSL_FLAG(int, threads, 2, "Threads of a pass and of reading memory.");
ABSL_FLAG(std::string, kv_type, "f32", "Number format of keys and values: f32 or f16.");
ABSL_FLAG(std::vector<std::string>, rows,
          (std::vector<std::string>{"1", "2", "4", "8", "12", "16", "24", "32", "48", "64", "80",
                                    "81", "96"}),
          "Numbers of rows to measure. A pass is a tree with four children for each node; the "
          "verifier computes the logits of all rows.");
ABSL_FLAG(
    int, prefill, 512,
    "Tokens of a prompt in an empty sequence; the verifier computes the logits of the last one. "
    "0: not measured.");
ABSL_FLAG(int, context, 256, "Positions in the sequence before the trees.");
ABSL_FLAG(int, repeats, 7,
          "Rounds. Each round measures everything once, in turn. One more round runs first and is "
          "not counted.");

namespace recycling::bench {
namespace {

using verifier::KvType;

struct Options {
  std::vector<int> rows;
  int prefill = 0;
  int context = 0;
  int repeats = 0;
  KvType kv_type = KvType::kF32;
};

absl::StatusOr<Options> OptionsFromFlags() {
  Options options = {.prefill = absl::GetFlag(FLAGS_prefill),
                     .context = absl::GetFlag(FLAGS_context),
                     .repeats = absl::GetFlag(FLAGS_repeats)};
  for (const std::string& text : absl::GetFlag(FLAGS_rows)) {
    int rows = 0;
    if (!absl::SimpleAtoi(text, &rows) || rows < 1) {
      return absl::InvalidArgumentError(
          absl::StrCat("--rows: got \"", text, "\", expected numbers of at least 1"));
    }
    options.rows.push_back(rows);
  }
  if (options.context < 0 || options.prefill < 0 || options.repeats < 1) {
    return absl::InvalidArgumentError(
        "expected --context and --prefill of at least 0, --repeats of at least 1");
  }
  const std::string kv_type = absl::GetFlag(FLAGS_kv_type);
  if (kv_type != "f32" && kv_type != "f16") {
    return absl::InvalidArgumentError(
        absl::StrCat("--kv_type: got \"", kv_type, "\", expected f32 or f16"));
  }
  options.kv_type = kv_type == "f32" ? KvType::kF32 : KvType::kF16;
  return options;
}

// The time of `run` in microseconds.
absl::StatusOr<double> Time(const std::function<absl::Status()>& run) {
  const auto start = std::chrono::steady_clock::now();
  RETURN_IF_ERROR(run());
  const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - start;
  return took.count();
}

// Bytes of the matrices that a pass over one row reads completely. In a mixture it reads only the
// experts that the row uses.
std::size_t WeightBytes(const verifier::Model& model) {
  const verifier::Weights& w = model.weights();
  const std::size_t blocks = std::max(1U, model.config().experts_used);
  const auto bytes = [](const verifier::Matrix& m) { return m.rows * m.row_bytes; };
  std::size_t sum = bytes(w.output);
  for (const verifier::LayerWeights& layer : w.layers) {
    for (const auto* m :
         {&layer.query, &layer.key, &layer.value, &layer.attention_output, &layer.router}) {
      sum += bytes(*m);
    }
    for (const auto* m : {&layer.gate, &layer.up, &layer.down}) sum += blocks * bytes(m->front());
  }
  return sum;
}

// Reads a whole buffer once. Each thread reads its own part.
class Reader {
 public:
  explicit Reader(std::unique_ptr<verifier::ThreadPool> pool) : pool_(std::move(pool)) {}

  absl::Status Reserve(std::size_t bytes) {
    words_ = bytes / sizeof(std::uint64_t);
    RETURN_IF_ERROR(buffer_.Reserve(words_, "reading"));
    // Best effort. Packed weights have huge pages too.
    constexpr std::uintptr_t kPage = 4096;
    const auto begin =
        (reinterpret_cast<std::uintptr_t>(buffer_.data()) + kPage - 1) & ~(kPage - 1);
    madvise(reinterpret_cast<void*>(begin), bytes - kPage, MADV_HUGEPAGE);
    std::fill_n(buffer_.data(), words_,
                1);  // so that each page has memory of its own, not the shared zero page
    return absl::OkStatus();
  }

  absl::Status Read() {
    const std::size_t parts = pool_->threads();
    std::vector<std::uint64_t> sums(parts);
    pool_->Run(parts, [&](std::size_t part, std::size_t) {
      const std::uint64_t* from = buffer_.data() + words_ * part / parts;
      const std::uint64_t* to = buffer_.data() + words_ * (part + 1) / parts;
      sums[part] = std::accumulate(from, to, std::uint64_t{0});
    });
    if (std::accumulate(sums.begin(), sums.end(), std::uint64_t{0}) == words_) {
      return absl::OkStatus();
    }
    return absl::InternalError(
        "the buffer that was read does not hold the values that were written");
  }

 private:
  const std::unique_ptr<verifier::ThreadPool> pool_;
  std::size_t words_ = 0;
  verifier::Buffer<std::uint64_t> buffer_;
};

// Rows for a pass. Their tokens are spread over the vocabulary and differ from pass to pass.
struct Rows {
  Rows(int count, int children, std::uint32_t vocab_size, std::uint32_t start)
      : tokens(static_cast<std::size_t>(count)), parents(tokens.size()) {
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      tokens[i] = static_cast<TokenId>((start + i * 997) % vocab_size);
      parents[i] =
          i == 0 ? -1 : static_cast<std::int32_t>((i - 1) / static_cast<unsigned>(children));
    }
  }
  std::vector<TokenId> tokens;
  std::vector<std::int32_t> parents;
};

class RowCost {
 public:
  RowCost(verifier::Transformer& transformer, const Options& options)
      : transformer_(transformer), options_(options) {}

  absl::Status Prepare() {
    ASSIGN_OR_RETURN(cache_,
                     verifier::KvCache::Create(transformer_.model().config(), options_.kv_type,
                                               transformer_.context_length(), 2));
    ASSIGN_OR_RETURN(sequence_, cache_->Open());
    return Append(*sequence_, options_.context);
  }

  // Microseconds of one pass over a tree.
  absl::StatusOr<double> Tree(int count) {
    const Rows rows(count, 4, transformer_.model().config().vocab_size, start_ += 31);
    std::vector<int> logit_rows(rows.tokens.size());
    std::iota(logit_rows.begin(), logit_rows.end(), 0);
    const verifier::Segment segment = {.kv = sequence_.get(),
                                       .tokens = rows.tokens,
                                       .parents = rows.parents,
                                       .logit_rows = logit_rows};
    return Time([&] { return transformer_.Forward({&segment, 1}, nullptr); });
  }

  // Microseconds of one pass over the whole prompt, in an empty sequence.
  absl::StatusOr<double> Prefill() {
    ASSIGN_OR_RETURN(const auto sequence, cache_->Open());
    return Time([&] { return Append(*sequence, options_.prefill); });
  }

 private:
  absl::Status Append(verifier::KvSequence& sequence, int count) {
    if (count == 0) return absl::OkStatus();
    const Rows rows(count, 1, transformer_.model().config().vocab_size, start_ += 31);
    const int last = count - 1;
    const verifier::Segment segment = {
        .kv = &sequence, .tokens = rows.tokens, .parents = rows.parents, .logit_rows = {&last, 1}};
    RETURN_IF_ERROR(transformer_.Forward({&segment, 1}, nullptr));
    std::vector<int> path(rows.tokens.size());
    std::iota(path.begin(), path.end(), 0);
    return transformer_.Commit(0, path);
  }

  verifier::Transformer& transformer_;
  const Options options_;
  std::unique_ptr<verifier::KvCache> cache_;
  std::unique_ptr<verifier::KvSequence> sequence_;
  std::uint32_t start_ = 0;
};

absl::StatusOr<nlohmann::json> Measure(const std::string& path) {
  ASSIGN_OR_RETURN(const Options options, OptionsFromFlags());
  const int threads = absl::GetFlag(FLAGS_threads);
  ASSIGN_OR_RETURN(const auto model, verifier::Model::Load(path));
  const int largest = std::max({*std::max_element(options.rows.begin(), options.rows.end()),
                                options.prefill, options.context});
  verifier::TransformerOptions transformer_options = {
      .threads = threads, .max_rows = largest, .kv_type = options.kv_type};
  RETURN_IF_ERROR(ChooseKernel(absl::GetFlag(FLAGS_kernel), transformer_options));
  std::unique_ptr<verifier::Transformer> transformer;
  ASSIGN_OR_RETURN(const double load_micros, Time([&]() -> absl::Status {
                     ASSIGN_OR_RETURN(transformer,
                                      verifier::Transformer::Create(model, transformer_options));
                     return absl::OkStatus();
                   }));
  RowCost cost(*transformer, options);
  RETURN_IF_ERROR(cost.Prepare());
  const std::size_t weight_bytes = WeightBytes(*model);
  ASSIGN_OR_RETURN(auto pool, verifier::ThreadPool::Create(threads));
  Reader reader(std::move(pool));
  RETURN_IF_ERROR(reader.Reserve(weight_bytes));

  std::vector<std::vector<double>> tree_micros(options.rows.size());
  std::vector<double> prefill_micros;
  std::vector<double> read_micros;
  for (int round = -1; round < options.repeats; ++round) {
    ASSIGN_OR_RETURN(const double read, Time([&] { return reader.Read(); }));
    if (round >= 0) read_micros.push_back(read);
    for (std::size_t i = 0; i < options.rows.size(); ++i) {
      ASSIGN_OR_RETURN(const double micros, cost.Tree(options.rows[i]));
      if (round >= 0) tree_micros[i].push_back(micros);
    }
    if (options.prefill == 0) continue;
    ASSIGN_OR_RETURN(const double prefill, cost.Prefill());
    if (round >= 0) prefill_micros.push_back(prefill);
  }

  nlohmann::json result = {{"model", model->identity().model_id},
                           {"file_digest", model->file_digest()},
                           {"description", model->Description()},
                           {"kernel", transformer->kernels().front()},
                           {"numerics_id", transformer->numerics_id()},
                           {"threads", threads},
                           {"kv_type", absl::GetFlag(FLAGS_kv_type)},
                           {"context", options.context},
                           {"create_micros", load_micros},
                           {"weight_bytes", weight_bytes},
                           {"read_micros", read_micros},
                           {"prefill_tokens", options.prefill},
                           {"prefill_micros", prefill_micros},
                           {"rows", nlohmann::json::array()}};
  for (std::size_t i = 0; i < options.rows.size(); ++i) {
    result["rows"].push_back({{"rows", options.rows[i]}, {"micros", tree_micros[i]}});
  }
  return result;
}

}  // namespace
}  // namespace recycling::bench

int main(int argc, char** argv) {
  const std::vector<std::string> arguments = recycling::ParseProgramFlags(
      argc, argv,
      {.name = "bench_row_cost",
       .summary =
           "Measures in turn the time of passes over r rows, of a long prompt, and of reading as "
           "many bytes as the weights have: bench_row_cost MODEL. Writes one JSON object with "
           "the microseconds of every round.",
       .examples = "  bench_row_cost model.gguf --threads 2 --rows 1,16,80 --repeats 5\n"});
  if (arguments.size() != 1) {
    std::cerr << "bench_row_cost: got " << arguments.size()
              << " arguments, expected MODEL\nTry 'bench_row_cost --help'.\n";
    return recycling::kExitUsage;
  }
  const auto result = recycling::bench::Measure(arguments[0]);
  if (!result.ok()) {
    std::cerr << "bench_row_cost: " << result.status().message() << "\n";
    return absl::IsInvalidArgument(result.status()) ? recycling::kExitUsage
                                                    : recycling::kExitFailure;
  }
  std::cout << result->dump() << std::endl;
  return recycling::kExitOk;
}
