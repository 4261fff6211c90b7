// A hostile client of live services.
#ifndef RECYCLING_TESTS_FAULT_ATTACKER_H_
#define RECYCLING_TESTS_FAULT_ATTACKER_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/fault/fleet.h"
#include "tests/fault/hostile_message.h"
#include "tests/fault/raw_connection.h"

namespace recycling::fault {

// A service to attack.
struct Victim {
  std::string name;
  std::string address;
  std::vector<Method> methods;
};

// Makes one attack at a time. Each ends within seconds. The seed decides the attacks. Use from one
// thread.
class Attacker {
 public:
  // `victims` must outlive it. No message is much larger than `most_bytes`.
  Attacker(const std::vector<Victim>& victims, std::uint64_t seed, std::size_t most_bytes);

  void Attack();

  // The number of attacks by kind and result, for example "Generate INVALID_ARGUMENT".
  const std::map<std::string, std::uint64_t>& counts() const { return counts_; }

 private:
  void CallMethod(std::size_t victim);
  void SpeakBadly(std::size_t victim);
  void Crowd(std::size_t victim);

  const std::vector<Victim>& victims_;
  const std::size_t most_bytes_;
  Random random_;
  std::vector<std::shared_ptr<grpc::Channel>> channels_;  // [victims]
  std::vector<RawConnection> held_;                       // open after hostile bytes
  std::map<std::string, std::uint64_t> counts_;
};

// Idle connections. Half of them have sent the HTTP/2 preface, the others nothing. Tend() opens
// those again that the services have closed.
class IdleCrowd {
 public:
  IdleCrowd(const std::vector<Victim>& victims, int count);
  void Tend();
  int open() const;
  std::uint64_t closed() const { return closed_; }  // connections that Tend() found closed

 private:
  void Open(std::size_t at);

  const std::vector<Victim>& victims_;
  std::vector<RawConnection> connections_;
  std::uint64_t closed_ = 0;
};

}  // namespace recycling::fault

#endif  // RECYCLING_TESTS_FAULT_ATTACKER_H_
