#include "gateway/stream_writer.h"

#include <string>
#include <utility>

namespace recycling::gateway {

std::shared_ptr<StreamWriter> StreamWriter::Create() {
  std::shared_ptr<StreamWriter> writer(new StreamWriter);
  MutexLock lock(writer->mutex_);
  writer->self_ = writer;
  return writer;
}

void StreamWriter::Write(const google::protobuf::MessageLite& message) {
  const grpc::Slice slice(message.SerializeAsString());
  MutexLock lock(mutex_);
  if (cancelled_) return;
  queue_.emplace_back(&slice, 1);
  Next();
}

void StreamWriter::End(const grpc::Status& status) {
  MutexLock lock(mutex_);
  end_ = status;
  Next();
}

void StreamWriter::Next() {
  if (writing_ || finished_) return;
  if (!queue_.empty()) {
    writing_ = true;
    StartWrite(&queue_.front());
  } else if (end_.has_value()) {
    finished_ = true;
    Finish(*end_);
  }
}

void StreamWriter::OnCancelCall(std::function<void()> cancel) {
  bool call_now = false;
  {
    MutexLock lock(mutex_);
    call_now = cancelled_;
    cancel_ = cancel;
  }
  if (call_now && cancel) cancel();
}

void StreamWriter::OnWriteDone(bool ok) {
  MutexLock lock(mutex_);
  writing_ = false;
  queue_.pop_front();
  if (!ok || cancelled_) queue_.clear();
  Next();
}

void StreamWriter::OnCancel() {
  std::function<void()> cancel;
  {
    MutexLock lock(mutex_);
    cancelled_ = true;
    if (!writing_) queue_.clear();
    cancel = cancel_;
  }
  if (cancel) cancel();
}

void StreamWriter::OnDone() {
  std::shared_ptr<StreamWriter> self;
  MutexLock lock(mutex_);
  self = std::move(self_);
}

}  // namespace recycling::gateway
