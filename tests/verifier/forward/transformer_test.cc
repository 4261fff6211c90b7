// Checks that the logits of a row have the same bits as in passes of one token. The other rows of
// the pass must not change them.
#include "verifier/forward/transformer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <map>
#include <random>

#include "tests/doubles/tiny_model.h"
#include "tests/verifier/kernels/no_new_threads.h"
#include "tests/verifier/kernels/software_amx.h"

namespace recycling::verifier {
namespace {

using doubles::TinyModelSpec;
using ::testing::HasSubstr;

// Loads a model and keeps it until the program ends. A model with the same bytes is loaded only
// once.
std::shared_ptr<const Model> LoadTiny(const TinyModelSpec& spec) {
  static std::map<std::string, std::shared_ptr<const Model>> models;
  const auto it = models.emplace(doubles::TinyModelBytes(spec), nullptr).first;
  if (it->second == nullptr) {
    auto file = GgufFile::Parse(std::as_bytes(std::span<const char>(it->first)));
    EXPECT_TRUE(file.ok()) << file.status();
    auto model = Model::FromFile(*std::move(file), "tiny");
    EXPECT_TRUE(model.ok()) << model.status();
    it->second = *std::move(model);
  }
  return it->second;
}

// A transformer with its cache.
struct Engine {
  Engine(std::shared_ptr<const Model> model, const TransformerOptions& options, int sequences = 4) {
    auto created = Transformer::Create(model, options);
    EXPECT_TRUE(created.ok()) << created.status();
    transformer = *std::move(created);
    auto cache_created =
        KvCache::Create(model->config(), options.kv_type, transformer->context_length(), sequences);
    EXPECT_TRUE(cache_created.ok());
    cache = *std::move(cache_created);
  }

  std::unique_ptr<KvSequence> Open() { return *cache->Open(); }
  // Opens a sequence that reuses the cached pages of `tokens`.
  std::unique_ptr<KvSequence> Open(std::span<const TokenId> tokens) {
    return *cache->Open(
        {.tokens = tokens, .max_reused = static_cast<std::uint32_t>(tokens.size())});
  }

  std::unique_ptr<KvCache> cache;
  std::unique_ptr<Transformer> transformer;
};

struct Tree {
  std::vector<TokenId> tokens;
  std::vector<std::int32_t> parents;

