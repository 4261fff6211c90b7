#include "gateway/http/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <new>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/base/mutex.h"
#include "tests/doubles/certificates.h"
#include "tests/doubles/matchers.h"
#include "tests/doubles/process.h"

namespace recycling::gateway {
namespace {

using doubles::IsOk;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// A server that hands each request and its reply to the test.
class HttpServerTest : public ::testing::Test {
 protected:
  HttpServerTest() { Serve({.listen = {"127.0.0.1:0"}, .max_body_bytes = 100}); }

  // Replaces the server.
  void Serve(HttpServerOptions options) {
    HttpHandlers handlers;
    handlers.check = [](const HttpRequest& head) -> std::optional<HttpAnswer> {
      if (head.path == "/throw") throw std::bad_alloc();
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
    auto server = HttpServer::Start(std::move(options), std::move(handlers), RealClock());
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

TEST_F(HttpServerTest, RefusesTheLargestOfTooManyArrivingBodies) {
  Serve({.listen = {"127.0.0.1:0"}, .max_body_bytes = 100, .max_all_bodies_bytes = 150});
  const std::string head = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n";
  const int small = Connect(head + std::string(70, 'x'));
  const int large = Connect(head + std::string(95, 'x'));
  const std::string refusal = ReadAll(large);
  EXPECT_THAT(refusal, StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(refusal, HasSubstr("Retry-After: 1\r\n"));
  // The refused body counts no more.
  const int second = Connect(head + std::string(75, 'x'));
  ASSERT_EQ(send(small, std::string(30, 'x').data(), 30, 0), 30);
  AwaitReply()->Send({.headers = {}, .body = "complete"});
  close(second);
  close(small);
}

TEST_F(HttpServerTest, AtTheLimitTheConnectionThatWaitsLongestMakesRoom) {
  Serve({.listen = {"127.0.0.1:0"}, .max_connections = 2});
  const int answered = Connect("GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
  const auto reply = AwaitReply();
  const int silent = Connect("GET /b HTT");
  const int third = Connect(kGet);
  EXPECT_EQ(ReadAll(silent), "");
  AwaitReply()->Send({.headers = {}, .body = "third"});
  EXPECT_THAT(ReadAll(third), HasSubstr("third"));
  const int fourth = Connect("GET /c HTTP/1.1\r\nHost: h\r\n\r\n");
  const auto fourth_reply = AwaitReply();
  // Both connections get answers, so there is no room for another one.
  EXPECT_EQ(ReadAll(Connect("")), "");
  reply->Drop();
  fourth_reply->Drop();
  close(answered);
  close(fourth);
}

TEST_F(HttpServerTest, ConnectionsThatOnlyAskForSmallThingsKeepNobodyOut) {
  Serve({.listen = {"127.0.0.1:0"}, .max_connections = 5});
  std::vector<int> served;
  for (int i = 0; i < 4; ++i) {
    served.push_back(Connect("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
    AwaitReply()->Send({.status = 204, .headers = {}, .body = ""});
    char answer[200];
    EXPECT_GT(recv(served.back(), answer, sizeof(answer), 0), 0);
  }
  const int slow = Connect("GET / HTTP/1.1\r\n");
  const int sixth = Connect(kGet);
  // Of those that were served, the last may not wait again yet.
  EXPECT_EQ(ReadAll(served[0]), "");
  AwaitReply()->Send({.headers = {}, .body = "sixth"});
  EXPECT_THAT(ReadAll(sixth), HasSubstr("sixth"));
  EXPECT_EQ(send(slow, "Host: h\r\nConnection: close\r\n\r\n", 30, 0), 30);
  AwaitReply()->Send({.headers = {}, .body = "slow"});
  EXPECT_THAT(ReadAll(slow), HasSubstr("slow"));
  for (std::size_t i = 1; i < served.size(); ++i) close(served[i]);
}

TEST_F(HttpServerTest, AnExceptionClosesItsConnectionAlone) {
  const int other = Connect("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n");
  EXPECT_EQ(ReadAll(Connect("GET /throw HTTP/1.1\r\nHost: h\r\n\r\n")), "");
  EXPECT_EQ(send(other, "\r\n", 2, 0), 2);
  AwaitReply()->Send({.headers = {}, .body = "other"});
  EXPECT_THAT(ReadAll(other), HasSubstr("other"));
}

// A connection over TLS, whose operations block.
class TlsClient {
 public:
  // `files`: the client's certificate if it has one, and the authorities that it trusts.
  TlsClient(int connection, const TlsFiles& files) : connection_(connection) {
    SSL_CTX_load_verify_locations(context_.get(), files.ca.c_str(), nullptr);
    SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
    if (!files.certificate.empty()) {
      SSL_CTX_use_certificate_chain_file(context_.get(), files.certificate.c_str());
      SSL_CTX_use_PrivateKey_file(context_.get(), files.key.c_str(), SSL_FILETYPE_PEM);
    }
    ssl_.reset(SSL_new(context_.get()));
    SSL_set_fd(ssl_.get(), connection);
  }
  ~TlsClient() { close(connection_); }

  bool Send(const std::string& bytes) {
    return SSL_connect(ssl_.get()) == 1 &&
           SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size())) ==
               static_cast<int>(bytes.size());
  }
  // What comes until the server says that no more comes; else an empty text.
  std::string ReadAll() {
    std::string all;
    char buffer[4096];
    int got = 0;
    while ((got = SSL_read(ssl_.get(), buffer, sizeof(buffer))) > 0) {
      all.append(buffer, static_cast<std::size_t>(got));
    }
    return SSL_get_error(ssl_.get(), got) == SSL_ERROR_ZERO_RETURN ? all : "";
  }

 private:
  const int connection_;
  const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context_{SSL_CTX_new(TLS_client_method()),
                                                                   SSL_CTX_free};
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl_{nullptr, SSL_free};
};

class HttpsServerTest : public HttpServerTest {
 protected:
  HttpsServerTest() {
    Serve({.listen = {"127.0.0.1:0"},
           .tls = ServerTlsOptions{.files = Files("server", authority_)},
           .max_body_bytes = 100});
  }

  TlsFiles Files(const std::string& name, doubles::CertificateAuthority& signs) {
    return doubles::WriteTlsFiles(folder_.path(), name,
                                  signs.Issue(absl::StrCat("DNS:", name, ",IP:127.0.0.1")),
                                  authority_.certificate());
  }

  doubles::TempDir folder_;
  doubles::CertificateAuthority authority_{"authority"};
  doubles::CertificateAuthority stranger_{"stranger"};
};

TEST_F(HttpsServerTest, ServesClientsWithACertificate) {
  TlsClient client(Connect(""), Files("client", authority_));
  ASSERT_TRUE(client.Send(kGet));
  const auto reply = AwaitReply();
  EXPECT_THAT(LastRequest().certificate_names, ::testing::ElementsAre("client", "127.0.0.1"));
  reply->StartStream({.headers = {}, .body = ""});
  const std::string large(100'000, 'x');
  reply->Write(large);
  reply->End();
  const std::string answer = client.ReadAll();
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr(large));
}

TEST_F(HttpsServerTest, RefusesOtherClients) {
  for (const TlsFiles& files :
       {TlsFiles{.ca = Files("nobody", authority_).ca}, Files("strange", stranger_)}) {
    TlsClient client(Connect(""), files);
    // In TLS 1.3 a client learns from its first read that the server does not want it.
    client.Send(kGet);
    EXPECT_EQ(client.ReadAll(), "");
  }
  EXPECT_EQ(ReadAll(Connect(kGet)), "");
}

TEST_F(HttpsServerTest, RefusesABodyThatIsTooLong) {
  TlsClient client(Connect(""), Files("client", authority_));
  ASSERT_TRUE(client.Send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 101\r\n\r\nabc"));
  EXPECT_THAT(client.ReadAll(), StartsWith("HTTP/1.1 413 "));
}

TEST_F(HttpsServerTest, AClientThatLeavesIsGone) {
  auto client = std::make_unique<TlsClient>(Connect(""), Files("client", authority_));
  ASSERT_TRUE(client->Send("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
  const auto reply = AwaitReply();
  Gone gone(*reply);
  client.reset();
  gone.Await();
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
