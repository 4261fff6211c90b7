#include "gateway/http/http_server.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <iterator>
#include <new>
#include <thread>
#include <unordered_set>

#include "absl/strings/str_cat.h"
#include "common/base/log.h"
#include "common/base/mutex.h"
#include "common/base/status_macros.h"
#include "common/net/listener.h"
#include "common/net/tls_server_context.h"

namespace recycling::gateway {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;
using Stream = beast::basic_stream<asio::generic::stream_protocol>;
using TlsStream = asio::ssl::stream<Stream&>;

constexpr absl::Duration kKeepAlive = absl::Seconds(15);
constexpr std::chrono::milliseconds kTick(200);
constexpr std::size_t kReadAhead = 64 << 10;
constexpr std::chrono::seconds kHandshakeTimeout(10);
constexpr std::chrono::seconds kLinger(2);
constexpr int kNewConnections = 64;  // that are accepted and that the server has not seen yet

// The standard name of a status, for people.
std::string ReasonOf(int status) {
  const auto known = http::obsolete_reason(http::int_to_status(static_cast<unsigned>(status)));
  return std::string(known.data(), known.size());
}

constexpr int kNoContent = 204;  // such an answer has no body, so neither a type nor a length

std::string HeadOf(const HttpAnswer& answer, bool keep_alive) {
  std::string head = absl::StrCat("HTTP/1.1 ", answer.status, " ", ReasonOf(answer.status), "\r\n");
  if (answer.status != kNoContent) {
    absl::StrAppend(&head, "Content-Type: ", answer.content_type,
                    "\r\nX-Content-Type-Options: nosniff\r\n");
  }
  for (const auto& [name, value] : answer.headers)
    absl::StrAppend(&head, name, ": ", value, "\r\n");
  if (!keep_alive) head += "Connection: close\r\n";
  return head;
}

// A body in a string. It takes memory as the bytes arrive, whatever length the header promises.
struct ArrivingBody {
  using value_type = std::string;
  class reader {
   public:
    template <bool kIsRequest, typename Fields>
    reader(http::header<kIsRequest, Fields>&, std::string& body) : body_(body) {}
    void init(const boost::optional<std::uint64_t>&, error_code& error) { error = {}; }
    template <typename Buffers>
    std::size_t put(const Buffers& buffers, error_code& error) {
      error = {};
      std::size_t size = 0;
      for (const asio::const_buffer buffer : beast::buffers_range_ref(buffers)) {
        body_.append(static_cast<const char*>(buffer.data()), buffer.size());
        size += buffer.size();
      }
      return size;
    }
    void finish(error_code& error) { error = {}; }

   private:
    std::string& body_;
  };
};

class Session;

struct Shared {
  HttpServerOptions options;
  HttpHandlers handlers;
  const Clock& clock;
  // Only the server's thread uses these.
  std::size_t arriving = 0;                               // bytes of bodies that are not complete
  std::unordered_set<std::shared_ptr<Session>> sessions;  // all that are open
};

// The reply to one request of a session. Its methods only queue bytes and wake the session.
class Reply final : public HttpReply, public std::enable_shared_from_this<Reply> {
 public:
  Reply(std::weak_ptr<Session> session, asio::io_context& io, const Clock& clock,
        std::string connection, bool chunked, bool keep_alive, bool head_only)
      : session_(std::move(session)),
        io_(io),
        clock_(clock),
        connection_(std::move(connection)),
        chunked_(chunked),
        keep_alive_(keep_alive),
        head_only_(head_only) {}

  void Send(HttpAnswer answer) override {
    std::string bytes = HeadOf(answer, keep_alive_);
    if (answer.status != kNoContent) {
      absl::StrAppend(&bytes, "Content-Length: ", answer.body.size(), "\r\n");
    }
    absl::StrAppend(&bytes, "\r\n", head_only_ ? "" : answer.body);
    Queue(std::move(bytes), /*ends=*/true);
  }
  void StartStream(HttpAnswer head) override {
    {
      MutexLock lock(mutex_);
      streams_ = true;
    }
    Queue(absl::StrCat(HeadOf(head, keep_alive_),
                       chunked_ ? "Transfer-Encoding: chunked\r\n\r\n" : "\r\n"),
          /*ends=*/false);
  }
  void Write(std::string bytes) override {
    if (bytes.empty()) return;
    Queue(Chunk(bytes), /*ends=*/false);
  }
  void End() override { Queue(chunked_ ? "0\r\n\r\n" : "", /*ends=*/true); }

