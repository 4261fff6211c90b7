// Runs real services with many clients, and kills, pauses, drains and cuts off one service after
// the other. Every output must equal the undisturbed one, and no service may leak.
#include <signal.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "common/base/status_macros.h"
#include "common/program/program.h"
#include "tests/doubles/tiny_model.h"
#include "tests/fault/fault_lane.h"
#include "tests/fault/fleet.h"
#include "tests/fault/load.h"

ABSL_FLAG(
    double, minutes, 0,
    "Duration of the faults in minutes. Each kind of service has its own sequence of faults, timed "
    "by the clock. "
    "0: run --faults faults, one after the other, timed by the messages that clients receive.");
ABSL_FLAG(int, faults, 30, "Number of faults without --minutes.");
ABSL_FLAG(int, streams, 32, "Number of concurrent clients.");
ABSL_FLAG(int, requests, 200,
          "Number of different requests. The clients repeat them until the run ends.");
ABSL_FLAG(int, longest, 100, "Largest number of tokens of an output.");
ABSL_FLAG(int, verifiers, 3, "Number of verifiers, at least 1.");
ABSL_FLAG(int, drafters, 2, "Number of drafters.");
ABSL_FLAG(int, gateways, 2, "Number of gateways, at least 1.");
ABSL_FLAG(std::uint64_t, seed, 1, "Seed of the requests, the clients and the faults.");
ABSL_FLAG(absl::Duration, deadline, absl::Minutes(1), "Deadline of each request.");
ABSL_FLAG(std::string, model, "", "GGUF file. Empty: a small random model.");
ABSL_FLAG(absl::Duration, longest_fault, absl::Seconds(4),
          "Longest duration of a fault with --minutes.");
ABSL_FLAG(std::string, verifier_flags, "",
          "More flags for the verifiers, separated by spaces, for example --kv_bytes=8MiB.");
ABSL_FLAG(std::string, gateway_flags, "", "More flags for the gateways, separated by spaces.");
ABSL_FLAG(std::string, keep, "", "Folder for the logs of all programs. Empty: a temporary folder.");
ABSL_FLAG(int, descriptors, 8,
          "Largest number of additional descriptors that a survivor may have at the end.");
ABSL_FLAG(int, growth_mib, 24, "Largest growth of the memory of a survivor, in MiB.");

namespace recycling::fault {
namespace {

constexpr absl::Duration kQuietPatience = absl::Minutes(1);
constexpr absl::Duration kBetweenSamples = absl::Seconds(2);
// In milliseconds, for a run with --minutes.
constexpr std::uint64_t kLongestPause = 3000;
// In messages that clients receive, for a run without --minutes.
constexpr std::uint64_t kMessagesToNext = 60;
constexpr std::uint64_t kMessagesInFault = 60;
// If there is only one verifier or one gateway, a fault ends after this time without a message.
constexpr absl::Duration kNobodyHears = absl::Seconds(1);

void Append(const std::string& words, std::vector<std::string>* to) {
  const std::vector<std::string> split = absl::StrSplit(words, ' ', absl::SkipEmpty());
  to->insert(to->end(), split.begin(), split.end());
}

void Say(const std::string& what) { std::cerr << what << std::endl; }

class Run {
 public:
  absl::Status Do() {
    RETURN_IF_ERROR(StartFleet());
    Say(absl::StrCat("references of ", absl::GetFlag(FLAGS_requests), " requests"));
    ASSIGN_OR_RETURN(
        expected_,
        MakeReferences(
            fleet_->member(kGateway, 0).address,
            MixedRequests(absl::GetFlag(FLAGS_seed) * 1'000'000, absl::GetFlag(FLAGS_requests),
                          static_cast<std::uint32_t>(absl::GetFlag(FLAGS_longest)))));
    RETURN_IF_ERROR(Calm());
    RETURN_IF_ERROR(Storm());
    return AfterStorm();
  }

