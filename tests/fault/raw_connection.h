// Connections that speak HTTP/2 badly, or not at all.
#ifndef RECYCLING_TESTS_FAULT_RAW_CONNECTION_H_
#define RECYCLING_TESTS_FAULT_RAW_CONNECTION_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tests/fault/hostile_message.h"

namespace recycling::fault {

// A TCP connection; closed with it.
class RawConnection {
 public:
  // "127.0.0.1:port". What cannot be connected is not open.
  explicit RawConnection(const std::string& address);
  RawConnection(RawConnection&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  RawConnection& operator=(RawConnection&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~RawConnection();

  bool open() const { return fd_ >= 0; }
  // As much as the other side takes without waiting; false if it has closed.
  bool Say(const std::string& bytes) const;
  // Whether the other side has closed; what it said is thrown away.
  bool Closed() const;

 private:
  int fd_ = -1;
};

// A frame of HTTP/2 (RFC 9113, 4.1). `length` may lie.
std::string Http2Frame(std::uint8_t type, std::uint8_t flags, std::uint32_t stream,
                       const std::string& payload);
std::string Http2FrameWithLength(std::uint32_t length, std::uint8_t type, std::uint8_t flags,
                                 std::uint32_t stream, const std::string& payload);

// The client's preface and empty settings: a connection that is well and says nothing.
std::string Http2Hello();

// What a hostile client says, a few hundred bytes to about a megabyte: no HTTP/2, a wrong preface,
// TLS, random frames, lengths that lie, endless headers, streams opened and reset by the hundred,
// floods of settings and pings, data for streams that are not open.
std::string HostileBytes(Random& random);

}  // namespace recycling::fault

#endif  // RECYCLING_TESTS_FAULT_RAW_CONNECTION_H_
