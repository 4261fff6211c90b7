// Opens many Draft streams at one drafter.
#ifndef RECYCLING_TESTS_INTEGRATION_DRAFT_STREAMS_H_
#define RECYCLING_TESTS_INTEGRATION_DRAFT_STREAMS_H_

#include <grpcpp/grpcpp.h>

#include <deque>
#include <memory>
#include <vector>

#include "recycling/drafter/v1/drafter.grpc.pb.h"

namespace recycling::integration {

// Opens `count` streams and asks for a tree on each. Returns how many gave a tree while all streams
// were open.
inline int StreamsAnsweredAtOnce(drafter::v1::DrafterService::Stub& stub,
                                 const drafter::v1::OpenSession& session, int count) {
  namespace pb = drafter::v1;
  std::deque<grpc::ClientContext> contexts;
  std::vector<std::unique_ptr<grpc::ClientReaderWriter<pb::DraftRequest, pb::DraftResponse>>>
      streams;
  for (int i = 0; i < count; ++i) {
    contexts.emplace_back();
    streams.push_back(stub.Draft(&contexts.back()));
    pb::DraftRequest open;
    *open.mutable_open() = session;
    streams.back()->Write(open);
    pb::DraftRequest ask;
    ask.mutable_step()->mutable_proposal()->set_base(1);
    ask.mutable_step()->mutable_proposal()->set_root(1);
    streams.back()->Write(ask);
  }
  int answered = 0;
  for (const auto& stream : streams) {
    pb::DraftResponse response;
    if (stream->Read(&response) && response.has_tree()) ++answered;
  }
  for (const auto& stream : streams) {
    stream->WritesDone();
    pb::DraftResponse response;
    while (stream->Read(&response)) {
    }
    stream->Finish();
  }
  return answered;
}

}  // namespace recycling::integration

#endif  // RECYCLING_TESTS_INTEGRATION_DRAFT_STREAMS_H_
