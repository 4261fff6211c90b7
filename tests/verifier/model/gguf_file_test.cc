#include "verifier/model/gguf_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <functional>

#include "tests/doubles/tiny_model.h"

namespace recycling::verifier {
namespace {

using doubles::GgufBytes;
using doubles::GgufText;
using doubles::GgufWriter;
using doubles::TinyModelSpec;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Optional;

std::span<const std::byte> AsBytes(const std::string& text) {
  return std::as_bytes(std::span<const char>(text));
}

std::unique_ptr<const GgufFile> ParseOk(const std::string& bytes) {
  auto file = GgufFile::Parse(AsBytes(bytes));
  EXPECT_TRUE(file.ok()) << file.status();
  return file.ok() ? *std::move(file) : nullptr;
}

void ExpectRefused(const std::string& bytes, const std::string& message,
                   absl::StatusCode code = absl::StatusCode::kDataLoss) {
  const absl::Status status = GgufFile::Parse(AsBytes(bytes)).status();
  EXPECT_EQ(status.code(), code) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(message));
}

std::string Head(std::uint64_t tensors, std::uint64_t values) {
  return "GGUF" + GgufBytes(3U) + GgufBytes(tensors) + GgufBytes(values);
}

// A file with one metadata value.
std::string OneValue(std::uint32_t type, const std::string& bytes) {
  return Head(0, 1) + GgufText("k") + GgufBytes(type) + bytes;
}

// A file with one tensor. Its data has `data_size` bytes.
std::string OneTensor(const std::vector<std::uint64_t>& shape, std::uint32_t type,
                      std::uint64_t offset, std::size_t data_size) {
  std::string file =
      Head(1, 0) + GgufText("t") + GgufBytes(static_cast<std::uint32_t>(shape.size()));
  for (const std::uint64_t extent : shape) file += GgufBytes(extent);
  file += GgufBytes(type) + GgufBytes(offset);
  file.resize((file.size() + 31) / 32 * 32 + data_size);
  return file;
}

TEST(GgufFileTest, ReadsTypedValuesAndReportsAbsentKeys) {
  GgufWriter writer;
  writer.Uint32("u", 4294967295U);
  writer.Raw("i64", 11, GgufBytes(std::int64_t{7}));
  writer.Float("f", 0.5F);
  writer.Raw("d", 12, GgufBytes(0.25));
  writer.Bool("b", true);
  writer.String("s", "text");
  writer.Strings("ss", {"a", "", "b"});
  writer.Floats("fs", {1, 2});
  writer.Int32s("is", {-1, 3});
  const std::string bytes = writer.Finish();
  const auto file = ParseOk(bytes);
  EXPECT_THAT(*file->Uint32("u"), Optional(4294967295U));
  EXPECT_THAT(*file->Uint32("i64"), Optional(7U));
  EXPECT_THAT(*file->Float("f"), Optional(0.5));
  EXPECT_THAT(*file->Float("d"), Optional(0.25));
  EXPECT_THAT(*file->Bool("b"), Optional(true));
  EXPECT_THAT(*file->String("s"), Optional(std::string("text")));
  EXPECT_THAT(*file->Strings("ss"), Optional(ElementsAre("a", "", "b")));
  EXPECT_THAT(*file->Floats("fs"), Optional(ElementsAre(1.0F, 2.0F)));
  EXPECT_THAT(*file->Int32s("is"), Optional(ElementsAre(-1, 3)));
  EXPECT_EQ(*file->Uint32("absent"), std::nullopt);
  EXPECT_EQ(*file->Strings("absent"), std::nullopt);
}

TEST(GgufFileTest, AValueOfAnotherTypeIsAnError) {
  GgufWriter writer;
  writer.String("s", "text");
  writer.Int32s("is", {-1});
  writer.Raw("negative", 5, GgufBytes(-1));
  writer.Raw("big", 10, GgufBytes(std::uint64_t{1} << 32));
  const std::string bytes = writer.Finish();
  const auto file = ParseOk(bytes);
  for (const char* key : {"s", "is", "negative", "big"}) {
    EXPECT_EQ(file->Uint32(key).status().code(), absl::StatusCode::kDataLoss) << key;
  }
  EXPECT_FALSE(file->Float("negative").ok());
  EXPECT_FALSE(file->Bool("negative").ok());
  EXPECT_FALSE(file->String("is").ok());
  EXPECT_FALSE(file->Strings("is").ok());
  EXPECT_FALSE(file->Floats("is").ok());
  EXPECT_FALSE(file->Int32s("s").ok());
}

TEST(GgufFileTest, ReadsTensors) {
  const std::string bytes = doubles::TinyModelBytes({.matrix_type = 8});
  const auto file = ParseOk(bytes);
  const GgufTensor* tensor = file->FindTensor("blk.1.ffn_up.weight");
  ASSERT_NE(tensor, nullptr);
  EXPECT_EQ(tensor->type->name, "Q8_0");
  EXPECT_THAT(tensor->shape, ElementsAre(32, 48));
  EXPECT_EQ(tensor->bytes.size(), 48u * 34);
  EXPECT_EQ(file->FindTensor("blk.2.ffn_up.weight"), nullptr);
}

TEST(GgufFileTest, EveryTruncationIsRefused) {
  const TinyModelSpec small = {.vocab_size = 8,
                               .hidden_size = 4,
                               .layers = 1,
                               .kv_heads = 1,
                               .key_length = 2,
                               .value_length = 2,
                               .feed_forward = 4};
  const std::string bytes = doubles::TinyModelBytes(small);
  ASSERT_NE(ParseOk(bytes), nullptr);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    // The copy has exactly this size, so that AddressSanitizer finds a read past its end.
    const std::vector<std::byte> cut(AsBytes(bytes).begin(),
                                     AsBytes(bytes).begin() + static_cast<std::ptrdiff_t>(size));
    const absl::Status status = GgufFile::Parse(cut).status();
    ASSERT_EQ(status.code(), absl::StatusCode::kDataLoss) << size << " bytes: " << status;
  }
}

