#ifndef RECYCLING_GATEWAY_GRPC_GENERATE_SINK_H_
#define RECYCLING_GATEWAY_GRPC_GENERATE_SINK_H_

#include <functional>
#include <memory>
#include <utility>

#include "gateway/front/output_sink.h"
#include "gateway/grpc/stream_writer.h"

namespace recycling::gateway {

// Sends an output to the client as the response messages of a Generate call. Threads: any.
class GenerateSink final : public OutputSink {
 public:
  explicit GenerateSink(std::shared_ptr<StreamWriter> writer) : writer_(std::move(writer)) {}

  void Start(const OutputStart& start) override;
  void Show(const OutputDelta& delta) override;
  void Finish(const OutputSummary& summary) override;
  void End(const absl::Status& status) override { writer_->End(status); }

  void OnGone(std::function<void()> gone) override { writer_->OnGone(std::move(gone)); }
  UnreadOutput Unread() const override { return writer_->Unread(); }
  bool Drop(const absl::Status& why) override { return writer_->Drop(why); }
  bool done() const override { return writer_->done(); }

 private:
  const std::shared_ptr<StreamWriter> writer_;
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_GRPC_GENERATE_SINK_H_