  // Prints the violations and the line of figures. Returns true if there was no violation.
  bool Report(const absl::Status& status) {
    for (const std::string& trouble : figures_.trouble) Say(trouble);
    if (!status.ok()) wrong_.push_back(std::string(status.message()));
    for (const std::string& wrong : wrong_) Say("WRONG: " + wrong);
    for (const auto& [error, count] : figures_.errors) {
      Say(absl::StrCat("retried ", count, " times after: ", error));
    }
    for (const auto& [name, growth] : growth_) {
      Say(absl::StrCat(name, ": ", growth.first, "; after: ", growth.second));
    }
    std::uint64_t faults = 0;
    std::string kinds;
    for (const auto& [kind, count] : faults_) {
      faults += count;
      absl::StrAppend(&kinds, kinds.empty() ? "" : ", ", kind, " ", count);
    }
    const bool well = wrong_.empty();
    std::cout << "fault run: " << absl::FormatDuration(absl::Trunc(took_, absl::Milliseconds(100)))
              << ", streams " << absl::GetFlag(FLAGS_streams) << ", finished " << figures_.finished
              << ", vanished " << figures_.vanished << ", tokens " << figures_.tokens
              << ", drafted steps " << figures_.drafted_steps << ", fallbacks "
              << figures_.fallbacks << ", moves " << figures_.moves << ", faults " << faults << " ("
              << kinds << "), retried " << figures_.retried << ", longest request "
              << absl::FormatDuration(absl::Trunc(figures_.longest, absl::Milliseconds(1)))
              << ", mismatches " << figures_.mismatches << ", unexplained errors "
              << figures_.unexplained << ", late " << figures_.late << ", leaks " << leaks_
              << (well ? ": well" : ": WRONG") << std::endl;
    return well;
  }

  const std::string& folder() const { return folder_; }

 private:
  absl::Status StartFleet() {
    const char* bin = std::getenv("RECYCLING_BIN_DIR");
    folder_ = absl::GetFlag(FLAGS_keep).empty() ? temporary_.path() : absl::GetFlag(FLAGS_keep);
    FleetOptions options;
    options.members = {absl::GetFlag(FLAGS_verifiers), absl::GetFlag(FLAGS_drafters),
                       absl::GetFlag(FLAGS_gateways)};
    options.programs = bin == nullptr ? "." : bin;
    options.folder = folder_;
    options.model = absl::GetFlag(FLAGS_model);
    if (options.model.empty()) {
      options.model = folder_ + "/tiny.gguf";
      doubles::TinyModelSpec spec;
      spec.context_length = 2048;
      if (!doubles::WriteTinyModel(spec, options.model)) {
        return absl::UnavailableError("cannot write " + options.model);
      }
    }
    const int streams = absl::GetFlag(FLAGS_streams);
    options.flags[kVerifier] = {"--threads=1", "--cost_budget=200ms",
                                absl::StrCat("--max_sequences=", 2 * streams)};
    options.flags[kGateway] = {absl::StrCat("--max_requests=", 2 * streams)};
    Append(absl::GetFlag(FLAGS_verifier_flags), &options.flags[kVerifier]);
    Append(absl::GetFlag(FLAGS_gateway_flags), &options.flags[kGateway]);
    Say(absl::StrCat("starting ", absl::StrJoin(options.members, " + "), " programs in ", folder_));
    ASSIGN_OR_RETURN(fleet_, Fleet::Start(options));
    return absl::OkStatus();
  }

  std::unique_ptr<Load> StartLoad() {
    return std::make_unique<Load>(*fleet_, expected_,
                                  LoadOptions{.streams = absl::GetFlag(FLAGS_streams),
                                              .seed = absl::GetFlag(FLAGS_seed),
                                              .deadline = absl::GetFlag(FLAGS_deadline)},
                                  progress_);
  }

