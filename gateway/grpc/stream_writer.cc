#include "gateway/grpc/stream_writer.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/retry_delay.h"
#include "common/rpc/cancel_call.h"
#include "common/rpc/status_grpc.h"

namespace recycling::gateway {

std::shared_ptr<StreamWriter> StreamWriter::Create(grpc::CallbackServerContext* context,
                                                   const Clock& clock) {
  std::shared_ptr<StreamWriter> writer(new StreamWriter(context, clock));
  MutexLock lock(writer->mutex_);
  writer->self_ = writer;
  return writer;
}

void StreamWriter::Write(const google::protobuf::MessageLite& message) {
  const grpc::Slice slice(message.SerializeAsString());
  MutexLock lock(mutex_);
  if (cancelled_) return;
  bytes_ += slice.size();
  queue_.emplace_back(&slice, 1);
  Next();
}

void StreamWriter::End(const absl::Status& status) {
  MutexLock lock(mutex_);
  end_ = status;
  ended_at_ = clock_.Monotonic();
  Next();
}

void StreamWriter::Next() {
  if (writing_ || dropping_ || finished_) return;
  if (!queue_.empty()) {
    writing_ = true;
    since_ = clock_.Monotonic();
    StartWrite(&queue_.front());
  } else if (end_.has_value()) {
    finished_ = true;
    if (const auto delay = RetryDelay(*end_); delay.has_value()) {
      context_->AddTrailingMetadata("grpc-retry-pushback-ms",
                                    absl::StrCat(absl::ToInt64Milliseconds(*delay)));
    }
    Finish(ToGrpcStatus(*end_));
  }
}

void StreamWriter::OnGone(std::function<void()> gone) {
  bool is_gone = false;
  {
    MutexLock lock(mutex_);
    is_gone = cancelled_;
    gone_ = gone;
  }
  if (is_gone && gone) gone();
}

bool StreamWriter::Drop(const absl::Status& why) {
  {
    MutexLock lock(mutex_);
    if (dropped_ || finished_) return false;
    dropping_ = dropped_ = true;
  }
  // Do not hold mutex_ here: this may call OnCancel, which locks it.
  CancelCall(context_->c_call(), why);
  MutexLock lock(mutex_);
  dropping_ = false;
  Next();
  return true;
}

UnreadOutput StreamWriter::Unread() const {
  MutexLock lock(mutex_);
  return {.bytes = bytes_,
          .since = since_,
          .ended = end_.has_value(),
          .end = ended_at_,
          .connection = connection_};
}

bool StreamWriter::done() const {
  MutexLock lock(mutex_);
  return self_ == nullptr;
}

void StreamWriter::OnWriteDone(bool ok) {
  MutexLock lock(mutex_);
  writing_ = false;
  Pop();
  if (!ok || cancelled_) Clear();
  Next();
}

void StreamWriter::OnCancel() {
  std::function<void()> gone;
  {
    MutexLock lock(mutex_);
    cancelled_ = true;
    if (!writing_) Clear();
    gone = gone_;
  }
  if (gone) gone();
}

void StreamWriter::OnDone() {
  std::shared_ptr<StreamWriter> self;
  MutexLock lock(mutex_);
  self = std::move(self_);
}

void StreamWriter::Pop() {
  bytes_ -= queue_.front().Length();
  queue_.pop_front();
}

void StreamWriter::Clear() {
  queue_.clear();
  bytes_ = 0;
}

}  // namespace recycling::gateway