TEST(GgufFileTest, RefusesOtherFileFormats) {
  ExpectRefused("", "magic");
  ExpectRefused("GGML" + Head(0, 0).substr(4), "magic: got \"GGML\"");
  ExpectRefused("GGUF" + GgufBytes(2U) + Head(0, 0).substr(8), "version: got 2, expected 3");
  ExpectRefused("GGUF" + GgufBytes(3U << 24) + Head(0, 0).substr(8), "big-endian");
}

TEST(GgufFileTest, RefusesHostileCountsAndLengths) {
  const std::uint64_t huge = std::uint64_t{1} << 62;
  ExpectRefused(Head(huge, 0), "count of \"tensors\": got 4611686018427387904");
  ExpectRefused(Head(0, huge), "count of \"metadata values\"");
  ExpectRefused(OneValue(8, GgufBytes(huge)), "expected 4611686018427387904");
  ExpectRefused(OneValue(8, GgufBytes(~std::uint64_t{0})), "got 0 bytes");
  for (const std::uint32_t element : {0U, 4U, 8U, 9U, 12U}) {
    ExpectRefused(OneValue(9, GgufBytes(element) + GgufBytes(huge)), "count of \"k\"");
  }
  ExpectRefused(Head(0, 1) + GgufBytes(std::uint64_t{0}) + std::string(32, '\0'),
                "\"key\": got 0 bytes");
}

TEST(GgufFileTest, RefusesWrongValueTypes) {
  ExpectRefused(OneValue(13, std::string(16, '\0')), "value type of \"k\": got 13");
  ExpectRefused(OneValue(9, GgufBytes(77U) + GgufBytes(std::uint64_t{0})), "got 77");
  ExpectRefused(OneValue(7, std::string(1, '\2')), "got boolean 2");
}

TEST(GgufFileTest, RefusesArraysThatNestTooDeep) {
  const std::string level = GgufBytes(9U) + GgufBytes(std::uint64_t{1});
  const std::string innermost = GgufBytes(4U) + GgufBytes(std::uint64_t{1}) + GgufBytes(5U);
  const std::string three = OneValue(9, level + level + level + innermost);
  ParseOk(three);
  std::string deep;
  for (int i = 0; i < 10000; ++i) deep += level;
  ExpectRefused(OneValue(9, deep + innermost), "nest deeper");
}