  bool Drop() override;
  void OnGone(std::function<void()> gone) override {
    {
      MutexLock lock(mutex_);
      gone_ = std::move(gone);
      if (!closed_ || gone_ == nullptr) return;
      gone = std::exchange(gone_, nullptr);
    }
    gone();
  }

  UnreadOutput Unread() const override {
    MutexLock lock(mutex_);
    return {
        .bytes = bytes_, .since = since_, .ended = ended_, .end = end_, .connection = connection_};
  }
  bool done() const override {
    MutexLock lock(mutex_);
    return closed_ || (ended_ && bytes_ == 0);
  }

  // ---- For the session, on its thread.

  // The bytes to write next; empty if there are none.
  std::string Take() {
    MutexLock lock(mutex_);
    return std::exchange(queued_, std::string());
  }
  // `bytes` were written.
  void Written(std::size_t bytes) {
    MutexLock lock(mutex_);
    if (closed_) return;
    bytes_ -= bytes;
    since_ = clock_.Monotonic();
  }
  // The connection is closed.
  void Close() {
    std::function<void()> gone;
    {
      MutexLock lock(mutex_);
      if (closed_) return;
      const bool complete = ended_ && bytes_ == 0;
      closed_ = true;
      queued_.clear();
      bytes_ = 0;
      if (!complete) gone = std::exchange(gone_, nullptr);
    }
    if (gone != nullptr) gone();
  }
  bool streams() const {
    MutexLock lock(mutex_);
    return streams_;
  }
  bool complete() const {
    MutexLock lock(mutex_);
    return ended_ && bytes_ == 0;
  }
  // Queues a comment if a stream was silent for kKeepAlive, so that proxies keep it open.
  void KeepAwake() {
    {
      MutexLock lock(mutex_);
      if (!streams_ || ended_ || bytes_ > 0 || clock_.Monotonic() - since_ < kKeepAlive) return;
    }
    Write(": keep-alive\n\n");
  }
  bool keep_alive() const { return keep_alive_; }

 private:
  std::string Chunk(const std::string& bytes) const {
    if (!chunked_) return bytes;
    return absl::StrCat(absl::Hex(bytes.size()), "\r\n", bytes, "\r\n");
  }
  void Queue(std::string bytes, bool ends);

  const std::weak_ptr<Session> session_;
  asio::io_context& io_;
  const Clock& clock_;
  const std::string connection_;
  const bool chunked_;
  const bool keep_alive_;
  const bool head_only_;  // of a HEAD request

  mutable Mutex mutex_;
  std::string queued_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;  // queued and being written
  absl::Duration since_ ABSL_GUARDED_BY(mutex_);
  absl::Duration end_ ABSL_GUARDED_BY(mutex_);
  bool streams_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  bool dropped_ ABSL_GUARDED_BY(mutex_) = false;  // Close comes soon
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  std::function<void()> gone_ ABSL_GUARDED_BY(mutex_);
};

// One connection. All methods run on the server's thread.
class Session final : public std::enable_shared_from_this<Session> {
 public:
  // `tls` is null for plaintext.
  Session(asio::generic::stream_protocol::socket socket, SSL_CTX* tls, asio::io_context& io,
          Shared& shared, std::string name)
      : stream_(std::move(socket)),
        io_(io),
        timer_(io),
        buffer_(shared.options.max_header_bytes + kReadAhead),
        shared_(shared),
        name_(std::move(name)),
        waits_since_(shared.clock.Monotonic()) {
    if (tls == nullptr) return;
    SSL_CTX_up_ref(tls);
    asio::ssl::context context(tls);  // owns one reference
    tls_.emplace(stream_, context);
  }

  void Run() {
    if (!tls_.has_value()) return ReadHeader();
    stream_.expires_after(kHandshakeTimeout);
    tls_->async_handshake(TlsStream::server, [self = shared_from_this()](error_code error) {
      if (error) return self->Close();
      if (self->is_closed_) return;
      self->certificate_names_ = VerifiedClientNames(self->tls_->native_handle());
      self->ReadHeader();
    });
  }