  Segment AsSegment(KvSequence* kv, std::span<const int> logit_rows) const {
    return {.kv = kv, .tokens = tokens, .parents = parents, .logit_rows = logit_rows};
  }
  // The rows on the path from the root to `row`.
  std::vector<int> Path(int row) const {
    std::vector<int> path;
    for (int at = row; at >= 0; at = parents[static_cast<std::size_t>(at)]) path.push_back(at);
    return {path.rbegin(), path.rend()};
  }
  int size() const { return static_cast<int>(tokens.size()); }
};

std::vector<int> AllRows(int count) {
  std::vector<int> rows(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) rows[static_cast<std::size_t>(i)] = i;
  return rows;
}

Tree Chain(std::span<const TokenId> tokens) {
  Tree chain;
  for (const TokenId token : tokens) {
    chain.parents.push_back(chain.size() - 1);
    chain.tokens.push_back(token);
  }
  return chain;
}

using Bits = std::vector<float>;

Bits LogitsOf(const Transformer& transformer, int row) {
  const auto logits = transformer.logits(row);
  return {logits.begin(), logits.end()};
}

bool SameBits(const Bits& a, const Bits& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

struct Case {
  std::string name;
  TinyModelSpec spec;
  KvType kv_type;
  InstructionSet set = BestInstructionSet();
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

// Computes the expected logits with one thread: every pass has one row, and every row is committed.
// Caches the logits by their tokens.
class Plain {
 public:
  Plain(std::shared_ptr<const Model> model, const Case& c)
      : engine_(std::move(model), {.kv_type = c.kv_type, .instruction_set = c.set}) {}

  const Bits& Logits(const std::vector<TokenId>& tokens) {
    Bits& known = known_[tokens];
    if (!known.empty()) return known;
    const auto kv = engine_.Open();
    for (const TokenId token : tokens) {
      const Tree row = Chain({&token, 1});
      const std::vector<int> rows = {0};
      const Segment segment = row.AsSegment(kv.get(), rows);
      EXPECT_TRUE(engine_.transformer->Forward({&segment, 1}, nullptr).ok());
      EXPECT_TRUE(engine_.transformer->Commit(0, rows).ok());
    }
    return known = LogitsOf(*engine_.transformer, 0);
  }

 private:
  Engine engine_;
  std::map<std::vector<TokenId>, Bits> known_;
};

class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}
  // A random number from low to high.
  int Number(int low, int high) {
    return low + static_cast<int>(engine_() % static_cast<unsigned>(high - low + 1));
  }
  std::vector<TokenId> Tokens(int count, std::uint32_t vocab_size) {
    std::vector<TokenId> tokens;
    for (int i = 0; i < count; ++i) {
      tokens.push_back(static_cast<TokenId>(Number(0, static_cast<int>(vocab_size) - 1)));
    }
    return tokens;
  }

 private:
  std::mt19937 engine_;
};

enum class Shape { kRoot, kChain, kStar, kFull, kRandom };

Tree MakeTree(Shape shape, std::uint32_t vocab_size, Random& random) {
  Tree tree;
  const int rows = shape == Shape::kRoot ? 1 : random.Number(2, 24);
  tree.tokens = random.Tokens(rows, vocab_size);
  for (int i = 0; i < rows; ++i) {
    const int parent = i == 0                    ? -1
                       : shape == Shape::kChain  ? i - 1
                       : shape == Shape::kStar   ? 0
                       : shape == Shape::kRandom ? random.Number(0, i - 1)
                                                 : (i - 1) / 2;
    tree.parents.push_back(parent);
  }
  return tree;
}

// Commits all of `tokens` in chunks of random size.
void Prefill(Engine& engine, KvSequence& kv, std::span<const TokenId> tokens, Random& random) {
  while (!tokens.empty()) {
    const auto count = static_cast<std::size_t>(random.Number(1, static_cast<int>(tokens.size())));
    const Tree chunk = Chain(tokens.first(count));
    const Segment segment = chunk.AsSegment(&kv, {});
    ASSERT_TRUE(engine.transformer->Forward({&segment, 1}, nullptr).ok());
    ASSERT_TRUE(engine.transformer->Commit(0, AllRows(chunk.size())).ok());
    tokens = tokens.subspan(count);
  }
}

std::vector<TokenId> Join(std::vector<TokenId> tokens, const Tree& tree,
                          std::span<const int> path) {
  for (const int row : path) tokens.push_back(tree.tokens[static_cast<std::size_t>(row)]);
  return tokens;
}

// All kernels that this machine can run. The AMX kernel is among them on every machine.
std::vector<const MatMulKernel*> AllKernels() {
  std::vector<const MatMulKernel*> kernels = {&PlainAmxKernel()};
  for (const InstructionSet set : SupportedInstructionSets()) {
    kernels.push_back(&MatMulKernel::For(set));
  }
  return kernels;
}

// Chooses one of the engine's kernels at random for each number of rows.
void ShuffleKernels(Engine& engine, Random& random) {
  const int last = static_cast<int>(engine.transformer->kernels().size()) - 1;
  std::vector<std::uint8_t> table(128);
  for (std::uint8_t& kernel : table) kernel = static_cast<std::uint8_t>(random.Number(0, last));
  engine.transformer->UseKernels(KernelTable(std::move(table)));
}

class BitsTest : public testing::TestWithParam<Case> {};

// The passes of one sequence use all kernels in turn, so its keys and values come from all of them.
TEST_P(BitsTest, TreesInOnePassGiveTheLogitsOfOneTokenAtATimeWithAnyKernels) {
  const auto model = LoadTiny(GetParam().spec);
  ASSERT_NE(model, nullptr);
  const std::uint32_t vocab = model->config().vocab_size;
  Plain plain(model, GetParam());
  Random random(7);
  for (int threads = 1; threads <= 4; ++threads) {
    Engine engine(model, {.threads = threads,
                          .kv_type = GetParam().kv_type,
                          .instruction_set = GetParam().set,
                          .matmul_kernels = AllKernels()});
    ASSERT_EQ(engine.transformer->kernels().size(), AllKernels().size());
    for (int pass = 0; pass < 3; ++pass) {
      const int sequences = random.Number(1, 4);
      std::vector<std::unique_ptr<KvSequence>> kv;
      std::vector<std::vector<TokenId>> prompts;
      std::vector<Tree> trees;
      std::vector<std::vector<int>> wanted;
      std::vector<Segment> segments;
      for (int s = 0; s < sequences; ++s) {
        kv.push_back(engine.Open());
        prompts.push_back(random.Tokens(random.Number(0, 80), vocab));
        ShuffleKernels(engine, random);
        Prefill(engine, *kv.back(), prompts.back(), random);
        trees.push_back(MakeTree(static_cast<Shape>(random.Number(0, 4)), vocab, random));
        wanted.emplace_back();
        for (int row = 0; row < trees.back().size(); ++row) {
          if (random.Number(0, 3) != 0) wanted.back().push_back(row);
        }
      }
      for (std::size_t s = 0; s < kv.size(); ++s) {
        segments.push_back(trees[s].AsSegment(kv[s].get(), wanted[s]));
      }
      ShuffleKernels(engine, random);
      ASSERT_TRUE(engine.transformer->Forward(segments, nullptr).ok());
      int logit_row = 0;
      for (std::size_t s = 0; s < kv.size(); ++s) {
        for (const int row : wanted[s]) {
          const auto tokens = Join(prompts[s], trees[s], trees[s].Path(row));
          ASSERT_TRUE(SameBits(LogitsOf(*engine.transformer, logit_row++), plain.Logits(tokens)))
              << threads << " threads, pass " << pass << ", sequence " << s << ", row " << row;
        }
      }
    }
  }
}

TEST_P(BitsTest, RowsAfterCommittedPathsEqualAFreshRun) {
  const auto model = LoadTiny(GetParam().spec);
  ASSERT_NE(model, nullptr);
  const std::uint32_t vocab = model->config().vocab_size;
  Plain plain(model, GetParam());
  Engine engine(model,
                {.threads = 2, .kv_type = GetParam().kv_type, .instruction_set = GetParam().set});
  Random random(11);
  const auto kv = engine.Open();
  std::vector<TokenId> tokens = random.Tokens(9, vocab);
  Prefill(engine, *kv, tokens, random);
  const std::vector<int> last = {0};
  for (int step = 0; step < 12; ++step) {
    const Tree tree = MakeTree(static_cast<Shape>(step % 5), vocab, random);
    const Segment segment = tree.AsSegment(kv.get(), last);
    ASSERT_TRUE(engine.transformer->Forward({&segment, 1}, nullptr).ok());
    EXPECT_TRUE(SameBits(LogitsOf(*engine.transformer, 0), plain.Logits(Join(tokens, tree, last))));
    const std::vector<int> path = tree.Path(random.Number(0, tree.size() - 1));
    ASSERT_TRUE(engine.transformer->Commit(0, path).ok());
    tokens = Join(tokens, tree, path);
    if (step % 4 == 3) {  // drop some positions
      tokens.resize(tokens.size() - static_cast<std::size_t>(random.Number(1, 8)));
      ASSERT_TRUE(kv->Truncate(static_cast<std::uint32_t>(tokens.size())).ok());
    }
    ASSERT_EQ(kv->length(), tokens.size());
  }
}

// Sequences reuse the pages of other open sequences. Prefill chunks have random sizes. All
// sequences share each pass.
TEST_P(BitsTest, RowsAfterReusedPagesEqualAFreshRun) {
  const auto model = LoadTiny(GetParam().spec);
  ASSERT_NE(model, nullptr);
  const std::uint32_t vocab = model->config().vocab_size;
  Plain plain(model, GetParam());
  Random random(13);
  for (int threads = 1; threads <= 3; ++threads) {
    Engine engine(
        model,
        {.threads = threads, .kv_type = GetParam().kv_type, .instruction_set = GetParam().set});
    // All prompts but one begin with the same two pages and nine tokens.
    const std::vector<TokenId> common = random.Tokens(2 * kKvBlockRows + 9, vocab);
    std::vector<std::unique_ptr<KvSequence>> kv;
    std::vector<std::vector<TokenId>> prompts;
    for (int s = 0; s < 4; ++s) {
      std::vector<TokenId>& prompt = prompts.emplace_back(common);
      const auto own = random.Tokens(random.Number(0, 60), vocab);
      prompt.insert(prompt.end(), own.begin(), own.end());
      if (s == 2) prompt.resize(2 * kKvBlockRows);  // the cache has all its pages
      kv.push_back(engine.Open(prompt));
      ASSERT_EQ(kv.back()->length(), s == 0 ? 0 : 2 * kKvBlockRows);
      Prefill(engine, *kv.back(), std::span(prompt).subspan(kv.back()->length()), random);
      kv.back()->Keep(prompt);
      ASSERT_EQ(kv[0]->Keys(0, 0, 1), kv.back()->Keys(0, 0, 1));
    }
    for (int pass = 0; pass < 2; ++pass) {
      std::vector<Tree> trees;
      std::vector<int> wanted;  // the last row of each tree
      for (std::size_t s = 0; s < kv.size(); ++s) {
        trees.push_back(MakeTree(static_cast<Shape>(random.Number(0, 4)), vocab, random));
        wanted.push_back(trees.back().size() - 1);
      }
      std::vector<Segment> segments;
      for (std::size_t s = 0; s < kv.size(); ++s) {
        segments.push_back(trees[s].AsSegment(kv[s].get(), {&wanted[s], 1}));
      }
      ASSERT_TRUE(engine.transformer->Forward(segments, nullptr).ok());
      for (std::size_t s = 0; s < kv.size(); ++s) {
        const std::vector<int> path = trees[s].Path(wanted[s]);
        prompts[s] = Join(prompts[s], trees[s], path);
        ASSERT_TRUE(
            SameBits(LogitsOf(*engine.transformer, static_cast<int>(s)), plain.Logits(prompts[s])))
            << threads << " threads, pass " << pass << ", sequence " << s;
        ASSERT_TRUE(engine.transformer->Commit(static_cast<int>(s), path).ok());
      }
    }
    // Open a sequence with the prompt and the generated tokens of a closed one.
    kv[3]->Keep(prompts[3]);
    kv.clear();
    const auto back = engine.Open(prompts[3]);
    ASSERT_EQ(back->length(), prompts[3].size() / kKvBlockRows * kKvBlockRows);
    prompts[3].push_back(5);
    const Tree rest = Chain(std::span(prompts[3]).subspan(back->length()));
    const int last = rest.size() - 1;
    const Segment segment = rest.AsSegment(back.get(), {&last, 1});
    ASSERT_TRUE(engine.transformer->Forward({&segment, 1}, nullptr).ok());
    ASSERT_TRUE(SameBits(LogitsOf(*engine.transformer, 0), plain.Logits(prompts[3])));
  }
}

// The portable kernel. Counts its calls and what they compute.
class CountingKernel final : public MatMulKernel {
 public:
  std::string_view name() const override { return "counting"; }
  std::string_view arithmetic() const override { return kernel_.arithmetic(); }
  bool packs() const override { return kernel_.packs(); }
  PackedMatrix Layout(const Matrix& w) const override { return kernel_.Layout(w); }
  void PackPanel(const Matrix& w, std::size_t panel, std::byte* out) const override {
    kernel_.PackPanel(w, panel, out);
  }
  InputFormat FormatFor(TensorType type) const override { return kernel_.FormatFor(type); }
  std::size_t InputBytes(InputFormat format, std::size_t rows, std::size_t columns) const override {
    return kernel_.InputBytes(format, rows, columns);
  }
  void Prepare(InputFormat format, const float* values, const InputPart& part,
               std::byte* inputs) const override {
    kernel_.Prepare(format, values, part, inputs);
  }
  std::size_t ScratchBytes(std::size_t rows, std::size_t columns) const override {
    return kernel_.ScratchBytes(rows, columns);
  }
  void Multiply(const PackedMatrix& w, std::size_t begin, std::size_t end, const std::byte* inputs,
                std::size_t rows, bool add, float* out, std::byte* scratch) const override {
    ++calls;
    products += rows * (std::min(end * w.panel_outputs, w.rows) - begin * w.panel_outputs);
    kernel_.Multiply(w, begin, end, inputs, rows, add, out, scratch);
  }

