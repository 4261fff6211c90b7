// bench_doors: what a token and the first byte cost over HTTP, beside gRPC. It asks a running
// gateway for the same text over both, in turns.
#include <grpcpp/grpcpp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/base/status_macros.h"
#include "common/program/program.h"
#include "common/rpc/status_grpc.h"
#include "recycling/gateway/v1/gateway.grpc.pb.h"

ABSL_FLAG(std::string, gateway, "127.0.0.1:50050", "Address of the gateway.");
ABSL_FLAG(int, http_port, 8080, "Port of its HTTP API on 127.0.0.1.");
ABSL_FLAG(std::string, prompt, "Once upon a time", "Text to continue.");
ABSL_FLAG(std::uint32_t, tokens, 200, "Tokens of each answer.");
ABSL_FLAG(int, rounds, 20, "Answers over each of the two.");

namespace recycling::bench {
namespace {

// The durations of one answer.
struct Times {
  absl::Duration first;  // until the first text
  absl::Duration token;  // of each token after that
};

std::chrono::steady_clock::time_point Now() { return std::chrono::steady_clock::now(); }

Times TimesOf(std::chrono::steady_clock::time_point begin,
              std::chrono::steady_clock::time_point first) {
  const absl::Duration rest = absl::FromChrono(Now() - first);
  return {.first = absl::FromChrono(first - begin),
          .token = rest / (absl::GetFlag(FLAGS_tokens) - 1)};
}

absl::StatusOr<Times> AskGrpc(gateway::v1::GatewayService::Stub& stub) {
  gateway::v1::GenerateRequest request;
  request.set_prompt(absl::GetFlag(FLAGS_prompt));
  request.mutable_sampling()->set_max_tokens(absl::GetFlag(FLAGS_tokens));
  request.mutable_sampling()->set_temperature(0);
  request.mutable_sampling()->set_ignore_eos(true);
  request.mutable_speculation()->set_mode(gateway::v1::SPECULATION_MODE_OFF);
  const auto begin = Now();
  grpc::ClientContext context;
  const auto stream = stub.Generate(&context, request);
  auto first = begin;
  gateway::v1::GenerateResponse response;
  while (stream->Read(&response)) {
    if (first == begin && response.has_delta()) first = Now();
  }
  const Times times = TimesOf(begin, first);
  RETURN_IF_ERROR(FromGrpcStatus(stream->Finish()));
  return times;
}

// A connection that the HTTP requests share, as those over gRPC share a channel.
class HttpConnection {
 public:
  HttpConnection() : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in to = {};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<std::uint16_t>(absl::GetFlag(FLAGS_http_port)));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    is_open_ = connect(socket_, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) == 0;
  }
  ~HttpConnection() { close(socket_); }

  absl::StatusOr<Times> Ask() {
    if (!is_open_) return absl::UnavailableError("--http_port: cannot connect");
    const std::string body = absl::StrCat(
        R"({"prompt": )", nlohmann::json(absl::GetFlag(FLAGS_prompt)).dump(), R"(, "max_tokens": )",
        absl::GetFlag(FLAGS_tokens), R"(, "temperature": 0, "ignore_eos": true, "stream": true,)",
        R"( "speculation": {"mode": "off"}})");
    const std::string request = absl::StrCat(
        "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n",
        "Content-Length: ", body.size(), "\r\n\r\n", body);
    const auto begin = Now();
    if (send(socket_, request.data(), request.size(), 0) != static_cast<ssize_t>(request.size())) {
      return absl::UnavailableError("HTTP: cannot send");
    }
    auto first = begin;
    std::string answer;
    while (!answer.ends_with("\r\n0\r\n\r\n")) {
      char buffer[16384];
      const ssize_t got = recv(socket_, buffer, sizeof(buffer), 0);
      if (got <= 0) return absl::UnavailableError("HTTP: the connection was closed");
      answer.append(buffer, static_cast<std::size_t>(got));
      if (first == begin && answer.find("\"text\"") != std::string::npos) first = Now();
    }
    const Times times = TimesOf(begin, first);
    if (answer.find("data: [DONE]") == std::string::npos) return absl::InternalError(answer);
    return times;
  }

 private:
  const int socket_;
  bool is_open_ = false;
};

template <typename Member>
double MedianMicros(std::vector<Times> times, Member member) {
  std::sort(times.begin(), times.end(),
            [member](const Times& a, const Times& b) { return a.*member < b.*member; });
  return absl::ToDoubleMicroseconds(times[times.size() / 2].*member);
}

absl::Status Run() {
  const auto stub = gateway::v1::GatewayService::NewStub(
      grpc::CreateChannel(absl::GetFlag(FLAGS_gateway), grpc::InsecureChannelCredentials()));
  HttpConnection http;
  std::vector<Times> over_grpc, over_http;
  for (int round = -1; round < absl::GetFlag(FLAGS_rounds); ++round) {
    ASSIGN_OR_RETURN(const Times grpc, AskGrpc(*stub));
    ASSIGN_OR_RETURN(const Times plain, http.Ask());
    if (round < 0) continue;  // opens connections and warms caches
    over_grpc.push_back(grpc);
    over_http.push_back(plain);
  }
  const double grpc_token = MedianMicros(over_grpc, &Times::token);
  const double http_token = MedianMicros(over_http, &Times::token);
  const double grpc_first = MedianMicros(over_grpc, &Times::first);
  const double http_first = MedianMicros(over_http, &Times::first);
  std::cout << absl::StrFormat(
      "median of %d answers of %d tokens, us\n"
      "              gRPC       HTTP  difference\n"
      "a token   %8.1f   %8.1f    %8.1f (%.2f %%)\n"
      "first     %8.1f   %8.1f    %8.1f\n",
      absl::GetFlag(FLAGS_rounds), absl::GetFlag(FLAGS_tokens), grpc_token, http_token,
      http_token - grpc_token, 100 * (http_token / grpc_token - 1), grpc_first, http_first,
      http_first - grpc_first);
  return absl::OkStatus();
}

}  // namespace
}  // namespace recycling::bench

int main(int argc, char** argv) {
  const std::vector<std::string> arguments = recycling::ParseProgramFlags(
      argc, argv,
      {.name = "bench_doors",
       .summary = "Asks a running gateway for the same text over gRPC and over HTTP, in turns, and "
                  "compares the medians.",
       .examples = "bench_doors --gateway 127.0.0.1:50050 --http_port 8080\n"});
  if (!arguments.empty()) {
    std::cerr << "bench_doors: got argument \"" << arguments[0] << "\", expected flags only\n";
    return recycling::kExitUsage;
  }
  if (absl::GetFlag(FLAGS_tokens) < 2 || absl::GetFlag(FLAGS_rounds) < 1) {
    std::cerr << "bench_doors: expected --tokens of at least 2 and --rounds of at least 1\n";
    return recycling::kExitUsage;
  }
  const absl::Status status = recycling::bench::Run();
  if (status.ok()) return recycling::kExitOk;
  std::cerr << "bench_doors: " << status.message() << "\n";
  return recycling::kExitFailure;
}
