#include "common/base/process_metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>

#include "absl/time/clock.h"
#include "common/base/build_version.h"

namespace recycling {
namespace {

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

// The moment when this library was loaded, which is close to the start of the process.
const double kStarted = absl::ToDoubleSeconds(absl::Now() - absl::UnixEpoch());

struct MemoryBytes {
  std::uint64_t virtual_size = 0;
  std::uint64_t resident = 0;
};

// Zeros if the system does not report the sizes.
MemoryBytes Memory() {
  std::uint64_t pages = 0;
  std::uint64_t resident = 0;
  if (!(std::ifstream("/proc/self/statm") >> pages >> resident)) return {};
  const auto page = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  return {.virtual_size = pages * page, .resident = resident * page};
}

}  // namespace

std::uint64_t ResidentBytes() { return Memory().resident; }

void AddProcessMetrics(std::string_view service, MetricSet* metrics) {
  metrics->Gauge("recycling_build_info", "Always 1; version and commit of a service.", 1,
                 {{"service", std::string(service)}, {"version", BuildVersion()}});
  metrics->Gauge("process_start_time_seconds", "Start of the process since 1970.", kStarted);
  if (rusage usage{}; getrusage(RUSAGE_SELF, &usage) == 0) {
    metrics->Counter("process_cpu_seconds_total", "User and system CPU time spent.",
                     Seconds(usage.ru_utime) + Seconds(usage.ru_stime));
  }
  if (const MemoryBytes memory = Memory(); memory.resident > 0) {
    metrics->Gauge("process_virtual_memory_bytes", "Virtual memory.",
                   static_cast<double>(memory.virtual_size));
    metrics->Gauge("process_resident_memory_bytes", "Resident memory.",
                   static_cast<double>(memory.resident));
  }
  std::error_code error;
  std::filesystem::directory_iterator files("/proc/self/fd", error);
  double open = 0;
  for (; !error && files != std::filesystem::directory_iterator(); files.increment(error)) ++open;
  if (!error) metrics->Gauge("process_open_fds", "Open file descriptors.", open - 1);
  if (rlimit limit{}; getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    metrics->Gauge("process_max_fds", "File descriptors that may be open.",
                   static_cast<double>(limit.rlim_cur));
  }
}

}  // namespace recycling