  mutable std::atomic<int> calls = 0;
  mutable std::atomic<std::size_t> products = 0;  // of a row and an output

 private:
  const MatMulKernel& kernel_ = MatMulKernel::For(InstructionSet::kPortable);
};

TEST(TransformerTest, TheTableSaysWhichKernelMultiplies) {
  const auto model = LoadTiny({});
  const CountingKernel few;
  const CountingKernel many;
  Engine engine(model, {.matmul_kernels = {&many, &few}});
  const auto kv = engine.Open();
  const auto forward = [&](int rows) {
    few.calls = many.calls = 0;
    const Tree tree = Chain(std::vector<TokenId>(static_cast<std::size_t>(rows), 1));
    const std::vector<int> all = AllRows(rows);
    const Segment segment = tree.AsSegment(kv.get(), all);
    ASSERT_TRUE(engine.transformer->Forward({&segment, 1}, nullptr).ok());
  };
  forward(1);
  EXPECT_EQ(few.calls, 0);
  EXPECT_GT(many.calls, 0);
  engine.transformer->UseKernels(KernelTable({1, 1, 0}));
  for (const int rows : {1, 2}) {
    forward(rows);
    EXPECT_GT(few.calls, 0) << rows;
    EXPECT_EQ(many.calls, 0) << rows;
  }
  for (const int rows : {3, 4, 9}) {
    forward(rows);
    EXPECT_EQ(few.calls, 0) << rows;
    EXPECT_GT(many.calls, 0) << rows;
  }
}

// The last layer computes the keys and values of all rows, and the rest only from the first row on
// whose logits are wanted.
// Requests share the first n tokens of a prompt that is in the cache, for each n around the window
// of 100 positions and around the ends of the first pages.
TEST(TransformerTest, BranchesOffACachedPrefixAroundTheWindowEqualAFreshRun) {
  TinyModelSpec spec = doubles::TinyModelOf("gemma3");
  spec.window = 100;
  spec.context_length = 1024;
  spec.key_length = spec.value_length = 32;
  const auto model = LoadTiny(spec);
  ASSERT_NE(model, nullptr);
  const std::uint32_t vocab = model->config().vocab_size;
  Plain plain(model, {.name = "", .spec = spec, .kv_type = KvType::kF16});
  Engine engine(model, {.threads = 2, .kv_type = KvType::kF16});
  Random random(17);
  const std::vector<TokenId> prompt = random.Tokens(700, vocab);
  {
    const auto kv = engine.Open(prompt);
    while (kv->length() < prompt.size()) {
      const std::size_t count = std::min<std::size_t>(256, prompt.size() - kv->length());
      Prefill(engine, *kv, std::span(prompt).subspan(kv->length(), count), random);
      kv->Keep(prompt);
    }
  }
  const std::vector<int> last = {0};
  for (std::size_t n = 60; n < 240; ++n) {
    std::vector<TokenId> branch(prompt.begin(), prompt.begin() + static_cast<std::ptrdiff_t>(n));
    for (const TokenId token : random.Tokens(3, vocab)) branch.push_back(token);
    const auto kv = engine.Open(std::span(branch).first(n));
    ASSERT_EQ(kv->length(), n / kKvBlockRows * kKvBlockRows);
    const std::span<const TokenId> rest = std::span(branch).subspan(kv->length());
    Prefill(engine, *kv, rest.first(rest.size() - 1), random);
    const Tree row = Chain(rest.last(1));
    const Segment segment = row.AsSegment(kv.get(), last);
    ASSERT_TRUE(engine.transformer->Forward({&segment, 1}, nullptr).ok());
    ASSERT_TRUE(SameBits(LogitsOf(*engine.transformer, 0), plain.Logits(branch)))
        << "after " << n << " shared tokens";
  }
}

TEST(TransformerTest, TheLastLayerComputesWhatIsNeeded) {
  const auto model = LoadTiny({.layers = 2});
  const ModelConfig& c = model->config();
  const CountingKernel kernel;
  Engine engine(model, {.matmul_kernels = {&kernel}});
  const std::size_t keys_and_values = std::size_t{c.kv_heads} * (c.key_length + c.value_length);
  const std::size_t layer = keys_and_values + std::size_t{c.heads} * c.key_length +
                            2 * std::size_t{c.hidden_size} + 2 * std::size_t{c.feed_forward};
  const auto products = [&](std::vector<std::vector<int>> logit_rows) {
    std::vector<std::unique_ptr<KvSequence>> kv;
    std::vector<Segment> segments;
    const Tree chain = Chain(std::vector<TokenId>(10, 1));
    for (const std::vector<int>& rows : logit_rows) {
      kv.push_back(engine.Open());
      segments.push_back(chain.AsSegment(kv.back().get(), rows));
    }
    kernel.products = 0;
    EXPECT_TRUE(engine.transformer->Forward(segments, nullptr).ok());
    return kernel.products.load();
  };
  EXPECT_EQ(products({AllRows(10)}), 20 * layer + 10 * c.vocab_size);
  EXPECT_EQ(products({{9}}), 11 * layer + 9 * keys_and_values + c.vocab_size);
  EXPECT_EQ(products({{6, 8}}), 14 * layer + 6 * keys_and_values + 2 * c.vocab_size);
  EXPECT_EQ(products({{}}), 10 * layer + 10 * keys_and_values);
  EXPECT_EQ(products({{}, {9}, {0}}), 41 * layer + 19 * keys_and_values + 2 * c.vocab_size);
}

TEST(TransformerTest, RefusesKernelsOfDifferentArithmetics) {
  const absl::Status refused =
      Transformer::Create(
          LoadTiny({}),
          {.matmul_kernels = {&MatMulKernel::For(InstructionSet::kPortable),
                              &MatMulKernel::For(InstructionSet::kPortable, Arithmetic::kExact)}})
          .status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(refused.message()),
              HasSubstr("got portable and exact, expected kernels of one arithmetic"));
}

// Only the second of two chunks has wanted logits. The next pass reads the keys and values of both.
TEST_P(BitsTest, AChunkWithoutLogitsLeavesItsKeysAndValues) {
  const auto model = LoadTiny(GetParam().spec);
  ASSERT_NE(model, nullptr);
  Plain plain(model, GetParam());
  Random random(31);
  Engine engine(model,
                {.threads = 2, .kv_type = GetParam().kv_type, .instruction_set = GetParam().set});
  std::vector<std::unique_ptr<KvSequence>> kv;
  std::vector<std::vector<TokenId>> prompts;
  std::vector<Tree> chunks;
  for (int s = 0; s < 2; ++s) {
    kv.push_back(engine.Open());
    prompts.push_back(random.Tokens(9, model->config().vocab_size));
    chunks.push_back(Chain(prompts.back()));
  }
  const std::vector<int> last = {8};
  const Segment both[] = {chunks[0].AsSegment(kv[0].get(), {}),
                          chunks[1].AsSegment(kv[1].get(), last)};
  ASSERT_TRUE(engine.transformer->Forward(both, nullptr).ok());
  EXPECT_TRUE(SameBits(LogitsOf(*engine.transformer, 0), plain.Logits(prompts[1])));
  for (int s = 0; s < 2; ++s) {
    ASSERT_TRUE(engine.transformer->Commit(s, AllRows(9)).ok());
  }
  const std::vector<int> root = {0};
  for (std::size_t s = 0; s < 2; ++s) {
    prompts[s].push_back(5);
    const Tree next = Chain(std::vector<TokenId>{5});
    const Segment segment = next.AsSegment(kv[s].get(), root);
    ASSERT_TRUE(engine.transformer->Forward({&segment, 1}, nullptr).ok());
    EXPECT_TRUE(SameBits(LogitsOf(*engine.transformer, 0), plain.Logits(prompts[s]))) << s;
  }
}

// The first block of the first output row holds scales that are not finite. So exactly one logit is
// not finite, and the sampler refuses such logits by name.
TEST(TransformerTest, AScaleThatIsNotFiniteReachesOnlyTheLogitOfItsRow) {
  for (std::uint32_t type = 0; type < 64; ++type) {
    const TensorTypeInfo* const info = FindTensorType(type);
    if (info == nullptr || !info->supported) continue;
    const bool has_blocks = info->block_values > 1;
    // As half-precision numbers a NaN and infinity. Floats have no scale, so they get a NaN only.
    for (const std::uint16_t pattern : {std::uint16_t{0xFFFF}, std::uint16_t{0x7C00}}) {
      if (!has_blocks && pattern != 0xFFFF) continue;
      std::string bytes = doubles::TinyModelBytes({.vocab_size = 64,
                                                   .hidden_size = 256,
                                                   .layers = 1,
                                                   .feed_forward = 256,
                                                   .matrix_type = type});
      const auto parse = [&] {
        return GgufFile::Parse(std::as_bytes(std::span<const char>(bytes)));
      };
      auto file = parse();
      ASSERT_TRUE(file.ok()) << file.status();
      const auto at = static_cast<std::size_t>((*file)->FindTensor("output.weight")->bytes.data() -
                                               (*file)->shards().front().data());
      for (std::size_t i = 0; i < std::max(info->block_bytes, 4U); i += 2) {
        std::memcpy(&bytes[at + i], &pattern, 2);
      }
      const auto model = Model::FromFile(*parse(), "damaged");
      ASSERT_TRUE(model.ok()) << model.status();
      for (const MatMulKernel* const kernel : AllKernels()) {
        Engine engine(*model, {.matmul_kernels = {kernel}});
        const auto kv = engine.Open();
        const Tree tree = Chain(std::vector<TokenId>{5});
        const std::vector<int> rows = {0};
        const Segment segment = tree.AsSegment(kv.get(), rows);
        ASSERT_TRUE(engine.transformer->Forward({&segment, 1}, nullptr).ok());
        const Bits logits = LogitsOf(*engine.transformer, 0);
        for (std::size_t token = 0; token < logits.size(); ++token) {
          EXPECT_EQ(std::isfinite(logits[token]), token != 0)
              << info->name << ", " << kernel->name() << ", token " << token;
        }
      }
    }
  }
}

std::vector<Case> Cases() {
  const TinyModelSpec grouped = {.heads_per_group = 3, .rope_factors = true};
  const TinyModelSpec odd = {.hidden_size = 20,
                             .kv_heads = 3,
                             .heads_per_group = 1,
                             .key_length = 6,
                             .value_length = 10,
                             .feed_forward = 37,
                             .tied = true};
  std::vector<Case> cases = {{"GroupedF32", grouped, KvType::kF32},
                             {"GroupedF16Cache", grouped, KvType::kF16},
                             {"OddSizesTied", odd, KvType::kF32},
                             {"OddSizesTiedF16Cache", odd, KvType::kF16}};
  for (std::uint32_t type = 0; type < 64; ++type) {
    const TensorTypeInfo* const info = FindTensorType(type);
    if (info == nullptr || !info->supported || info->type == TensorType::kF32) continue;
    TinyModelSpec spec = {.vocab_size = 64, .hidden_size = 256, .layers = 1, .feed_forward = 256};
    spec.matrix_type = type;
    cases.push_back({std::string(info->name), spec, KvType::kF32});
  }
  for (const Architecture& architecture : Architectures()) {
    const TinyModelSpec spec = doubles::TinyModelOf(std::string(architecture.name));
    cases.push_back({"Architecture_" + spec.architecture, spec, KvType::kF16});
  }
  // Most rows use most experts, so that the groups have different sizes.
  TinyModelSpec mixture = {.hidden_size = 256, .feed_forward = 256, .experts = 4};
  mixture.experts_used = 3;
  mixture.matrix_type = 8;
  cases.push_back({"MixtureQ8_0", mixture, KvType::kF32});
  for (const InstructionSet set : SupportedInstructionSets()) {
    if (set == BestInstructionSet()) continue;
    std::string name(Name(set));
    std::erase(name, '-');
    cases.push_back({"GroupedF16CacheOn_" + name, grouped, KvType::kF16, set});
    cases.push_back({"OddSizesTiedOn_" + name, odd, KvType::kF32, set});
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Models, BitsTest, testing::ValuesIn(Cases()),
                         [](const auto& c) { return c.param.name; });

TEST(TransformerTest, RefusesMalformedSegments) {
  const auto model = LoadTiny({});
  Engine engine(model, {.max_rows = 4, .context_length = 8});
  const auto kv = engine.Open();
  const auto expect = [&](std::vector<Segment> segments, const std::string& message) {
    const absl::Status status = engine.transformer->Forward(segments, nullptr);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr(message));
    EXPECT_FALSE(engine.transformer->Commit(0, std::vector<int>{0}).ok());
    EXPECT_EQ(kv->length(), 0u);
  };
  const Tree one = Chain(std::vector<TokenId>{1});
  const std::vector<int> none;
  expect({one.AsSegment(nullptr, none)}, "no sequence");
  expect({one.AsSegment(kv.get(), none), one.AsSegment(kv.get(), none)}, "two segments");
  expect({Tree{}.AsSegment(kv.get(), none)}, "got 0 tokens");
  const Tree uneven = {{1, 2}, {-1}};
  expect({uneven.AsSegment(kv.get(), none)}, "2 tokens and 1 parents");
  const Tree self = {{1, 2}, {-1, 1}};
  expect({self.AsSegment(kv.get(), none)}, "got parent 1 for row 1");
  const Tree negative = {{1}, {-2}};
  expect({negative.AsSegment(kv.get(), none)}, "got parent -2");
  const Tree foreign = {{320}, {-1}};
  expect({foreign.AsSegment(kv.get(), none)}, "got token 320, expected less than 320");
  const Tree five = Chain(std::vector<TokenId>{1, 2, 3, 4, 5});
  expect({five.AsSegment(kv.get(), none)}, "at least 5 rows, expected at most 4");
  const std::vector<int> descending = {1, 0};
  const Tree two = Chain(std::vector<TokenId>{1, 2});
  expect({two.AsSegment(kv.get(), descending)}, "got logit row 0");
  const std::vector<int> beyond = {2};
  expect({two.AsSegment(kv.get(), beyond)}, "got logit row 2");
  Engine other(model, {.kv_type = KvType::kF16});
  const auto half = other.Open();
  expect({one.AsSegment(half.get(), none)}, "another layout");
}

TEST(TransformerTest, RefusesPositionsBeyondTheContext) {
  const auto model = LoadTiny({});
  Engine engine(model, {.context_length = 3});
  const auto kv = engine.Open();
  const Tree four = Chain(std::vector<TokenId>{1, 2, 3, 4});
  const Segment long_chain = four.AsSegment(kv.get(), {});
  const absl::Status status = engine.transformer->Forward({&long_chain, 1}, nullptr);
  EXPECT_THAT(std::string(status.message()), HasSubstr("got position 3"));
  const Tree star = {{1, 2, 3, 4, 5}, {-1, 0, 0, 0, 1}};
  const Segment wide = star.AsSegment(kv.get(), {});
  EXPECT_TRUE(engine.transformer->Forward({&wide, 1}, nullptr).ok());
}

TEST(TransformerTest, CommitAcceptsOnePathFromTheRootAndOnlyOnce) {
  const auto model = LoadTiny({});
  Engine engine(model, {});
  const auto kv = engine.Open();
  const Tree star = {{1, 2, 3, 4}, {-1, 0, 0, 1}};
  const Segment segment = star.AsSegment(kv.get(), {});
  ASSERT_TRUE(engine.transformer->Forward({&segment, 1}, nullptr).ok());
  for (const std::vector<int>& path : std::vector<std::vector<int>>{
           {1}, {0, 3}, {0, 1, 2}, {0, 0}, {-1}, {0, -1}, {4}, {0, 1, 4}}) {
    EXPECT_EQ(engine.transformer->Commit(0, path).code(), absl::StatusCode::kInvalidArgument);
  }
  EXPECT_EQ(engine.transformer->Commit(1, std::vector<int>{0}).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(kv->length(), 0u);
  EXPECT_TRUE(engine.transformer->Commit(0, std::vector<int>{0, 1, 3}).ok());
  EXPECT_EQ(kv->length(), 3u);
  EXPECT_EQ(engine.transformer->Commit(0, std::vector<int>{0}).code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST(TransformerTest, CommitRefusesASequenceThatChangedSinceThePass) {
  const auto model = LoadTiny({});
  Engine engine(model, {});
  const auto kv = engine.Open();
  Random random(3);
  Prefill(engine, *kv, std::vector<TokenId>{1, 2, 3}, random);
  const Tree root = Chain(std::vector<TokenId>{4});
  const Segment segment = root.AsSegment(kv.get(), {});
  ASSERT_TRUE(engine.transformer->Forward({&segment, 1}, nullptr).ok());
  ASSERT_TRUE(kv->Truncate(2).ok());
  EXPECT_EQ(engine.transformer->Commit(0, std::vector<int>{0}).code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST(TransformerTest, CancelledPassesLeaveNothingToCommit) {
  const auto model = LoadTiny({});
  Engine engine(model, {});
  const auto kv = engine.Open();
  const Tree root = Chain(std::vector<TokenId>{4});
  const Segment segment = root.AsSegment(kv.get(), {});
  const std::atomic<bool> cancelled{true};
  EXPECT_EQ(engine.transformer->Forward({&segment, 1}, &cancelled).code(),
            absl::StatusCode::kCancelled);
  EXPECT_FALSE(engine.transformer->Commit(0, std::vector<int>{0}).ok());
}

TEST(TransformerTest, RefusesOptionsOutOfRange) {
  const auto model = LoadTiny({});
  for (const TransformerOptions& options :
       {TransformerOptions{.threads = 0}, TransformerOptions{.threads = 1025},
        TransformerOptions{.max_rows = 0}, TransformerOptions{.max_rows = 65537}}) {
    EXPECT_EQ(Transformer::Create(model, options).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
}

// A prompt long enough for attention to cut it into chunks with tasks of their own, then a tree.
TEST(TransformerTest, AnyNumberOfThreadsGivesTheSameBits) {
  const auto model = LoadTiny({.heads_per_group = 3});
  Random random(29);
  const std::vector<TokenId> prompt = random.Tokens(1100, model->config().vocab_size);
  const Tree tree = MakeTree(Shape::kRandom, model->config().vocab_size, random);
  const std::vector<int> rows = AllRows(tree.size());
  std::vector<Bits> expected;
  for (const int threads : {1, 2, 3, 4, 7, 8, 16, 31, 64, 128}) {
    Engine engine(model, {.threads = threads, .kv_type = KvType::kF16, .context_length = 1200}, 1);
    const auto kv = engine.Open();
    for (std::size_t at = 0; at < prompt.size(); at += 220) {
      const Tree chunk = Chain(std::span(prompt).subspan(at, 220));
      const Segment segment = chunk.AsSegment(kv.get(), {});
      ASSERT_TRUE(engine.transformer->Forward({&segment, 1}, nullptr).ok());
      ASSERT_TRUE(engine.transformer->Commit(0, AllRows(chunk.size())).ok());
    }
    const Segment segment = tree.AsSegment(kv.get(), rows);
    ASSERT_TRUE(engine.transformer->Forward({&segment, 1}, nullptr).ok());
    std::vector<Bits> got;
    for (const int row : rows) got.push_back(LogitsOf(*engine.transformer, row));
    if (threads == 1) expected = got;
    for (const int row : rows) {
      const auto at = static_cast<std::size_t>(row);
      ASSERT_TRUE(SameBits(got[at], expected[at])) << threads << " threads, row " << row;
    }
  }
}

TEST(TransformerTest, FailsIfTheSystemRefusesAThread) {
  const auto model = LoadTiny({});
  const NoNewThreads no_new_threads;
  ASSERT_TRUE(no_new_threads.works());
  const absl::Status refused = Transformer::Create(model, {.threads = 2}).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(refused.message()),
              HasSubstr("threads: got 1 from the system, expected 2"));
}

TEST(TransformerTest, NumericsIdDependsOnlyOnTheModelTheArithmeticAndTheKvType) {
  const auto model = LoadTiny({});
  const auto id = [](std::shared_ptr<const Model> m, const TransformerOptions& options) {
    return (*Transformer::Create(std::move(m), options))->numerics_id();
  };
  const std::string base = id(model, {});
  EXPECT_EQ(base.size(), 64u);
  EXPECT_EQ(id(model, {.threads = 3, .max_rows = 7, .context_length = 99}), base);
  for (const InstructionSet set : SupportedInstructionSets()) {
    EXPECT_EQ(id(model, {.instruction_set = set}), base) << Name(set);
  }
  EXPECT_NE(id(model, {.arithmetic = Arithmetic::kExact}), base);
  EXPECT_NE(id(model, {.kv_type = KvType::kF16}), base);
  EXPECT_NE(id(LoadTiny({.seed = 2}), {}), base);
}

}  // namespace
}  // namespace recycling::verifier
