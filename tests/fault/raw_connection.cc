#include "tests/fault/raw_connection.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <iterator>

#include "absl/strings/numbers.h"

namespace recycling::fault {
namespace {

enum Frame : std::uint8_t {
  kData = 0,
  kHeaders = 1,
  kResetStream = 3,
  kSettings = 4,
  kPing = 6,
  kWindowUpdate = 8,
  kContinuation = 9,
};
constexpr std::uint8_t kEndStream = 1;
constexpr std::uint8_t kEndHeaders = 4;

void Append(std::string* bytes, std::uint32_t value, int count) {
  for (int shift = 8 * (count - 1); shift >= 0; shift -= 8) {
    bytes->push_back(static_cast<char>(value >> shift));
  }
}

// Encodes a header without indexing and without Huffman coding (RFC 7541, 6.2.2).
std::string Header(const std::string& name, const std::string& value) {
  std::string bytes(1, '\0');
  for (const std::string& text : {name, value}) {
    if (text.size() < 127) {
      bytes.push_back(static_cast<char>(text.size()));
    } else {
      std::size_t rest = text.size() - 127;
      bytes.push_back(127);
      for (; rest >= 128; rest >>= 7) bytes.push_back(static_cast<char>(128 | (rest & 127)));
      bytes.push_back(static_cast<char>(rest));
    }
    bytes += text;
  }
  return bytes;
}

std::string CallHeaders(const std::string& path) {
  return Header(":method", "POST") + Header(":scheme", "http") + Header(":path", path) +
         Header(":authority", "a") + Header("content-type", "application/grpc") +
         Header("te", "trailers");
}

std::string AnyPath(Random& random) {
  const char* const kPaths[] = {"/recycling.gateway.v1.GatewayService/Generate",
                                "/recycling.verifier.v1.VerifierService/Decode",
                                "/recycling.drafter.v1.DrafterService/Draft",
                                "/grpc.health.v1.Health/Watch",
                                "/",
                                "",
                                "/nobody/nothing",
                                "*"};
  return kPaths[random() % std::size(kPaths)];
}

std::string OpenAndReset(Random& random) {
  std::string bytes = Http2Hello();
  const std::string path = AnyPath(random);
  for (std::uint32_t stream = 1; stream < 600; stream += 2) {
    bytes += Http2Frame(kHeaders, kEndHeaders, stream, CallHeaders(path));
    bytes += Http2Frame(kResetStream, 0, stream, std::string("\0\0\0\x08", 4));
  }
  return bytes;
}

std::string EndlessHeaders(Random& random) {
  std::string bytes = Http2Hello() + Http2Frame(kHeaders, 0, 1, CallHeaders(AnyPath(random)));
  for (int i = 0; i < 60; ++i) {
    bytes += Http2Frame(kContinuation, 0, 1, Header("x", std::string(16000, 'y')));
  }
  return bytes;
}

std::string HeldCall(Random& random) {
  return Http2Hello() + Http2Frame(kHeaders, kEndHeaders, 1, CallHeaders(AnyPath(random))) +
         Http2Frame(kData, random() % 2 == 0 ? kEndStream : 0, 1, RandomBytes(random, 40));
}

// A gRPC message whose length prefix is random, usually much larger than the message.
std::string LyingMessage(Random& random) {
  std::string message(1, '\0');
  Append(&message, static_cast<std::uint32_t>(random()), 4);
  return Http2Hello() + Http2Frame(kHeaders, kEndHeaders, 1, CallHeaders(AnyPath(random))) +
         Http2Frame(kData, 0, 1, message + RandomBytes(random, 5000));
}

std::string Flood(Random& random) {
  std::string bytes = Http2Hello();
  const std::uint64_t what = random() % 4;
  for (int i = 0; i < 2000; ++i) {
    if (what == 0) bytes += Http2Frame(kSettings, 0, 0, "");
    if (what == 1) bytes += Http2Frame(kPing, 0, 0, "12345678");
    if (what == 2) bytes += Http2Frame(kWindowUpdate, 0, 0, std::string("\0\0\0\x01", 4));
    if (what == 3) bytes += Http2Frame(kData, 0, 7, "");
  }
  return bytes;
}

std::string RandomFrames(Random& random) {
  std::string bytes = Http2Hello();
  for (std::uint64_t frames = random() % 30; frames > 0; --frames) {
    const auto type = static_cast<std::uint8_t>(random() % 12);
    const auto flags = static_cast<std::uint8_t>(random());
    const auto stream = static_cast<std::uint32_t>(random() % 6);
    const std::string payload = RandomBytes(random, 100);
    const auto length = static_cast<std::uint32_t>(random() % 8 == 0 ? random() : payload.size());
    bytes += Http2FrameWithLength(length, type, flags, stream, payload);
  }
  return bytes;
}

}  // namespace

RawConnection::RawConnection(const std::string& address) {
  int port = 0;
  if (!absl::SimpleAtoi(address.substr(address.rfind(':') + 1), &port)) return;
  fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in name = {};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  name.sin_port = htons(static_cast<std::uint16_t>(port));
  if (fd_ >= 0 && connect(fd_, reinterpret_cast<const sockaddr*>(&name), sizeof(name)) != 0) {
    close(std::exchange(fd_, -1));
  }
}

RawConnection::~RawConnection() {
  if (fd_ >= 0) close(fd_);
}

bool RawConnection::Say(const std::string& bytes) const {
  return send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT) >= 0 || errno == EAGAIN;
}

bool RawConnection::Closed() const {
  char heard[4096];
  while (true) {
    const ssize_t size = recv(fd_, heard, sizeof(heard), MSG_DONTWAIT);
    if (size > 0) continue;
    return size == 0 || (errno != EAGAIN && errno != EINTR);
  }
}

std::string Http2FrameWithLength(std::uint32_t length, std::uint8_t type, std::uint8_t flags,
                                 std::uint32_t stream, const std::string& payload) {
  std::string bytes;
  Append(&bytes, length, 3);
  bytes.push_back(static_cast<char>(type));
  bytes.push_back(static_cast<char>(flags));
  Append(&bytes, stream, 4);
  return bytes + payload;
}

std::string Http2Frame(std::uint8_t type, std::uint8_t flags, std::uint32_t stream,
                       const std::string& payload) {
  return Http2FrameWithLength(static_cast<std::uint32_t>(payload.size()), type, flags, stream,
                              payload);
}

std::string Http2Hello() {
  return "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + Http2Frame(kSettings, 0, 0, "");
}

std::string HostileBytes(Random& random) {
  switch (random() % 11) {
    case 0:
      return RandomBytes(random, 3000);
    case 1:
      return "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    case 2:
      return SpoilBytes(Http2Hello(), random);
    case 3:  // the beginning of a TLS ClientHello
      return std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11) +
             RandomBytes(random, 500);
    case 4:
      return OpenAndReset(random);
    case 5:
      return EndlessHeaders(random);
    case 6:
      return HeldCall(random);
    case 7:
      return LyingMessage(random);
    case 8:
      return Flood(random);
    case 9:
      return SpoilBytes(HeldCall(random), random);
    default:
      return RandomFrames(random);
  }
}

}  // namespace recycling::fault
