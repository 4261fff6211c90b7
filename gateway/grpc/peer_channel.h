// Makes the channels from the gateway to its peers.
#ifndef RECYCLING_GATEWAY_GRPC_PEER_CHANNEL_H_
#define RECYCLING_GATEWAY_GRPC_PEER_CHANNEL_H_

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <string>

namespace recycling::gateway {

// Makes a channel to an address. If the options forbid a connection to the address, every call on
// the channel fails. Threads: any.
using ChannelFactory = std::function<std::shared_ptr<grpc::Channel>(const std::string& address)>;

struct PeerChannelOptions {
  // Null means plaintext. Without `allow_plaintext`, a plaintext channel to another machine is
  // forbidden: every call on it fails with InvalidArgument.
  std::shared_ptr<grpc::ChannelCredentials> credentials;
  bool allow_plaintext = false;
  std::string key;  // the API key that calls carry; empty: no key
};

// Returns a factory for channels that try to reconnect at least once a second and accept messages
// of up to 64 MiB. If a peer sends nothing for 10 s while a call runs, gRPC sends it a ping. If it
// does not answer within 10 s, its calls fail.
ChannelFactory PeerChannels(const PeerChannelOptions& options);

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_GRPC_PEER_CHANNEL_H_
