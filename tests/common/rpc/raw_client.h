// A client that sends its own TCP bytes and HTTP/2 frames, to do what no gRPC client does.
#ifndef RECYCLING_TESTS_COMMON_RPC_RAW_CLIENT_H_
#define RECYCLING_TESTS_COMMON_RPC_RAW_CLIENT_H_

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>

namespace recycling {

// Types and flags of HTTP/2 frames (RFC 9113, section 6).
inline constexpr int kData = 0;
inline constexpr int kHeaders = 1;
inline constexpr int kSettings = 4;
inline constexpr int kPing = 6;
inline constexpr int kGoAway = 7;
inline constexpr char kAck = 1;
inline constexpr char kEndStream = 1;
inline constexpr char kEndHeaders = 4;

// The first bytes of an HTTP/2 client: the preface and empty settings.
inline const std::string kHello("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 33);

struct RawFrame {
  int type = 0;
  int flags = 0;
  std::uint32_t stream = 0;
  std::string payload;
};

// Every read waits at most a minute and then fails the test. Threads: only one thread may use it.
class RawClient {
 public:
  // A socket for a client, or -1 if no file descriptor is free.
  static int NewSocket() { return socket(AF_INET, SOCK_STREAM, 0); }

  explicit RawClient(const std::string& address) : RawClient(NewSocket(), address) {}

  // Connects `socket`, a result of NewSocket, and owns it.
  RawClient(int socket, const std::string& address) : fd_(socket) {
    sockaddr_in name = {};
    name.sin_family = AF_INET;
    name.sin_port = htons(
        static_cast<std::uint16_t>(std::atoi(address.substr(address.rfind(':') + 1).c_str())));
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const timeval patience = {.tv_sec = 60, .tv_usec = 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    EXPECT_EQ(connect(fd_, reinterpret_cast<const sockaddr*>(&name), sizeof(name)), 0);
  }
  ~RawClient() { close(fd_); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  // Sends all bytes. Waits until the server has accepted them.
  void Send(const std::string& bytes) {
    EXPECT_EQ(send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }

  // Waits until the server has closed the connection. Drops the bytes that arrive before.
  void WaitForEnd() {
    char bytes[4096];
    ssize_t count = 1;
    while (count > 0) count = recv(fd_, bytes, sizeof(bytes), 0);
    EXPECT_TRUE(count == 0 || errno == ECONNRESET) << "still open after a minute";
  }

  // Reads frames until one of `type` comes, and returns it.
  RawFrame WaitForFrame(int type) {
    RawFrame frame;
    do {
      const std::string head = Read(9);
      frame = {.type = head[3], .flags = head[4], .stream = Number(head.substr(5))};
      frame.payload = Read(Number(head.substr(0, 3)));
    } while (frame.type != type && !testing::Test::HasFailure());
    EXPECT_EQ(frame.type, type);
    return frame;
  }

  // Skips frames until the next ping, and answers it.
  void AnswerPing() { Send(Frame(kPing, kAck, 0, WaitForFrame(kPing).payload)); }

  // Sends the first bytes with an initial window of 0, so that the server may send no answer bytes.
  void SayHelloWithWindowZero() {
    Send(std::string(kHello, 0, 24) + Frame(kSettings, 0, 0, std::string("\0\4\0\0\0\0", 6)));
  }

  // Calls the method at `path` with one message, on a new stream. Does not read the answer.
  void Call(const std::string& path, const std::string& message) {
    const std::string headers = Header(":method", "POST") + Header(":scheme", "http") +
                                Header(":path", path) + Header(":authority", "a") +
                                Header("content-type", "application/grpc") +
                                Header("te", "trailers");
    last_stream_ += 2;
    Send(Frame(kHeaders, kEndHeaders, last_stream_, headers) +
         Frame(kData, kEndStream, last_stream_, '\0' + Big(message.size(), 4) + message));
  }

  // Returns the trailers of the next call that ends, with HPACK encoding (RFC 7541).
  std::string WaitForTrailers() {
    RawFrame frame;
    do {
      frame = WaitForFrame(kHeaders);
    } while ((frame.flags & kEndStream) == 0 && !testing::Test::HasFailure());
    return frame.payload;
  }

  // Reads the first frame of the server and returns its settings.
  std::map<int, std::uint32_t> ReadSettings() {
    const std::string head = Read(9);
    const std::string body = Read(Number(head.substr(0, 3)));
    std::map<int, std::uint32_t> settings;
    for (std::size_t i = 0; i + 6 <= body.size(); i += 6) {
      settings[static_cast<int>(Number(body.substr(i, 2)))] = Number(body.substr(i + 2, 4));
    }
    return settings;
  }

 private:
  std::string Read(std::size_t count) {
    std::string bytes(count, '\0');
    EXPECT_EQ(recv(fd_, bytes.data(), count, MSG_WAITALL), static_cast<ssize_t>(count));
    return bytes;
  }

  static std::string Big(std::size_t value, int count) {
    std::string bytes;
    for (int i = count - 1; i >= 0; --i) bytes.push_back(static_cast<char>(value >> (8 * i)));
    return bytes;
  }

  static std::string Frame(int type, int flags, std::uint32_t stream, const std::string& payload) {
    return Big(payload.size(), 3) + static_cast<char>(type) + static_cast<char>(flags) +
           Big(stream, 4) + payload;
  }

  // A header in literal form (RFC 7541, section 6.2.2). Name and value have less than 127 bytes.
  static std::string Header(const std::string& name, const std::string& value) {
    return std::string(1, '\0') + static_cast<char>(name.size()) + name +
           static_cast<char>(value.size()) + value;
  }

  static std::uint32_t Number(const std::string& bytes) {
    std::uint32_t number = 0;
    for (const char byte : bytes) number = number << 8 | static_cast<std::uint8_t>(byte);
    return number;
  }

  const int fd_;
  std::uint32_t last_stream_ = static_cast<std::uint32_t>(-1);
};

}  // namespace recycling

#endif  // RECYCLING_TESTS_COMMON_RPC_RAW_CLIENT_H_