  void Close() {
    if (is_closed_) return;
    is_closed_ = true;
    const std::shared_ptr<Session> self = shared_from_this();
    shared_.sessions.erase(self);
    CountBody(0);
    error_code ignored;
    timer_.cancel();
    stream_.socket().close(ignored);
    if (reply_ != nullptr) reply_->Close();
  }

  // Since when no whole request has come. Nothing while an answer is made.
  std::optional<absl::Duration> waits_since() const {
    return reply_ == nullptr ? std::optional(waits_since_) : std::nullopt;
  }
  // Whether a request on this connection has had its answer.
  bool served() const { return served_; }
  // Bytes of the body that is not complete.
  std::size_t arriving() const { return counted_; }
  // Ends the wait for more of the body; OnBodyPart then refuses the request.
  void RefuseBody() {
    refuses_body_ = true;
    stream_.cancel();
  }

  // Closes unless the answer of `reply` has been written meanwhile.
  void CloseIfAnswering(const Reply& reply) {
    if (reply_.get() == &reply) Close();
  }

  // Writes what the reply has queued.
  void Pump() {
    if (is_closed_ || writing_ || reply_ == nullptr) return;
    writing_bytes_ = reply_->Take();
    if (writing_bytes_.empty()) {
      if (reply_->complete()) Answered();
      return;
    }
    writing_ = true;
    // The owner of the reply decides when a client reads a stream too slowly.
    if (reply_->streams()) {
      stream_.expires_never();
    } else {
      stream_.expires_after(Seconds(shared_.options.write_timeout));
    }
    OnStream([this](auto& stream) {
      asio::async_write(stream, asio::buffer(writing_bytes_),
                        [self = shared_from_this()](error_code error, std::size_t) {
                          self->writing_ = false;
                          if (error) return self->Close();
                          if (self->is_closed_) return;
                          if (self->reply_ != nullptr) {
                            self->reply_->Written(self->writing_bytes_.size());
                          }
                          self->Pump();
                        });
    });
  }

 private:
  // Calls `use` with the stream of the requests: the socket, or TLS over it.
  template <typename Use>
  void OnStream(const Use& use) {
    if (tls_.has_value()) {
      use(*tls_);
    } else {
      use(stream_);
    }
  }

  static std::chrono::nanoseconds Seconds(absl::Duration duration) {
    return absl::ToChronoNanoseconds(duration);
  }

  void ReadHeader() {
    parser_.emplace();
    parser_->header_limit(static_cast<std::uint32_t>(shared_.options.max_header_bytes));
    parser_->body_limit(shared_.options.max_body_bytes);
    // A connection that sends nothing may idle; one that has begun a request must go on.
    stream_.expires_after(Seconds(buffer_.size() == 0 ? shared_.options.idle_timeout
                                                      : shared_.options.request_timeout));
    OnStream([this](auto& stream) {
      http::async_read_some(
          stream, buffer_, *parser_, [self = shared_from_this()](error_code error, std::size_t) {
            self->stream_.expires_after(Seconds(self->shared_.options.request_timeout));
            self->OnHeaderPart(error);
          });
    });
  }

  void OnHeaderPart(error_code error) {
    if (is_closed_) return;
    if (error) return ReadFailed(error);
    if (parser_->is_header_done()) return OnHeader();
    OnStream([this](auto& stream) {
      http::async_read_header(stream, buffer_, *parser_,
                              [self = shared_from_this()](error_code failed, std::size_t) {
                                if (failed) return self->ReadFailed(failed);
                                self->OnHeader();
                              });
    });
  }

  void OnHeader() {
    if (is_closed_) return;
    request_ = HeadOfRequest();
    if (const char* fault = FaultOfFraming()) return Refuse(shared_.handlers.refuse(400, fault));
    if (auto refusal = shared_.handlers.check(request_)) return Refuse(*std::move(refusal));
    const auto expect = parser_->get()[http::field::expect];
    if (beast::iequals(expect, "100-continue")) {
      OnStream([this](auto& stream) {
        asio::async_write(stream, asio::buffer("HTTP/1.1 100 Continue\r\n\r\n", 25),
                          [self = shared_from_this()](error_code error, std::size_t) {
                            if (error) return self->Close();
                            self->ReadBody();
                          });
      });
      return;
    }
    ReadBody();
  }

