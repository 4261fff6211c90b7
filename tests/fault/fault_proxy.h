// A TCP proxy between two programs. On command it stops forwarding, delays bytes, resets
// connections or ends one direction of them.
#ifndef RECYCLING_TESTS_FAULT_FAULT_PROXY_H_
#define RECYCLING_TESTS_FAULT_FAULT_PROXY_H_

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/mutex.h"

namespace recycling::fault {

// Thread-safe. When a method returns, its effect is in force.
class FaultProxy {
 public:
  // Listens on a free port of 127.0.0.1. Unavailable if there is none.
  static absl::StatusOr<std::unique_ptr<FaultProxy>> Start();

  // Resets every connection.
  ~FaultProxy();

  FaultProxy(const FaultProxy&) = delete;
  FaultProxy& operator=(const FaultProxy&) = delete;

  // The address to which clients connect, "127.0.0.1:port".
  const std::string& address() const { return address_; }

  // Sets the address to which the proxy forwards new connections, "127.0.0.1:port". Before the
  // first call it resets them.
  void SetTarget(const std::string& address);

  // kForward: forwards all bytes. kSilent: keeps connections open but forwards no bytes, loses
  // none, and accepts no new connections. kRefuse: resets all connections, and new ones as they
  // come.
  enum class Mode { kForward, kSilent, kRefuse };
  void SetMode(Mode mode);

  // From now on, forwards each byte `delay` after it arrives, in the same order.
  void SetDelay(absl::Duration delay);

  // Resets every connection on both sides.
  void ResetAll();

  // Ends the direction from client to target of every connection. The other direction stays open.
  void HalfCloseAll();

  // The number of open connections.
  int connections() const;

 private:
  using Time = std::chrono::steady_clock::time_point;

  struct Chunk {
    Time leaves;
    std::string bytes;
  };

  // One direction of a connection.
  struct Flow {
    int from = -1;
    int to = -1;
    std::deque<Chunk> chunks;
    std::size_t held = 0;  // bytes in chunks
    bool ended = false;    // no more bytes come from `from`
    bool told = false;     // `to` knows that `from` has ended
  };

  struct Link {
    Flow up;    // client to target
    Flow down;  // target to client
    bool broken = false;
  };

  FaultProxy() = default;

  void Run();
  // Runs `command` on the proxy's thread and waits for its end.
  void Do(std::function<void()> command);
  void Obey();
  void Accept();
  bool Wants(const Flow& flow) const { return !flow.ended && flow.held < kMostHeld; }
  void Read(Flow& flow, Link& link);
  void Write(Flow& flow, Link& link);
  void CutBroken();
  static void Cut(Link& link);
  int MillisecondsToNextChunk(Time now) const;

  static constexpr std::size_t kMostHeld = 1 << 18;

  // Constant after Start.
  int listener_ = -1;
  int wake_ = -1;  // an eventfd
  std::string address_;

  // Used only by the proxy's thread.
  int target_port_ = 0;
  Mode mode_ = Mode::kForward;
  std::chrono::nanoseconds delay_{0};
  std::list<Link> links_;
  bool stop_ = false;

  mutable Mutex mutex_;
  std::vector<std::function<void()>> commands_ ABSL_GUARDED_BY(mutex_);
  CondVar obeyed_;
  std::uint64_t given_ ABSL_GUARDED_BY(mutex_) = 0;  // number of commands
  std::uint64_t done_ ABSL_GUARDED_BY(mutex_) = 0;
  int open_ ABSL_GUARDED_BY(mutex_) = 0;
  std::thread thread_;
};

}  // namespace recycling::fault

#endif  // RECYCLING_TESTS_FAULT_FAULT_PROXY_H_
