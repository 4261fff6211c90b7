// Channels from the gateway to its peers.
#ifndef RECYCLING_GATEWAY_GRPC_PEER_CHANNEL_H_
#define RECYCLING_GATEWAY_GRPC_PEER_CHANNEL_H_

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <string>

#include "absl/time/time.h"

namespace recycling::gateway {

// Threads: any. Calls on a channel to an address that must not be connected to fail.
using ChannelFactory = std::function<std::shared_ptr<grpc::Channel>(const std::string& address)>;

struct PeerChannelOptions {
  // Null: plaintext, which only goes beyond this machine with `allow_plaintext`: a channel there
  // fails every call with InvalidArgument otherwise.
  std::shared_ptr<grpc::ChannelCredentials> credentials;
  bool allow_plaintext = false;
  std::string key;  // API key that calls carry; empty: none
  // A peer silent for so long while a call runs is asked for a sign of life; 10 s and more, since
  // servers mind less.
  absl::Duration keepalive_time = absl::Seconds(10);
  // Without one within this time the peer's calls fail.
  absl::Duration keepalive_timeout = absl::Seconds(10);
};

// Channels that reconnect within a second and take large messages.
ChannelFactory PeerChannels(const PeerChannelOptions& options);

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_GRPC_PEER_CHANNEL_H_
