#include "common/program/metrics_flags.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <utility>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "common/base/log.h"
#include "common/base/process_metrics.h"
#include "common/base/status_macros.h"
#include "common/program/server_flags.h"

ABSL_FLAG(
    std::string, metrics_listen, "",
    "Address to serve metrics on for Prometheus (GET /metrics, plain HTTP): host:port, port 0: "
    "a free one. Empty: none. Beyond loopback it takes --metrics_allow_plaintext or "
    "--allow_plaintext.");
ABSL_FLAG(bool, metrics_allow_plaintext, false,
          "Allow --metrics_listen beyond loopback, and nothing else: whoever reaches it reads the "
          "metrics.");
ABSL_FLAG(std::string, metrics_port_file, "",
          "File to write the bound address of --metrics_listen to. Empty: none.");

namespace recycling {
namespace {

absl::Status WriteLine(const std::string& path, const std::string& line) {
  const std::string temporary = path + ".tmp";
  std::ofstream file(temporary, std::ios::trunc);
  file << line << '\n';
  file.close();
  if (!file.fail() && std::rename(temporary.c_str(), path.c_str()) == 0) return absl::OkStatus();
  const std::string reason = std::strerror(errno);
  std::remove(temporary.c_str());
  return absl::UnavailableError(
      absl::StrCat("metrics_port_file: cannot write ", path, ": ", reason));
}

}  // namespace

absl::StatusOr<std::unique_ptr<MetricsServer>> StartMetrics(const std::string& service,
                                                            std::vector<MetricSource> sources) {
  const std::string listen = absl::GetFlag(FLAGS_metrics_listen);
  if (listen.empty()) return nullptr;
  const bool allow_plaintext =
      PlaintextAllowedByFlag() || absl::GetFlag(FLAGS_metrics_allow_plaintext);
  sources.push_back([service](MetricSet* set) { AddProcessMetrics(service, set); });
  ASSIGN_OR_RETURN(auto server, MetricsServer::Start(listen, std::move(sources), allow_plaintext));
  if (const std::string path = absl::GetFlag(FLAGS_metrics_port_file); !path.empty()) {
    RETURN_IF_ERROR(WriteLine(path, server->address()));
  }
  Log(LogLevel::kInfo, "serving metrics", {{"address", server->address()}});
  return server;
}

}  // namespace recycling
