#include "tests/fault/raw_call.h"

#include <chrono>

namespace recycling::fault {

RawCall::RawCall(const std::shared_ptr<grpc::Channel>& channel, const std::string& path,
                 absl::Duration deadline) {
  context_.set_deadline(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(deadline));
  grpc::GenericStub stub(channel);
  stream_ = stub.PrepareCall(&context_, path, &queue_);
  stream_->StartCall(nullptr);
  Await();
}

RawCall::~RawCall() {
  if (!finished_) {
    Cancel();
    Finish();
  }
  queue_.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {
  }
}

bool RawCall::Await() {
  void* tag = nullptr;
  bool ok = false;
  return queue_.Next(&tag, &ok) && ok;
}

bool RawCall::Write(const std::string& message) {
  const grpc::Slice slice(message);
  stream_->Write(grpc::ByteBuffer(&slice, 1), nullptr);
  return Await();
}

bool RawCall::WritesDone() {
  stream_->WritesDone(nullptr);
  return Await();
}

bool RawCall::Read() {
  grpc::ByteBuffer message;
  stream_->Read(&message, nullptr);
  return Await();
}

grpc::Status RawCall::Finish() {
  while (Read()) {
  }
  grpc::Status status;
  stream_->Finish(&status, nullptr);
  Await();
  finished_ = true;
  return status;
}

}  // namespace recycling::fault
