// Channels from the gateway to its peers.
#ifndef RECYCLING_GATEWAY_GRPC_PEER_CHANNEL_H_
#define RECYCLING_GATEWAY_GRPC_PEER_CHANNEL_H_

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <string>

namespace recycling::gateway {

// Makes the channel to an address. If the address must not be connected to, calls on the channel
// fail. Threads: any.
using ChannelFactory = std::function<std::shared_ptr<grpc::Channel>(const std::string& address)>;

struct PeerChannelOptions {
  // Null: plaintext. Plaintext leaves this machine only with `allow_plaintext`; without it, every
  // call on a channel to another machine fails with InvalidArgument.
  std::shared_ptr<grpc::ChannelCredentials> credentials;
  bool allow_plaintext = false;
  std::string key;  // API key that calls carry; empty: none
};

// Channels that reconnect within a second and take large messages. A peer that is silent for 10 s
// while a call runs gets a ping. If it does not answer within 10 s more, its calls fail.
ChannelFactory PeerChannels(const PeerChannelOptions& options);

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_GRPC_PEER_CHANNEL_H_
