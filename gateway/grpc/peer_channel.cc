#include "gateway/grpc/peer_channel.h"

#include "common/net/target.h"
#include "common/rpc/keyed_channel.h"

namespace recycling::gateway {
namespace {

// Our servers allow one ping every 5 s. Proxies often close connections that are idle for a minute.
constexpr int kKeepaliveMs = 10'000;

}  // namespace

ChannelFactory PeerChannels(const PeerChannelOptions& options) {
  return [options](const std::string& address) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
    arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 100);
    arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveMs);
    arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
    arguments.SetMaxReceiveMessageSize(64 << 20);
    if (options.credentials != nullptr) {
      return CreateKeyedChannel(address, options.credentials, arguments, options.key);
    }
    // If a channel has no credentials, gRPC fails every call on it.
    const bool may = options.allow_plaintext || StaysOnThisMachine(address);
    return CreateKeyedChannel(address, may ? grpc::InsecureChannelCredentials() : nullptr,
                              arguments, options.key);
  };
}

}  // namespace recycling::gateway
