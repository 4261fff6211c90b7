// Connections with broken HTTP/2, or with other bytes.
#ifndef RECYCLING_TESTS_FAULT_RAW_CONNECTION_H_
#define RECYCLING_TESTS_FAULT_RAW_CONNECTION_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tests/fault/hostile_message.h"

namespace recycling::fault {

// A TCP connection. The destructor closes it.
class RawConnection {
 public:
  // Connects to "127.0.0.1:port". If that fails, open() is false.
  explicit RawConnection(const std::string& address);
  RawConnection(RawConnection&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  RawConnection& operator=(RawConnection&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~RawConnection();

  bool open() const { return fd_ >= 0; }
  // Sends as many of the bytes as it can without blocking. False if the connection is closed.
  bool Say(const std::string& bytes) const;
  // Whether the other side has closed the connection. Discards all received bytes.
  bool Closed() const;

 private:
  int fd_ = -1;
};

// A frame of HTTP/2 (RFC 9113, 4.1). `length` may differ from the size of the payload.
std::string Http2Frame(std::uint8_t type, std::uint8_t flags, std::uint32_t stream,
                       const std::string& payload);
std::string Http2FrameWithLength(std::uint32_t length, std::uint8_t type, std::uint8_t flags,
                                 std::uint32_t stream, const std::string& payload);

// The preface of a client and empty settings, the beginning of a valid connection.
std::string Http2Hello();

// Bytes of a hostile client, up to about a megabyte: random bytes, HTTP/1.1, a wrong preface, TLS,
// random frames, wrong frame lengths, endless headers, hundreds of streams that it opens and
// resets, many settings and pings, or data for streams that are not open.
std::string HostileBytes(Random& random);

}  // namespace recycling::fault

#endif  // RECYCLING_TESTS_FAULT_RAW_CONNECTION_H_