  void ReadBody() {
    if (is_closed_) return;
    parser_->eager(true);
    if (parser_->is_done()) return Handle();
    OnStream([this](auto& stream) {
      http::async_read_some(
          stream, buffer_, *parser_,
          [self = shared_from_this()](error_code error, std::size_t) { self->OnBodyPart(error); });
    });
  }

  void OnBodyPart(error_code error) {
    if (is_closed_) return;
    if (!error) {
      CountBody(parser_->is_done() ? 0 : parser_->get().body().size());
      if (shared_.arriving > shared_.options.max_all_bodies_bytes) RefuseLargestBody();
    }
    if (refuses_body_) {
      HttpAnswer refusal = shared_.handlers.refuse(503, "too many bodies are arriving");
      refusal.headers.emplace_back("Retry-After", "1");
      return Refuse(std::move(refusal));
    }
    if (error) return ReadFailed(error);
    ReadBody();
  }

  // Refuses the largest body, so that clients that hold large ones do not keep small ones out.
  void RefuseLargestBody() {
    const auto largest = std::max_element(
        shared_.sessions.begin(), shared_.sessions.end(),
        [](const auto& a, const auto& b) { return a->arriving() < b->arriving(); });
    const std::shared_ptr<Session> session = *largest;
    session->RefuseBody();
  }

  // The body of this session that is not complete has `bytes` bytes now.
  void CountBody(std::size_t bytes) {
    shared_.arriving += bytes - counted_;
    counted_ = bytes;
  }

  HttpRequest HeadOfRequest() const {
    const auto& message = parser_->get();
    const auto text = [](beast::string_view view) { return std::string(view.data(), view.size()); };
    HttpRequest request;
    request.method = text(message.method_string());
    request.path = text(message.target());
    request.path.resize(std::min(request.path.find('?'), request.path.size()));
    request.host = text(message[http::field::host]);
    if (message.find(http::field::origin) != message.end()) {
      request.origin = text(message[http::field::origin]);
    }
    request.content_type = text(message[http::field::content_type]);
    const auto [first, last] = message.equal_range(http::field::authorization);
    for (auto field = first; field != last; ++field) {
      request.authorization.push_back(text(field->value()));
    }
    request.traceparent = text(message["traceparent"]);
    request.requested_headers = text(message[http::field::access_control_request_headers]);
    request.certificate_names = certificate_names_;
    return request;
  }

  void Handle() {
    if (is_closed_) return;
    CountBody(0);
    request_.body = std::move(parser_->get().body());
    MakeReply(parser_->get().keep_alive());
    stream_.expires_never();
    WatchForClose();
    Tick();
    const std::shared_ptr<Reply> reply = reply_;
    try {
      shared_.handlers.handle(std::move(request_), reply);
    } catch (const std::exception&) {  // what a client sent must not end the process
      reply->Send(shared_.handlers.refuse(500, "out of memory"));
    }
  }

  // Why the length of the body is in doubt, or null. A proxy before this server might read it
  // another way, and take a part of the body for a request.
  const char* FaultOfFraming() const {
    const auto& message = parser_->get();
    const auto count = [&](http::field name) {
      const auto [first, last] = message.equal_range(name);
      return std::distance(first, last);
    };
    const auto codings = count(http::field::transfer_encoding);
    if (codings > 0 && (codings > 1 || message.version() < 11 ||
                        !beast::iequals(message[http::field::transfer_encoding], "chunked") ||
                        count(http::field::content_length) > 0)) {
      return "Transfer-Encoding: expected only \"chunked\", without Content-Length";
    }
    if (count(http::field::host) > 1) return "Host: got several, expected one";
    return nullptr;
  }

  void MakeReply(bool keep_alive) {
    const bool chunked = parser_->get().version() >= 11;
    reply_ = std::make_shared<Reply>(weak_from_this(), io_, shared_.clock, name_, chunked,
                                     keep_alive && chunked, request_.method == "HEAD");
  }

  // Answers without reading the rest of the request, so the connection must close.
  void Refuse(HttpAnswer answer) {
    if (is_closed_) return;
    CountBody(0);
    parser_->get().body() = std::string();
    MakeReply(false);
    reply_->Send(std::move(answer));
  }