  // Runs every request once without faults, so that caches and pools fill. Then measures what the
  // survivors hold.
  absl::Status Calm() {
    Say("calm");
    const auto load = StartLoad();
    if (!Eventually(absl::Minutes(10), [&] { return load->ended() >= expected_.size(); })) {
      return absl::DeadlineExceededError("calm: not all requests ended in ten minutes");
    }
    const LoadFigures calm = load->Stop();
    if (calm.mismatches + calm.unexplained > 0) {
      figures_ = calm;
      return absl::InternalError("calm: outputs differ or requests fail without any fault");
    }
    RETURN_IF_ERROR(fleet_->AwaitQuiet(kQuietPatience));
    before_ = fleet_->SurvivorFacts();
    return absl::OkStatus();
  }

  absl::Status Storm() {
    const absl::Time begin = absl::Now();
    const double minutes = absl::GetFlag(FLAGS_minutes);
    Say(minutes > 0 ? absl::StrCat("faults for ", minutes, " minutes")
                    : absl::StrCat(absl::GetFlag(FLAGS_faults), " faults"));
    const auto load = StartLoad();
    const absl::Status status =
        minutes > 0 ? StormByClock(begin + absl::Minutes(minutes)) : StormByCount();
    if (!status.ok()) Say("stopping: " + std::string(status.message()));
    figures_ = load->Stop();
    took_ = absl::Now() - begin;
    RETURN_IF_ERROR(status);
    if (figures_.mismatches > 0) wrong_.push_back("outputs differ from their references");
    if (figures_.unexplained > 0)
      wrong_.push_back("requests failed without a fault of their gateway");
    return absl::OkStatus();
  }

  FaultSchedule Schedule(const std::vector<Role>& roles, std::uint64_t pause, std::uint64_t fault) {
    FaultScheduleOptions options = {.seed = absl::GetFlag(FLAGS_seed) + 100 * lanes_++,
                                    .longest_pause = pause,
                                    .longest_fault = fault};
    for (const Role role : roles) {
      options.members.push_back(static_cast<int>(fleet_->of(role).size()));
    }
    return FaultSchedule(std::move(options));
  }

  // The seed decides the order of the faults and the number of messages between them. The clock
  // does not.
  absl::Status StormByCount() {
    const std::vector<Role> roles = {kVerifier, kDrafter, kGateway};
    FaultLane lane(*fleet_, roles, Schedule(roles, kMessagesToNext, kMessagesInFault),
                   progress_.count());
    absl::Status status;
    const auto wanted = static_cast<std::uint64_t>(absl::GetFlag(FLAGS_faults));
    while (status.ok() && !(lane.resting() && lane.faults() >= wanted)) {
      const bool may_stall = !lane.resting() && (absl::GetFlag(FLAGS_verifiers) < 2 ||
                                                 absl::GetFlag(FLAGS_gateways) < 2);
      const absl::Duration patience =
          may_stall ? kNobodyHears : absl::GetFlag(FLAGS_deadline) + absl::Seconds(10);
      std::uint64_t now = progress_.count();
      while (now < lane.due()) {
        const std::uint64_t before = now;
        progress_.WaitUntil(lane.due(), patience);
        now = progress_.count();
        if (now > before) continue;
        if (!may_stall) {
          status = absl::DeadlineExceededError("clients receive no messages: " + lane.ForPeople());
        }
        now = lane.due();
      }
      if (status.ok()) status = lane.Step(now);
      if (lane.due() == 0) absl::SleepFor(absl::Milliseconds(2));
    }
    faults_ = lane.counts();
    return status;
  }

