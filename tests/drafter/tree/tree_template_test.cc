#include "drafter/tree/tree_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "drafter/matrix/adjacency_matrix.h"
#include "tests/doubles/matchers.h"

namespace recycling::drafter {
namespace {

using doubles::IsOk;
using doubles::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Node = TreeTemplate::Node;

void ExpectInvalid(const std::string& text, const std::string& message) {
  EXPECT_THAT(TreeTemplate::Parse(text),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)));
}

TEST(TreeTemplateTest, TheTemplateOfThePaperHas80NodesOnSixLevels) {
  const TreeTemplate& paper = TreeTemplate::Paper80();
  EXPECT_EQ(paper.name(), "paper-80");
  EXPECT_EQ(paper.size(), 80);
  std::array<int, 7> levels{};
  for (const Node& node : paper.nodes()) ++levels[static_cast<std::size_t>(node.depth)];
  EXPECT_THAT(levels, ElementsAre(1, 8, 21, 25, 15, 8, 3));
  for (std::size_t i = 1; i < paper.nodes().size(); ++i) EXPECT_LT(paper.nodes()[i].rank, 8u);
}

TEST(TreeTemplateTest, SortsPathsBreadthFirst) {
  const auto shape = TreeTemplate::Parse("1.0 0.1.3 # leaves\n\n name small-5\r\n0.1\t0\n1");
  ASSERT_THAT(shape, IsOk());
  EXPECT_EQ(shape->name(), "small-5");
  EXPECT_THAT(shape->nodes(), ElementsAre(Node{-1, 0, 0}, Node{0, 0, 1}, Node{0, 1, 1},
                                          Node{1, 1, 2}, Node{2, 0, 2}, Node{3, 3, 3}));
  EXPECT_EQ(shape->size(), 5);
  EXPECT_EQ(shape->nodes().back().depth, 3);
}

TEST(TreeTemplateTest, SortsRanksAsNumbers) {
  const auto shape = TreeTemplate::Parse("name n\n10 9 63");
  ASSERT_THAT(shape, IsOk());
  EXPECT_THAT(shape->nodes(),
              ElementsAre(Node{-1, 0, 0}, Node{0, 9, 1}, Node{0, 10, 1}, Node{0, 63, 1}));
}

TEST(TreeTemplateTest, ErrorsNameTheLine) {
  ExpectInvalid("", "got no name");
  ExpectInvalid("name x", "got no path");
  ExpectInvalid("0 1", "got no name");
  ExpectInvalid("name x\nname y\n0", "line 2: got a second name");
  ExpectInvalid("0 name x", "line 1: got \"name\"");
  ExpectInvalid("name x y\n0", "line 1: got a bad name");
  ExpectInvalid("name a/b\n0", "line 1: got a bad name");
  ExpectInvalid(absl::StrCat("name ", std::string(65, 'a'), "\n0"), "line 1: got a bad name");
  ExpectInvalid("name x\n0 0.64", "line 2: got \"0.64\", expected ranks 0 to 63");
  for (const std::string word :
       {"a", "-1", "+1", "0.", ".0", "0..0", "0,1", "4294967296", "99999999999999999999"}) {
    ExpectInvalid("name x\n0\n" + word, "line 3: got \"" + word + "\"");
  }
  ExpectInvalid(std::string("name x\n0\0", 9), "got \"0\\000\"");
  ExpectInvalid("name x\n0 1\n\n1.1 0.0.0 1.1.0\n",
                "line 4: got path 0.0.0 without its parent 0.0");
  ExpectInvalid("name x\n0 1\n0", "line 3: got path \"0\" a second time");
}

TEST(TreeTemplateTest, RefusesTooManyNodesAndTooDeepPaths) {
  std::string chain = "0";
  std::string deepest = "name deep\n0";
  for (int depth = 2; depth <= kMaxTemplateDepth; ++depth) {
    absl::StrAppend(&chain, ".0");
    absl::StrAppend(&deepest, "\n", chain);
  }
  const auto deep = TreeTemplate::Parse(deepest);
  ASSERT_THAT(deep, IsOk());
  EXPECT_EQ(deep->nodes().back().depth, kMaxTemplateDepth);
  ExpectInvalid(absl::StrCat(deepest, "\n", chain, ".0"), "got a path of more than 32 ranks");

  std::string wide = "name wide";
  for (std::uint32_t i = 0; i < kMaxK; ++i) absl::StrAppend(&wide, "\n", i);
  for (std::uint32_t i = 0; i < kMaxTemplateNodes - kMaxK; ++i) {
    absl::StrAppend(&wide, "\n", i / kMaxK, ".", i % kMaxK);
  }
  const auto full = TreeTemplate::Parse(wide);
  ASSERT_THAT(full, IsOk());
  EXPECT_EQ(full->size(), kMaxTemplateNodes);
  ExpectInvalid(wide + "\n63.0", "got more than 1024 paths");
}

TEST(TreeTemplateTest, LoadsAFileAndNamesItInErrors) {
  const std::string path = ::testing::TempDir() + "/tree_template_test.txt";
  std::ofstream(path) << "name file-1\n0\n";
  const auto shape = TreeTemplate::Load(path);
  ASSERT_THAT(shape, IsOk());
  EXPECT_EQ(shape->name(), "file-1");
  std::ofstream(path) << "0\n";
  EXPECT_THAT(TreeTemplate::Load(path),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(path)));
  std::ofstream(path) << std::string((1 << 20) + 1, '\n');
  EXPECT_THAT(TreeTemplate::Load(path),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("more than 1048576 bytes")));
  EXPECT_THAT(TreeTemplate::Load(path + ".absent"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(".absent")));
  EXPECT_FALSE(TreeTemplate::Load(::testing::TempDir()).ok());
}

}  // namespace
}  // namespace recycling::drafter