TEST(GgufFileTest, RefusesTensorsThatDoNotFit) {
  ParseOk(OneTensor({8}, 0, 0, 32));
  ExpectRefused(OneTensor({}, 0, 0, 32), "got 0 dimensions");
  ExpectRefused(OneTensor({1, 1, 1, 1, 1}, 0, 0, 32), "got 5 dimensions");
  ExpectRefused(OneTensor({0}, 0, 0, 32), "extent of 0");
  ExpectRefused(OneTensor({9}, 0, 0, 32), "got 36 bytes at offset 0");
  ExpectRefused(OneTensor({8}, 0, 32, 32), "offset 32");
  ExpectRefused(OneTensor({8}, 0, 1, 64), "multiple of 32");
  ExpectRefused(OneTensor({8}, 0, ~std::uint64_t{31}, 32), "expected to end within");
  ExpectRefused(OneTensor({std::uint64_t{1} << 32, std::uint64_t{1} << 32}, 0, 0, 32),
                "more bytes than fit into 64 bits");
  ExpectRefused(OneTensor({std::uint64_t{1} << 62}, 0, 0, 32), "more bytes than fit into 64 bits");
  ExpectRefused(OneTensor({33}, 8, 0, 64), "multiple of 32 for Q8_0");
  ExpectRefused(OneTensor({8}, 99, 0, 32), "type number 99", absl::StatusCode::kUnimplemented);
}

TEST(GgufFileTest, RefusesDuplicatesAndOverlaps) {
  GgufWriter keys;
  keys.Uint32("k", 1);
  keys.Uint32("k", 2);
  ExpectRefused(keys.Finish(), "key \"k\" occurs twice");
  GgufWriter names;
  names.Tensor("t", {8}, 0, std::string(32, 'x'));
  names.Tensor("t", {8}, 0, std::string(32, 'x'));
  ExpectRefused(names.Finish(), "tensor \"t\" occurs twice");
  GgufWriter overlap;
  overlap.Tensor("a", {16}, 0, std::string(32, 'x'));
  overlap.Tensor("b", {8}, 0, std::string(32, 'x'));
  ExpectRefused(overlap.Finish(), "tensors \"a\" and \"b\" overlap");
}

TEST(GgufFileTest, AlignmentIsReadAndChecked) {
  for (const std::uint32_t wrong : {0U, 3U, 48U}) {
    GgufWriter writer;
    writer.Uint32("general.alignment", wrong);
    ExpectRefused(writer.Finish(), "expected a power of two");
  }
  GgufWriter huge;
  huge.Uint32("general.alignment", 1U << 31);
  huge.Tensor("t", {8}, 0, std::string(32, 'x'));
  ExpectRefused(huge.Finish(), "expected to end within 0 bytes");
}

TEST(GgufFileTest, OpenNamesTheFile) {
  const auto absent = GgufFile::Open("/nonexistent/model.gguf").status();
  EXPECT_EQ(absent.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(absent.message()), HasSubstr("/nonexistent/model.gguf"));
  const auto folder = GgufFile::Open(testing::TempDir()).status();
  EXPECT_EQ(folder.code(), absl::StatusCode::kInvalidArgument);
  const std::string path = testing::TempDir() + "/open_names_the_file.gguf";
  ASSERT_TRUE(doubles::WriteTinyModel({}, path));
  const auto file = GgufFile::Open(path);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ((*file)->size(), doubles::TinyModelBytes({}).size());
}

// What a test of shards may do wrong.
struct Sharding {
  std::uint32_t count = 3;        // split.count of the first shard
  std::uint32_t later_count = 3;  // and of the others
  std::uint32_t tensors = 0;      // added to split.tensors.count
  bool swap_numbers = false;      // of the second and the third shard
  bool repeat = false;            // the first tensor is in all shards
};

// Writes the values of `whole` to the first of three shards, and its tensors to the second and the
// third one. Returns the path of the first one.
std::string WriteShards(const std::string& name, const GgufFile& whole, const Sharding& sharding) {
  std::string first;
  for (std::uint32_t shard = 0; shard < 3; ++shard) {
    GgufWriter writer;
    for (const auto& [key, value] : whole.values()) {
      if (shard != 0) break;
      std::string bytes(reinterpret_cast<const char*>(value.bytes.data()), value.bytes.size());
      if (value.type == GgufValueType::kString) bytes = GgufText(bytes);
      if (value.type == GgufValueType::kArray) {
        bytes = GgufBytes(value.element_type) + GgufBytes(value.count) + bytes;
      }
      writer.Raw(key, static_cast<std::uint32_t>(value.type), bytes);
    }
    writer.Uint32("split.no", sharding.swap_numbers && shard != 0 ? 3 - shard : shard);
    writer.Uint32("split.count", shard == 0 ? sharding.count : sharding.later_count);
    const auto tensors = static_cast<std::uint32_t>(whole.tensors().size());
    writer.Uint32("split.tensors.count", tensors + sharding.tensors);
    std::uint32_t at = 0;
    for (const auto& [tensor_name, tensor] : whole.tensors()) {
      const bool here = at % 2 + 1 == shard || (at == 0 && sharding.repeat);
      ++at;
      if (!here) continue;
      writer.Tensor(tensor_name, tensor.shape, static_cast<std::uint32_t>(tensor.type->type),
                    {reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size()});
    }
    const std::string path =
        testing::TempDir() + "/" + name + "-0000" + std::to_string(shard + 1) + "-of-00003.gguf";
    std::ofstream(path, std::ios::binary) << writer.Finish();
    if (shard == 0) first = path;
  }
  return first;
}