  void ReadFailed(error_code error) {
    int status = 400;
    if (error == http::error::end_of_stream || error == asio::error::eof ||
        error == beast::error::timeout || error == asio::ssl::error::stream_truncated ||
        error.category() == asio::error::get_ssl_category() ||
        error.category() == asio::error::get_system_category()) {
      return Close();
    }
    if (error == http::error::header_limit) status = 431;
    if (error == http::error::body_limit) status = 413;
    // Chunk extensions and trailers, which no other limit counts.
    if (error == http::error::buffer_overflow) status = 413;
    if (error == http::error::partial_message) return Close();
    Refuse(shared_.handlers.refuse(status, error.message()));
  }

  // Readiness to read, while an answer is made, means the next request or the end of the
  // connection.
  void WatchForClose() {
    stream_.socket().async_wait(asio::socket_base::wait_read,
                                [self = shared_from_this()](error_code error) {
                                  if (!error && !self->is_closed_) self->CheckClosed();
                                });
  }

  void CheckClosed() {
    if (reply_ == nullptr) return;
    char byte = 0;
    const ssize_t got = recv(stream_.socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (got == 0) Close();
    // After bytes of a next request, Tick looks for the end behind them.
  }

  void Tick() {
    timer_.expires_after(kTick);
    timer_.async_wait([self = shared_from_this()](error_code error) {
      if (error || self->is_closed_ || self->reply_ == nullptr) return;
      pollfd state = {
          .fd = self->stream_.socket().native_handle(), .events = POLLRDHUP, .revents = 0};
      if (poll(&state, 1, 0) > 0 && (state.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0) {
        return self->Close();
      }
      self->reply_->KeepAwake();
      self->Tick();
    });
  }

  // The answer is written.
  void Answered() {
    timer_.cancel();
    const bool keep_alive = reply_->keep_alive();
    reply_ = nullptr;
    waits_since_ = shared_.clock.Monotonic();
    served_ = true;
    error_code ignored;
    stream_.socket().cancel(ignored);
    if (!keep_alive) return EndConnection();
    asio::post(io_, [self = shared_from_this()] {
      if (!self->is_closed_) self->ReadHeader();
    });
  }

  // Says that no more comes. Then reads and forgets what the client still sends, for a while, so
  // that the system does not reset the connection before the client has read the answer.
  void EndConnection() {
    stream_.expires_after(kLinger);
    if (!tls_.has_value()) return Linger();
    tls_->async_shutdown([self = shared_from_this()](error_code) { self->Linger(); });
  }
  void Linger() {
    if (is_closed_) return;
    error_code ignored;
    stream_.socket().shutdown(asio::socket_base::shutdown_send, ignored);
    LingerMore();
  }
  void LingerMore() {
    stream_.async_read_some(asio::buffer(discarded_),
                            [self = shared_from_this()](error_code error, std::size_t) {
                              if (error) return self->Close();
                              self->LingerMore();
                            });
  }

  Stream stream_;
  std::optional<TlsStream> tls_;  // over stream_; absent in plaintext
  std::vector<std::string> certificate_names_;
  asio::io_context& io_;
  asio::steady_timer timer_;
  beast::flat_buffer buffer_;  // what is read and not parsed yet; bounded
  Shared& shared_;
  const std::string name_;
  absl::Duration waits_since_;
  bool served_ = false;
  std::optional<http::request_parser<ArrivingBody>> parser_;
  std::size_t counted_ = 0;  // of shared_.arriving
  bool refuses_body_ = false;
  HttpRequest request_;
  std::shared_ptr<Reply> reply_;
  std::string writing_bytes_;
  bool writing_ = false;
  bool is_closed_ = false;
  std::array<char, 4096> discarded_{};
};

void Reply::Queue(std::string bytes, bool ends) {
  {
    MutexLock lock(mutex_);
    if (closed_ || dropped_ || ended_) return;
    if (bytes_ == 0) since_ = clock_.Monotonic();
    bytes_ += bytes.size();
    queued_ += bytes;
    if (ends) {
      ended_ = true;
      end_ = clock_.Monotonic();
    }
    // Under the mutex: while closed_ is false, the server and io_ exist.
    asio::post(io_, [session = session_] {
      if (const auto alive = session.lock()) alive->Pump();
    });
  }
}

bool Reply::Drop() {
  {
    MutexLock lock(mutex_);
    if (closed_ || dropped_ || (ended_ && bytes_ == 0)) return false;
    dropped_ = true;
    asio::post(io_, [session = session_, self = shared_from_this()] {
      if (const auto alive = session.lock()) alive->CloseIfAnswering(*self);
    });
  }
  return true;
}

class Server final : public HttpServer {
 public:
  Server(HttpServerOptions options, HttpHandlers handlers, const Clock& clock,
         std::unique_ptr<TlsServerContext> tls, std::unique_ptr<Listener> listener)
      : shared_{std::move(options), std::move(handlers), clock},
        tls_(std::move(tls)),
        listener_(std::move(listener)),
        work_(asio::make_work_guard(io_)) {
    thread_ = std::thread([this] { Run(); });
    listener_->Start([this](int, int connection) {
      asio::post(io_, [this, connection] { Accept(connection); });
    });
  }

  ~Server() override {
    listener_->Stop();
    asio::post(io_, [this] {
      const auto sessions = shared_.sessions;
      for (const auto& session : sessions) session->Close();
      work_.reset();
    });
    thread_.join();
  }

  const std::vector<std::string>& addresses() const override { return listener_->addresses(); }

 private:
  void Run() {
    while (true) {
      try {
        io_.run();
        return;
      } catch (const std::exception& error) {  // what a client sent must not end the process
        Log(LogLevel::kError, "a connection is lost", {{"error", error.what()}});
        asio::post(io_, [this] { CloseLost(); });
      }
    }
  }

  // Closes the sessions whose next step an exception has prevented. The operation that a session
  // waits for owns it. So one that only this object owns waits for nothing.
  void CloseLost() {
    const auto sessions = shared_.sessions;
    for (const auto& session : sessions) {
      if (session.use_count() == 2) session->Close();  // both sets own it
    }
  }

  // At the limit, a connection that waits for a request makes room. Otherwise clients that send
  // nothing would keep the others out. Those that have been served once stay longer, unless they
  // are more than half of all.
  void MakeRoom() {
    if (!IsFull()) return;
    std::vector<std::shared_ptr<Session>> served;
    std::vector<std::shared_ptr<Session>> others;
    for (const auto& session : shared_.sessions) {
      if (session->waits_since().has_value())
        (session->served() ? served : others).push_back(session);
    }
    const bool any_goes = others.empty() || served.size() > shared_.sessions.size() / 2;
    const auto& leaving = any_goes ? served : others;
    const auto longest = std::min_element(
        leaving.begin(), leaving.end(),
        [](const auto& a, const auto& b) { return a->waits_since() < b->waits_since(); });
    if (longest != leaving.end()) (*longest)->Close();
  }

  bool IsFull() const {
    return shared_.sessions.size() >= static_cast<std::size_t>(shared_.options.max_connections);
  }

  void Accept(int connection) {
    sockaddr_storage local = {};
    socklen_t length = sizeof(local);
    getsockname(connection, reinterpret_cast<sockaddr*>(&local), &length);
    asio::generic::stream_protocol::socket socket(io_);
    error_code error;
    socket.assign(asio::generic::stream_protocol(local.ss_family, SOCK_STREAM), connection, error);
    if (error) {
      close(connection);
      return;
    }
    MakeRoom();
    if (IsFull()) return;  // the socket closes the connection
    const auto context = tls_ == nullptr ? nullptr : tls_->Get();
    const auto session = std::make_shared<Session>(std::move(socket), context.get(), io_, shared_,
                                                   absl::StrCat("http ", ++accepted_));
    shared_.sessions.insert(session);
    session->Run();
  }

  Shared shared_;
  const std::unique_ptr<TlsServerContext> tls_;  // null: plaintext; used only by the thread
  const std::unique_ptr<Listener> listener_;
  asio::io_context io_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::uint64_t accepted_ = 0;
  std::thread thread_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(HttpServerOptions options,
                                                              HttpHandlers handlers,
                                                              const Clock& clock) {
  std::unique_ptr<TlsServerContext> tls;
  if (options.tls.has_value()) {
    ASSIGN_OR_RETURN(tls, TlsServerContext::Create(*options.tls, clock));
  }
  ASSIGN_OR_RETURN(std::unique_ptr<Listener> listener,
                   Listener::Bind({.addresses = options.listen,
                                   .loopback_only = tls == nullptr && !options.allow_plaintext,
                                   // At the limit the server itself chooses what to close.
                                   .max_connections = options.max_connections + kNewConnections}));
  return std::make_unique<Server>(std::move(options), std::move(handlers), clock, std::move(tls),
                                  std::move(listener));
}

}  // namespace recycling::gateway
