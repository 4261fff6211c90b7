// Channels whose calls carry an API key.
#ifndef RECYCLING_COMMON_RPC_KEYED_CHANNEL_H_
#define RECYCLING_COMMON_RPC_KEYED_CHANNEL_H_

#include <grpcpp/grpcpp.h>
#include <grpcpp/support/client_interceptor.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace recycling {

// Like grpc::CreateCustomChannel, but every call carries `authorization: Bearer KEY`, unless `key`
// is empty. The key is sent over plaintext channels too, so the caller must first check that this
// is allowed.
std::shared_ptr<grpc::Channel> CreateKeyedChannel(
    const std::string& address, const std::shared_ptr<grpc::ChannelCredentials>& credentials,
    const grpc::ChannelArguments& arguments, const std::string& key);

// The interceptors that add `key` to a channel's calls; none if it is empty.
std::vector<std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface>> KeyInterceptors(
    const std::string& key);

// Reads a key from the file at `path`. The key is the only line of the file. InvalidArgument that
// names `what` and the path, but not the content, if the file cannot be read or holds no key.
absl::StatusOr<std::string> ReadKeyFile(const std::string& what, const std::string& path);

// OK if metadata can carry `key`: 1 to 512 bytes of printable ASCII without spaces.
absl::Status CheckKey(const std::string& what, const std::string& key);

}  // namespace recycling

#endif  // RECYCLING_COMMON_RPC_KEYED_CHANNEL_H_
