#include "gateway/http/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "absl/strings/numbers.h"
#include "common/base/mutex.h"
#include "tests/doubles/matchers.h"

namespace recycling::gateway {
namespace {

using doubles::IsOk;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// A server that hands each request and its reply to the test.
class HttpServerTest : public ::testing::Test {
 protected:
  HttpServerTest() {
    HttpHandlers handlers;
    handlers.check = [](const HttpRequest& head) -> std::optional<HttpAnswer> {
      if (head.path == "/no") return HttpAnswer{.status = 403, .headers = {}, .body = "no"};
      return std::nullopt;
    };
    handlers.handle = [this](HttpRequest request, std::shared_ptr<HttpReply> reply) {
      MutexLock lock(mutex_);
      request_ = std::move(request);
      reply_ = std::move(reply);
      changed_.NotifyAll();
    };
    handlers.refuse = [](int status, const std::string& message) {
      return HttpAnswer{.status = status, .headers = {}, .body = message};
    };
    auto server = HttpServer::Start({.listen = {"127.0.0.1:0"}, .max_body_bytes = 100},
                                    std::move(handlers), RealClock());
    EXPECT_THAT(server, IsOk());
    server_ = *std::move(server);
  }

  // A connection that has sent `bytes`.
  int Connect(const std::string& bytes) {
    const std::string& address = server_->addresses()[0];
    std::uint32_t port = 0;
    EXPECT_TRUE(absl::SimpleAtoi(address.substr(address.rfind(':') + 1), &port));
    const int connection = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in to = {};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<std::uint16_t>(port));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(connection, reinterpret_cast<sockaddr*>(&to), sizeof(to)), 0);
    EXPECT_EQ(send(connection, bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
    return connection;
  }

  std::shared_ptr<HttpReply> AwaitReply() {
    MutexLock lock(mutex_);
    while (reply_ == nullptr) changed_.Wait(mutex_);
    return std::exchange(reply_, nullptr);
  }
  HttpRequest LastRequest() {
    MutexLock lock(mutex_);
    return request_;
  }

  // What comes until the server closes the connection.
  static std::string ReadAll(int connection) {
    std::string all;
    char buffer[4096];
    for (ssize_t got = 0; (got = recv(connection, buffer, sizeof(buffer), 0)) > 0;) {
      all.append(buffer, static_cast<std::size_t>(got));
    }
    close(connection);
    return all;
  }

  Mutex mutex_;
  CondVar changed_;
  HttpRequest request_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<HttpReply> reply_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<HttpServer> server_;
};

constexpr char kGet[] = "GET /a?b=c HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";

// Waits until `gone` of a reply is called.
class Gone {
 public:
  explicit Gone(HttpReply& reply) {
    reply.OnGone([this] {
      MutexLock lock(mutex_);
      called_ = true;
      changed_.NotifyAll();
    });
  }
  void Await() {
    MutexLock lock(mutex_);
    while (!called_) changed_.Wait(mutex_);
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  bool called_ ABSL_GUARDED_BY(mutex_) = false;
};

TEST_F(HttpServerTest, SendsAWholeAnswer) {
  const int connection = Connect(kGet);
  const auto reply = AwaitReply();
  EXPECT_EQ(LastRequest().path, "/a");
  EXPECT_EQ(LastRequest().host, "h");
  reply->Send({.status = 404, .headers = {{"X-Mine", "1"}}, .body = "gone"});
  const std::string answer = ReadAll(connection);
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 404 Not Found\r\n"));
  EXPECT_THAT(answer, HasSubstr("X-Mine: 1\r\n"));
  EXPECT_THAT(answer, HasSubstr("Content-Length: 4\r\n\r\ngone"));
  EXPECT_TRUE(reply->done());
  EXPECT_FALSE(reply->Drop());
}

TEST_F(HttpServerTest, StreamsInChunksAndToOldClientsAsItIs) {
  const int connection = Connect(kGet);
  const auto reply = AwaitReply();
  reply->StartStream({.content_type = "text/event-stream", .headers = {}, .body = ""});
  reply->Write("0123456789abcdef");
  reply->Write("");
  reply->End();
  EXPECT_THAT(ReadAll(connection),
              HasSubstr("Transfer-Encoding: chunked\r\n\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n"));
  const int old = Connect("GET / HTTP/1.0\r\n\r\n");
  const auto old_reply = AwaitReply();
  old_reply->StartStream({.headers = {}, .body = ""});
  old_reply->Write("text");
  old_reply->End();
  EXPECT_THAT(ReadAll(old), ::testing::EndsWith("\r\n\r\ntext"));
}

TEST_F(HttpServerTest, RefusesBeforeTheBodyIsRead) {
  EXPECT_THAT(ReadAll(Connect("POST /no HTTP/1.1\r\nHost: h\r\nContent-Length: 50\r\n\r\n")),
              StartsWith("HTTP/1.1 403 Forbidden\r\n"));
  EXPECT_THAT(ReadAll(Connect("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 101\r\n\r\n")),
              StartsWith("HTTP/1.1 413 "));
  EXPECT_THAT(ReadAll(Connect("nonsense\r\n\r\n")), StartsWith("HTTP/1.1 400 "));
}

TEST_F(HttpServerTest, RefusesBodiesWhoseLengthIsInDoubt) {
  for (const char* fields :
       {"Transfer-Encoding: xchunked\r\nContent-Length: 2\r\n", "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n",
        "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", "Host: other\r\n"}) {
    EXPECT_THAT(ReadAll(Connect(std::string("POST / HTTP/1.1\r\nHost: h\r\n") + fields + "\r\n{}")),
                StartsWith("HTTP/1.1 400 "))
        << fields;
  }
}

TEST_F(HttpServerTest, BoundsChunkExtensionsAndTrailers) {
  const std::string head = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string many(200'000, 'x');
  EXPECT_THAT(ReadAll(Connect(head + "2;a=" + many)), StartsWith("HTTP/1.1 4"));
  EXPECT_THAT(ReadAll(Connect(head + "2\r\n{}\r\n0\r\nA: " + many)), StartsWith("HTTP/1.1 4"));
}

TEST_F(HttpServerTest, AnswersToHeadHaveNoBodyAndNoContentHasNoLength) {
  const int head = Connect("HEAD /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  AwaitReply()->Send({.headers = {}, .body = "text"});
  EXPECT_THAT(ReadAll(head), ::testing::EndsWith("Content-Length: 4\r\n\r\n"));
  const int none = Connect(kGet);
  AwaitReply()->Send({.status = 204, .headers = {}, .body = ""});
  EXPECT_EQ(ReadAll(none), "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
}

TEST_F(HttpServerTest, TellsWhenTheClientIsGone) {
  const int connection = Connect("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  const auto reply = AwaitReply();
  Gone gone(*reply);
  close(connection);
  gone.Await();
  EXPECT_TRUE(reply->done());
  reply->Send({.headers = {}, .body = "too late"});
}

TEST_F(HttpServerTest, ADroppedClientIsGone) {
  const int connection = Connect("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  const auto reply = AwaitReply();
  reply->StartStream({.headers = {}, .body = ""});
  Gone gone(*reply);
  EXPECT_TRUE(reply->Drop());
  EXPECT_FALSE(reply->Drop());
  gone.Await();
  ReadAll(connection);
}

TEST_F(HttpServerTest, RepliesOutliveTheServer) {
  const int connection = Connect("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  const auto reply = AwaitReply();
  server_ = nullptr;
  EXPECT_TRUE(reply->done());
  reply->Send({.headers = {}, .body = "x"});
  EXPECT_FALSE(reply->Drop());
  EXPECT_EQ(ReadAll(connection), "");
}

}  // namespace
}  // namespace recycling::gateway
