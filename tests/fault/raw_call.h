// A gRPC call of any method with messages of arbitrary bytes.
#ifndef RECYCLING_TESTS_FAULT_RAW_CALL_H_
#define RECYCLING_TESTS_FAULT_RAW_CALL_H_

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "absl/time/time.h"

namespace recycling::fault {

// Each operation blocks until it is done, at most until the deadline. Use from one thread.
class RawCall {
 public:
  RawCall(const std::shared_ptr<grpc::Channel>& channel, const std::string& path,
          absl::Duration deadline);
  // Cancels the call if it has not finished.
  ~RawCall();

  RawCall(const RawCall&) = delete;
  RawCall& operator=(const RawCall&) = delete;

  // False if the call has ended.
  bool Write(const std::string& message);
  bool WritesDone();
  bool Read();
  void Cancel() { context_.TryCancel(); }
  // Reads all remaining messages, then the status.
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
