#include "gateway/cli/draft_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/doubles/proto_matchers.h"

namespace recycling::cli {
namespace {

using doubles::ParseProto;
using ::testing::HasSubstr;

gateway::v1::Delta Delta(const std::string& text) { return ParseProto<gateway::v1::Delta>(text); }

// The sources are bits: 2 matrix, 4 sequence, 8 recent, 16 pair. Node 1 is accepted, node 2 is not.
constexpr char kStep[] = R"pb(
  text: " upon time"
  trace {
    tree {
      root: 10
      tokens: [ 11, 12 ]
      parents: [ 0, 0 ]
      sources: [ 18, 4 ]
      probabilities: [ 0.5, 0.25 ]
    }
    accepted_nodes: 1
    next: 13
    pieces: [ "Once", " upon", " a", " time" ]
  })pb";

TEST(DraftColorsTest, MarksGuessedTokensWithTheMostTellingSource) {
  DraftColors text(/*colors=*/false);
  EXPECT_EQ(text.Show(Delta(kStep)), "{p upon} time");
  EXPECT_EQ(text.Legend(),
            "guessed by {s...} sequence, {p...} pair, {m...} matrix, {r...} recent; other tokens "
            "were added by the model");
}

TEST(DraftColorsTest, ColorsOnATerminal) {
  DraftColors text(/*colors=*/true);
  EXPECT_EQ(text.Show(Delta(kStep)), "\033[36m upon\033[0m\033[4m time\033[0m");
  EXPECT_THAT(text.Legend(), HasSubstr("\033[32msequence\033[0m"));
}

TEST(DraftColorsTest, ShowsTheTextOfTheDeltasEvenIfTokensAreHeldBackOrCutOff) {
  DraftColors text(/*colors=*/false);
  gateway::v1::Delta held = Delta(kStep);
  held.set_text(" up");
  EXPECT_EQ(text.Show(held), "{p up}");
  EXPECT_EQ(text.Show(Delta("text: 'on ti'")), "{pon} ti");
  EXPECT_EQ(text.Show(Delta("text: 'me and more'")), "me and more") << "no trace explains the rest";
  EXPECT_EQ(text.Show(Delta("text: ' again'")), " again");
  EXPECT_EQ(text.Show(Delta(kStep)), "{p upon} time");
}

TEST(DraftColorsTest, TextThatIsNotThatOfTheTokensIsShownWithoutMarks) {
  DraftColors text(/*colors=*/false);
  gateway::v1::Delta other = Delta(kStep);
  other.set_text(" under");
  EXPECT_EQ(text.Show(other), " under");
  EXPECT_EQ(text.Show(Delta(kStep)), "{p upon} time") << "the next step is explained again";
}

TEST(DraftColorsTest, ACharacterOfSeveralTokensBelongsToItsFirst) {
  DraftColors text(/*colors=*/false);
  gateway::v1::Delta first = Delta(
      "text: 'a' trace { tree { root: 1 tokens: 5 parents: 0 sources: 2 } accepted_nodes: 1 next: "
      "6 "
      "pieces: 'x' pieces: 'a\\303' pieces: '\\244z' }");
  EXPECT_EQ(text.Show(first), "{ma}");
  EXPECT_EQ(text.Show(Delta("text: '\303\244z'")), "{m\xc3\xa4}z");
}

TEST(TreeTextTest, DrawsNodesWithEstimatesSourcesAndTheAcceptedPath) {
  const auto trace = ParseProto<gateway::v1::StepTrace>(R"pb(
    tree {
      root: 1
      tokens: [ 2, 3, 4, 5 ]
      parents: [ 0, 0, 1, 1 ]
      sources: [ 6, 16, 2, 8 ]
      probabilities: [ 0.5, 0.25, 0.125, 0.0625 ]
    }
    accepted_nodes: [ 1, 3 ]
    next: 6
    pieces: [ "a", " b", "\n", " d", "e\"", "\303\274" ])pb");
  EXPECT_EQ(TreeText(trace, /*colors=*/false),
            "\"a\"\n"
            "|- \" b\"  0.50  sequence, matrix  accepted\n"
            "|  |- \" d\"  0.12  matrix  accepted\n"
            "|  `- \"e\\\"\"  0.06  recent\n"
            "`- \"\\n\"  0.25  pair\n"
            "=> \"\xc3\xbc\"  added by the model\n");
  EXPECT_THAT(TreeText(trace, /*colors=*/true), HasSubstr("\033[32m\" b\"  0.50"));
}

TEST(TreeTextTest, ADraftlessStepHasTheRootAlone) {
  const auto trace =
      ParseProto<gateway::v1::StepTrace>("tree { root: 1 } next: 6 pieces: 'a' pieces: 'b'");
  EXPECT_EQ(TreeText(trace, false), "\"a\"\n=> \"b\"  added by the model\n");
}

// A gateway is not trusted to send whole traces.
TEST(TreeTextTest, TracesWithMissingOrWrongPartsDoNoHarm) {
  for (const char* text :
       {"", "tree { tokens: [ 1, 2 ] parents: 0 }", "accepted_nodes: [ 1, 1, 1 ] next: 2",
        "tree { tokens: 1 parents: 0 } accepted_nodes: [ 1, 1, 1 ] pieces: [ 'a', 'b', 'c' ]",
        "accepted_nodes: 4294967295 next: 2",
        "tree { tokens: [ 1, 2 ] parents: [ 7, 4294967295 ] } pieces: [ 'a', 'b', 'c', 'd' ]",
        "tree { tokens: 1 parents: 0 sources: 4294967295 } accepted_nodes: 9 pieces: [ 'a', 'b' "
        "]"}) {
    const auto trace = ParseProto<gateway::v1::StepTrace>(text);
    EXPECT_THAT(TreeText(trace, false), HasSubstr("added by the model")) << text;
    gateway::v1::Delta delta;
    *delta.mutable_trace() = trace;
    delta.set_text("text");
    DraftColors colors(false);
    EXPECT_EQ(colors.Show(delta), "text") << text;
  }
}

TEST(SourcesTextTest, HasALineForEachSource) {
  const auto stats = ParseProto<gateway::v1::SpeculationStats>(R"pb(
    sources {
      source: DRAFT_SOURCE_PAIR
      proposed: 200
      accepted: 50
      proposed_alone: 20
      accepted_alone: 3
      expected: 47.6
    })pb");
  EXPECT_EQ(
      SourcesText(stats),
      "source       pair     accepted 50 of 200 tokens (25.0%), 48 expected; alone 3 of 20\n");
  EXPECT_EQ(SourcesText({}), "");
}

TEST(SourcesTextTest, AnUnknownSourceHasNoName) {
  for (const int source : {5, 40, -1}) {
    gateway::v1::SpeculationStats stats;
    stats.add_sources()->set_source(static_cast<common::v1::DraftSource>(source));
    EXPECT_THAT(SourcesText(stats), HasSubstr("unnamed")) << source;
  }
}

}  // namespace
}  // namespace recycling::cli
