#include "common/base/trace_context.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace recycling {
namespace {

using ::testing::MatchesRegex;

constexpr char kValid[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

// A source of random bits that returns these numbers in order.
TraceContext::Random Bits(std::vector<std::uint64_t> bits) {
  return [bits = std::move(bits), next = std::size_t{0}]() mutable { return bits.at(next++); };
}

TEST(TraceContextTest, ReadsTheSendersIds) {
  const auto context = TraceContext::Parse(kValid);
  ASSERT_TRUE(context.has_value());
  EXPECT_EQ(context->trace_id(), "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(context->span_id(), "b7ad6b7169203331");
  EXPECT_EQ(context->parent_span_id(), "");
  EXPECT_TRUE(context->sampled());
  EXPECT_EQ(context->traceparent(), kValid);
}

TEST(TraceContextTest, IgnoresHeadersThatTheSpecificationCallsInvalid) {
  for (const char* invalid : {
           "",
           "00",
           "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",      // no flags
           "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1",    // short flags
           "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-",  // a fourth dash
           "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
           "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-010",
           "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0g",
           "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",  // capitals
           "00-0af7651916cd43dd8448eb211c80319c-B7AD6B7169203331-01",
           "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0A",
           "00-00000000000000000000000000000000-b7ad6b7169203331-01",  // no trace
           "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",  // no span
           "00-0af7651916cd43dd8448eb211c80319-b7ad6b71692033311-01",  // dashes elsewhere
           "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
           "00-0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331-01",
           "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331_01",
           "0g-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
           "FF-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
           "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",  // version ff is invalid
           " 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
           "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.more",  // no dash
       }) {
    EXPECT_FALSE(TraceContext::Parse(invalid).has_value()) << '"' << invalid << '"';
  }
}

TEST(TraceContextTest, ReadsTheKnownPartOfALaterVersionAndSendsVersion00) {
  for (const char* later : {"cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                            "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-more",
                            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-"}) {
    const auto context = TraceContext::Parse(later);
    ASSERT_TRUE(context.has_value()) << later;
    EXPECT_EQ(context->traceparent(), kValid);
  }
}

TEST(TraceContextTest, ForwardsOnlyTheFlagThatItKnows) {
  const auto sampled =
      TraceContext::Parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-ff");
  ASSERT_TRUE(sampled.has_value());
  EXPECT_EQ(sampled->traceparent(), kValid);
  const auto other = TraceContext::Parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-fe");
  ASSERT_TRUE(other.has_value());
  EXPECT_FALSE(other->sampled());
}

TEST(TraceContextTest, AChildHasANewSpanInTheSameTrace) {
  const TraceContext child = TraceContext::Parse(kValid)->Child(Bits({0, 0x1234}));
  EXPECT_EQ(child.trace_id(), "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(child.span_id(), "0000000000001234");
  EXPECT_EQ(child.parent_span_id(), "b7ad6b7169203331");
  EXPECT_EQ(child.traceparent(), "00-0af7651916cd43dd8448eb211c80319c-0000000000001234-01");
}

TEST(TraceContextTest, ANewTraceHasNoParentAndNoZeroId) {
  const TraceContext first = TraceContext::Begin(Bits({0, 0, 0xab, 0, 0xcd}));
  EXPECT_EQ(first.traceparent(), "00-000000000000000000000000000000ab-00000000000000cd-00");
  EXPECT_EQ(first.parent_span_id(), "");
}

TEST(TraceContextTest, RandomIdsAreValidAndDiffer) {
  const TraceContext one = TraceContext::Begin();
  const TraceContext other = TraceContext::Begin();
  EXPECT_THAT(one.traceparent(), MatchesRegex("00-[0-9a-f]{32}-[0-9a-f]{16}-00"));
  EXPECT_NE(one.trace_id(), other.trace_id());
  EXPECT_NE(one.span_id(), one.Child().span_id());
}

TEST(TraceContextTest, ForwardsATracestateThatCanBeSent) {
  TraceContext context = *TraceContext::Parse(kValid);
  context.set_tracestate("vendor=1,other=2");
  EXPECT_EQ(context.Child().tracestate(), "vendor=1,other=2");
  context.set_tracestate(std::string(512, 'a'));
  EXPECT_EQ(context.tracestate().size(), 512u);
  for (const std::string& bad : {std::string(513, 'a'), std::string("a=\n"), std::string("a=\xff"),
                                 std::string("a=\0b", 4), std::string("\x7f")}) {
    context.set_tracestate("a=1");
    context.set_tracestate(bad);
    EXPECT_EQ(context.tracestate(), "");
  }
}

TEST(TraceContextTest, WithoutATraceTheHeaderIsEmpty) {
  EXPECT_EQ(TraceContext().traceparent(), "");
  EXPECT_EQ(TraceContext().trace_id(), "");
}

}  // namespace
}  // namespace recycling