TEST(GgufFileTest, ShardsAreReadAsOneFile) {
  const std::string bytes = doubles::TinyModelBytes({});
  const auto whole = ParseOk(bytes);
  const std::string path = WriteShards("shards", *whole, {});
  const auto file = GgufFile::Open(path);
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_EQ((*file)->shards().size(), 3U);
  EXPECT_EQ((*file)->values().size(), whole->values().size() + 3);
  ASSERT_EQ((*file)->tensors().size(), whole->tensors().size());
  for (int round = 0; round < 2; ++round) {
    for (const auto& [name, tensor] : whole->tensors()) {
      const GgufTensor* const read = (*file)->FindTensor(name);
      ASSERT_NE(read, nullptr) << name;
      EXPECT_EQ(read->shape, tensor.shape);
      EXPECT_TRUE(std::ranges::equal(read->bytes, tensor.bytes)) << name;
      (*file)->DropPages(read->bytes);  // the next round reads them again
    }
  }
}

TEST(GgufFileTest, ShardsThatDoNotFitTogetherAreRefused) {
  const std::string bytes = doubles::TinyModelBytes({});
  const auto whole = ParseOk(bytes);
  const auto error = [&](const Sharding& sharding) {
    const absl::Status status = GgufFile::Open(WriteShards("wrong", *whole, sharding)).status();
    EXPECT_FALSE(status.ok());
    return std::string(status.message());
  };
  EXPECT_THAT(error({.later_count = 4}),
              HasSubstr("wrong-00002-of-00003.gguf: GGUF: split.count: got 4, expected 3"));
  EXPECT_THAT(error({.tensors = 2}), HasSubstr("expected 23, which is split.tensors.count"));
  EXPECT_THAT(error({.swap_numbers = true}),
              HasSubstr("wrong-00002-of-00003.gguf: GGUF: split.no: got 2, expected 1"));
  EXPECT_THAT(error({.repeat = true}), HasSubstr("occurs in two shards"));
  EXPECT_THAT(error({.count = 2}), HasSubstr("expected a name that ends in -00001-of-00002.gguf"));
  EXPECT_THAT(error({.count = 100000}), HasSubstr("got 100000, expected at most 99999"));
}

TEST(GgufFileTest, OnlyTheFirstShardOpensAModel) {
  const std::string bytes = doubles::TinyModelBytes({});
  std::string path = WriteShards("first", *ParseOk(bytes), {});
  path.replace(path.find("00001"), 5, "00002");
  const absl::Status second = GgufFile::Open(path).status();
  EXPECT_EQ(second.code(), absl::StatusCode::kInvalidArgument) << second;
  EXPECT_THAT(std::string(second.message()),
              HasSubstr("Give the file whose name ends in -00001-of-00003.gguf"));
  std::remove(path.c_str());
  path.replace(path.find("00002"), 5, "00001");
  const absl::Status absent = GgufFile::Open(path).status();
  EXPECT_EQ(absent.code(), absl::StatusCode::kNotFound) << absent;
  EXPECT_THAT(std::string(absent.message()), HasSubstr("first-00002-of-00003.gguf"));
}

TEST(GgufFileTest, FormatsValuesAsText) {
  GgufWriter writer;
  writer.Strings("ss", {"a", "b\n"});
  writer.Floats("fs", std::vector<float>(100, 1.5F));
  writer.String("s", "text");
  const std::string bytes = writer.Finish();
  const auto file = ParseOk(bytes);
  EXPECT_EQ(GgufValueText(file->values().at("ss"), 40), "[2] \"a\" \"b\\n\"");
  EXPECT_EQ(GgufValueText(file->values().at("fs"), 12), "[100] 1.5 1.5 ...");
  EXPECT_EQ(GgufValueText(file->values().at("s"), 40), "text");
}

}  // namespace
}  // namespace recycling::verifier
