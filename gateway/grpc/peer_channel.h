// Channels from the gateway to its peers.
#ifndef RECYCLING_GATEWAY_GRPC_PEER_CHANNEL_H_
#define RECYCLING_GATEWAY_GRPC_PEER_CHANNEL_H_

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <string>

namespace recycling::gateway {

// Threads: any. Calls on a channel to an address that must not be connected to fail.
using ChannelFactory = std::function<std::shared_ptr<grpc::Channel>(const std::string& address)>;

struct PeerChannelOptions {
  // Null: plaintext, which only goes beyond this machine with `allow_plaintext`: a channel there
  // fails every call with InvalidArgument otherwise.
  std::shared_ptr<grpc::ChannelCredentials> credentials;
  bool allow_plaintext = false;
  std::string key;  // API key that calls carry; empty: none
};

// Channels that reconnect within a second and take large messages. While a call runs, a peer that
// is silent for 10 s is asked for a sign of life, and its calls fail without one within 10 s more.
ChannelFactory PeerChannels(const PeerChannelOptions& options);

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_GRPC_PEER_CHANNEL_H_
