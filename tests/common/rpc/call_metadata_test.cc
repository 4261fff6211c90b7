#include "common/rpc/call_metadata.h"

#include <gtest/gtest.h>

#include <string>

namespace recycling {
namespace {

constexpr char kTrace[] = "0af7651916cd43dd8448eb211c80319c";
constexpr char kSent[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

TEST(OriginOfTest, ContinuesTheCallersTraceWithANewSpan) {
  const CallOrigin origin = OriginOf({{"traceparent", kSent},
                                      {"tracestate", "a=1"},
                                      {"tracestate", "b=2"},
                                      {"recycling-request-id-bin", "r 1"},
                                      {"user-agent", "x"}});
  EXPECT_EQ(origin.request_id, "r 1");
  EXPECT_EQ(origin.trace.trace_id(), kTrace);
  EXPECT_EQ(origin.trace.parent_span_id(), "b7ad6b7169203331");
  EXPECT_NE(origin.trace.span_id(), "b7ad6b7169203331");
  EXPECT_TRUE(origin.trace.sampled());
  EXPECT_EQ(origin.trace.tracestate(), "a=1,b=2");
}

TEST(OriginOfTest, BeginsANewTraceIfTheCallerSentNoValidOne) {
  const CallMetadata none;
  const CallMetadata bad = {{"traceparent", "00-nonsense"}, {"tracestate", "a=1"}};
  const CallMetadata two = {{"traceparent", kSent}, {"traceparent", kSent}, {"tracestate", "a=1"}};
  for (const CallMetadata& metadata : {none, bad, two}) {
    const CallOrigin origin = OriginOf(metadata);
    EXPECT_EQ(origin.trace.trace_id().size(), 32u);
    EXPECT_NE(origin.trace.trace_id(), kTrace);
    EXPECT_EQ(origin.trace.parent_span_id(), "");
    EXPECT_EQ(origin.trace.tracestate(), "") << "the tracestate of an invalid trace is dropped";
  }
}

TEST(OriginOfTest, CutsALongRequestId) {
  const std::string longer(200, 'x');
  EXPECT_EQ(OriginOf({{"recycling-request-id-bin", longer}}).request_id, std::string(128, 'x'));
}

}  // namespace
}  // namespace recycling
