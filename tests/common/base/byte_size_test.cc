#include "common/base/byte_size.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <optional>
#include <string>

namespace recycling {
namespace {

std::optional<std::uint64_t> Parse(const std::string& text) {
  ByteSize size;
  std::string error;
  if (AbslParseFlag(text, &size, &error)) return size.bytes;
  EXPECT_THAT(error, testing::HasSubstr("expected a number of bytes"));
  return std::nullopt;
}

TEST(ByteSizeTest, ReadsNumbersWithAndWithoutAUnit) {
  EXPECT_EQ(Parse("0"), 0u);
  EXPECT_EQ(Parse("1234567"), 1234567u);
  EXPECT_EQ(Parse("17B"), 17u);
  EXPECT_EQ(Parse("3KiB"), 3072u);
  EXPECT_EQ(Parse("512MiB"), std::uint64_t{1} << 29);
  EXPECT_EQ(Parse("2GiB"), std::uint64_t{1} << 31);
  EXPECT_EQ(Parse("1TiB"), std::uint64_t{1} << 40);
  EXPECT_EQ(Parse("18446744073709551615"), std::numeric_limits<std::uint64_t>::max());
}

TEST(ByteSizeTest, RefusesAllOtherTexts) {
  for (const char* text : {"", "GiB", "-1", "1.5GiB", "2GB", "2gib", "2 GiB", " 2", "0x10", "1KiBB",
                           "18446744073709551616", "16777216TiB", "1\nKiB"}) {
    EXPECT_EQ(Parse(text), std::nullopt) << text;
  }
}

TEST(ByteSizeTest, FormatsSizesSoThatItCanReadThem) {
  for (const std::uint64_t bytes : {std::uint64_t{0}, std::uint64_t{1000}, std::uint64_t{1} << 31,
                                    std::uint64_t{3} << 10, (std::uint64_t{1} << 40) + 1}) {
    EXPECT_EQ(Parse(AbslUnparseFlag({bytes})), bytes);
  }
  EXPECT_EQ(AbslUnparseFlag({std::uint64_t{1} << 31}), "2GiB");
}

}  // namespace
}  // namespace recycling