  absl::Status StormByClock(absl::Time end) {
    const absl::Time begin = absl::Now();
    const auto now = [&] {
      return static_cast<std::uint64_t>(absl::ToInt64Milliseconds(absl::Now() - begin));
    };
    const auto longest_fault =
        static_cast<std::uint64_t>(absl::ToInt64Milliseconds(absl::GetFlag(FLAGS_longest_fault)));
    std::vector<FaultLane> lanes;
    for (const Role role : {kVerifier, kDrafter, kGateway}) {
      if (fleet_->of(role).empty()) continue;
      lanes.emplace_back(*fleet_, std::vector<Role>{role},
                         Schedule({role}, kLongestPause, longest_fault), now());
    }
    absl::Status status;
    absl::Time next_sample = begin;
    bool resting = false;
    while (status.ok() && !(resting && absl::Now() >= end)) {
      resting = true;
      for (FaultLane& lane : lanes) {
        if (status.ok() && !(lane.resting() && absl::Now() >= end)) status = lane.Step(now());
        resting = resting && lane.resting();
      }
      if (absl::Now() >= next_sample) {
        next_sample += kBetweenSamples;
        for (const auto& [name, facts] : fleet_->SurvivorFacts()) {
          memory_[name].push_back(facts.resident_kib);
        }
      }
      if (status.ok()) status = fleet_->CheckNoneCrashed();
      absl::SleepFor(absl::Milliseconds(10));
    }
    for (const FaultLane& lane : lanes) {
      for (const auto& [kind, count] : lane.counts()) faults_[kind] += count;
    }
    return status;
  }

  absl::Status AfterStorm() {
    RETURN_IF_ERROR(fleet_->CheckNoneCrashed());
    const absl::Status quiet = fleet_->AwaitQuiet(kQuietPatience);
    if (!quiet.ok()) Leak(std::string(quiet.message()));
    const int spare = absl::GetFlag(FLAGS_descriptors);
    std::map<std::string, ProcessFacts> after =
        fleet_->AwaitReleased(before_, spare, kQuietPatience);
    for (const auto& [name, before] : before_) {
      const ProcessFacts& now = after[name];
      growth_[name] = {before.ForPeople(), now.ForPeople()};
      if (HoldsMore(now, before, spare)) {
        Leak(absl::StrCat(name, ": ", before.ForPeople(), ", later ", now.ForPeople()));
      }
      CheckMemory(name, before, now);
    }
    return absl::OkStatus();
  }

  // With samples, checks their trend. Otherwise, checks the difference between the end and the
  // beginning.
  void CheckMemory(const std::string& name, const ProcessFacts& before, const ProcessFacts& now) {
    const std::int64_t most = std::int64_t{absl::GetFlag(FLAGS_growth_mib)} << 10;
    const auto& series = memory_[name];
    const std::int64_t growth =
        series.empty() ? now.resident_kib - before.resident_kib : Growth(series);
    absl::StrAppend(&growth_[name].second, ", memory trend ", growth, " KiB of ", series.size(),
                    " samples");
    if (growth > most) Leak(absl::StrCat(name, ": memory grows by ", growth, " KiB"));
  }

  void Leak(const std::string& what) {
    ++leaks_;
    wrong_.push_back("leak: " + what);
  }

  doubles::TempDir temporary_;
  std::string folder_;
  std::unique_ptr<Fleet> fleet_;
  std::vector<Expected> expected_;
  Progress progress_;
  std::uint64_t lanes_ = 0;
  std::map<std::string, ProcessFacts> before_;
  std::map<std::string, std::vector<std::int64_t>> memory_;  // KiB, of survivors
  std::map<std::string, std::uint64_t> faults_;
  // What each survivor held before and after the faults, as text.
  std::map<std::string, std::pair<std::string, std::string>> growth_;
  LoadFigures figures_;
  absl::Duration took_;
  int leaks_ = 0;
  std::vector<std::string> wrong_;
};

int Main() {
  signal(SIGPIPE, SIG_IGN);
  Run run;
  const absl::Status status = run.Do();
  return run.Report(status) ? kExitOk : kExitFailure;
}

}  // namespace
}  // namespace recycling::fault

int main(int argc, char** argv) {
  recycling::ParseProgramFlags(
      argc, argv,
      {.name = "fault_program",
       .summary = "Runs many clients against real services, and kills, pauses, drains and cuts off "
                  "the services "
                  "meanwhile. Every output must equal the undisturbed one, and no service may "
                  "leak. The programs come "
                  "from RECYCLING_BIN_DIR.",
       .examples = "fault_program --faults 30 --streams 8\n"
                   "fault_program --minutes 60 --model deploy/model/default.q8_0.gguf\n"});
  return recycling::fault::Main();
}
