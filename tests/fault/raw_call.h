// A gRPC call of bytes, whatever the method.
#ifndef RECYCLING_TESTS_FAULT_RAW_CALL_H_
#define RECYCLING_TESTS_FAULT_RAW_CALL_H_

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "absl/time/time.h"

namespace recycling::fault {

// One operation at a time; each blocks until it is done, at the latest at the deadline. Threads:
// one.
class RawCall {
 public:
  RawCall(const std::shared_ptr<grpc::Channel>& channel, const std::string& path,
          absl::Duration deadline);
  // Cancels what has not finished.
  ~RawCall();

  RawCall(const RawCall&) = delete;
  RawCall& operator=(const RawCall&) = delete;

  // False once the call has ended.
  bool Write(const std::string& message);
  bool WritesDone();
  bool Read();
  void Cancel() { context_.TryCancel(); }
  // Reads what is left, then the status.
  grpc::Status Finish();

 private:
  bool Await();

  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream_;
  bool finished_ = false;
};

}  // namespace recycling::fault

#endif  // RECYCLING_TESTS_FAULT_RAW_CALL_H_
