// A TCP proxy whose network can be made to fail: it stands between two programs and, when told,
// goes silent, slows down, cuts connections or ends one direction of them.
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

// Threads: all methods may be called from any thread; what is asked for is in force when they
// return.
class FaultProxy {
 public:
  // Listens on a free port of 127.0.0.1. Unavailable if there is none.
  static absl::StatusOr<std::unique_ptr<FaultProxy>> Start();

  // Cuts every connection.
  ~FaultProxy();

  FaultProxy(const FaultProxy&) = delete;
  FaultProxy& operator=(const FaultProxy&) = delete;

  // Where clients connect, "127.0.0.1:port".
  const std::string& address() const { return address_; }

  // Where new connections lead from now on, "127.0.0.1:port". Before the first call they are cut.
  void SetTarget(const std::string& address);

  // Forward: as a network should. Silent: takes connections but moves no byte, loses none. Refuse:
  // cuts every connection at once, those that come too.
  enum class Mode { kForward, kSilent, kRefuse };
  void SetMode(Mode mode);

  // Every byte that arrives from now on leaves so much later; order is kept.
  void SetDelay(absl::Duration delay);

  // Cuts every connection with a reset on both sides.
  void ResetAll();

  // Tells the target of every connection that its client sends no more; what the target says still
  // reaches the client.
  void HalfCloseAll();

  // Connections that are open now.
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
    bool ended = false;    // nothing more is read
    bool told = false;     // `to` knows
  };

  struct Link {
    Flow up;    // client to target
    Flow down;  // target to client
    bool broken = false;
  };

  FaultProxy() = default;

  void Run();
  void Do(std::function<void()> command);  // on the proxy's thread; waits for it
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

  // Of the proxy's thread.
  int target_port_ = 0;
  Mode mode_ = Mode::kForward;
  std::chrono::nanoseconds delay_{0};
  std::list<Link> links_;
  bool stop_ = false;

  mutable Mutex mutex_;
  std::vector<std::function<void()>> commands_ ABSL_GUARDED_BY(mutex_);
  CondVar obeyed_;
  std::uint64_t given_ ABSL_GUARDED_BY(mutex_) = 0;  // commands
  std::uint64_t done_ ABSL_GUARDED_BY(mutex_) = 0;
  int open_ ABSL_GUARDED_BY(mutex_) = 0;
  std::thread thread_;
};

}  // namespace recycling::fault

#endif  // RECYCLING_TESTS_FAULT_FAULT_PROXY_H_
