// Attacks running services: sends random, damaged and huge messages to every method of every
// service, and holds a thousand idle connections open. Good clients must be served as usual
// meanwhile.
#include <google/protobuf/stubs/logging.h>
#include <signal.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/status_macros.h"
#include "common/program/program.h"
#include "recycling/drafter/v1/drafter.grpc.pb.h"
#include "recycling/verifier/v1/verifier.grpc.pb.h"
#include "tests/doubles/tiny_model.h"
#include "tests/fault/attacker.h"
#include "tests/fault/fleet.h"
#include "tests/fault/load.h"
#include "tests/fault/method_list.h"

ABSL_FLAG(double, minutes, 0, "Duration of the attacks in minutes. 0: make --attacks attacks.");
ABSL_FLAG(int, attacks, 600, "Number of attacks without --minutes.");
ABSL_FLAG(int, attackers, 4, "Number of attacks at the same time.");
ABSL_FLAG(int, idle, 1000, "Number of idle connections to all services together.");
ABSL_FLAG(int, streams, 4, "Number of concurrent good clients.");
ABSL_FLAG(int, huge_mib, 20, "Size of the largest messages, in MiB.");
ABSL_FLAG(int, most_mib, 1024, "Largest growth of the peak memory of a service, in MiB.");
ABSL_FLAG(int, growth_mib, 64,
          "Largest upward trend of the memory of a service with --minutes, in MiB.");
ABSL_FLAG(int, descriptors, 8,
          "Largest number of additional descriptors that a service may have at the end.");
ABSL_FLAG(std::uint64_t, seed, 1, "Seed of the requests and the attacks.");
ABSL_FLAG(std::string, model, "", "GGUF file. Empty: a small random model.");
ABSL_FLAG(std::string, keep, "", "Folder for the logs of all programs. Empty: a temporary folder.");

namespace recycling::fault {
namespace {

constexpr absl::Duration kQuietPatience = absl::Minutes(1);
constexpr absl::Duration kBetweenSamples = absl::Seconds(2);
constexpr const char* kNames[kRoles] = {"verifier", "drafter", "gateway"};

void Say(const std::string& what) { std::cerr << what << std::endl; }

class Run {
 public:
  absl::Status Do() {
    RETURN_IF_ERROR(StartFleet());
    ASSIGN_OR_RETURN(expected_, MakeReferences(fleet_->member(kGateway, 0).address,
                                               MixedRequests(absl::GetFlag(FLAGS_seed), 60, 60)));
    RETURN_IF_ERROR(Calm());
    RETURN_IF_ERROR(FindVictims());
    Attack();
    return Afterwards();
  }

  bool Report(const absl::Status& status) {
    for (const std::string& trouble : figures_.trouble) Say(trouble);
    if (!status.ok()) wrong_.push_back(std::string(status.message()));
    for (const auto& [what, count] : attacks_) Say(absl::StrCat("  ", count, " ", what));
    for (const std::string& line : memory_lines_) Say(line);
    for (const std::string& wrong : wrong_) Say("WRONG: " + wrong);
    std::cout << "hostile run: "
              << absl::FormatDuration(absl::Trunc(took_, absl::Milliseconds(100))) << ", attacks "
              << attacks_made_.load() << ", idle connections held " << idle_held_
              << ", closed by services " << idle_closed_ << ", good clients "
              << absl::GetFlag(FLAGS_streams) << ", finished " << figures_.finished
              << ", mismatches " << figures_.mismatches << ", errors " << figures_.unexplained
              << ", longest request "
              << absl::FormatDuration(absl::Trunc(figures_.longest, absl::Milliseconds(1)))
              << ", largest growth of memory " << largest_growth_kib_ / 1024 << " MiB"
              << (wrong_.empty() ? ": well" : ": WRONG") << std::endl;
    return wrong_.empty();
  }

 private:
  absl::Status StartFleet() {
    const char* bin = std::getenv("RECYCLING_BIN_DIR");
    FleetOptions options = {.members = {1, 1, 1}, .programs = bin == nullptr ? "." : bin};
    options.folder =
        absl::GetFlag(FLAGS_keep).empty() ? temporary_.path() : absl::GetFlag(FLAGS_keep);
    options.model = absl::GetFlag(FLAGS_model);
    if (options.model.empty()) {
      options.model = options.folder + "/tiny.gguf";
      doubles::TinyModelSpec spec;
      spec.context_length = 2048;
      if (!doubles::WriteTinyModel(spec, options.model)) {
        return absl::UnavailableError("cannot write " + options.model);
      }
    }
    options.flags[kVerifier] = {"--threads=1", "--cost_budget=200ms", "--max_sequences=64"};
    options.flags[kDrafter] = {absl::StrCat("--max_matrix_bytes=", 16 << 20)};
    ASSIGN_OR_RETURN(fleet_, Fleet::Start(options));
    return absl::OkStatus();
  }

  std::unique_ptr<Load> StartLoad() {
    return std::make_unique<Load>(
        *fleet_, expected_,
        LoadOptions{.streams = absl::GetFlag(FLAGS_streams), .seed = absl::GetFlag(FLAGS_seed)},
        progress_);
  }

  absl::Status Calm() {
    Say("calm");
    const auto load = StartLoad();
    if (!Eventually(absl::Minutes(5), [&] { return load->ended() >= expected_.size(); })) {
      return absl::DeadlineExceededError("calm: not all requests ended in five minutes");
    }
    figures_ = load->Stop();
    if (figures_.mismatches + figures_.unexplained > 0) {
      return absl::InternalError("calm: outputs differ or requests fail without any attack");
    }
    RETURN_IF_ERROR(fleet_->AwaitQuiet(kQuietPatience));
    before_ = fleet_->SurvivorFacts();
    return absl::OkStatus();
  }

  absl::Status FindVictims() {
    ServiceFacts facts;
    const auto verifier =
        verifier::v1::VerifierService::NewStub(OwnChannel(fleet_->member(kVerifier, 0).address));
    grpc::ClientContext hello;
    if (!verifier->Handshake(&hello, {}, &facts.verifier).ok()) {
      return absl::UnavailableError("the verifier does not answer");
    }
    const auto drafter =
        drafter::v1::DrafterService::NewStub(OwnChannel(fleet_->member(kDrafter, 0).address));
    drafter::v1::SaveMatrixRequest save;
    save.set_scope(common::v1::MATRIX_SCOPE_TENANT);
    save.set_tenant("default");
    grpc::ClientContext saving;
    const auto snapshot = drafter->SaveMatrix(&saving, save);
    for (drafter::v1::SaveMatrixResponse part; snapshot->Read(&part);) {
      facts.snapshot += part.chunk();
    }
    if (!snapshot->Finish().ok() || facts.snapshot.empty()) {
      return absl::UnavailableError("the drafter does not return a snapshot");
    }
    for (int role = 0; role < kRoles; ++role) {
      victims_.push_back({.name = kNames[role],
                          .address = fleet_->member(role, 0).address,
                          .methods = MethodsOf(kNames[role], facts)});
    }
    return absl::OkStatus();
  }

  void Attack() {
    const absl::Time begin = absl::Now();
    const double minutes = absl::GetFlag(FLAGS_minutes);
    const absl::Time end = begin + absl::Minutes(minutes);
    const auto most = static_cast<std::uint64_t>(absl::GetFlag(FLAGS_attacks));
    IdleCrowd idle(victims_, absl::GetFlag(FLAGS_idle));
    idle_held_ = idle.open();
    Say(absl::StrCat("attacks begin, with ", idle_held_, " idle connections"));
    const auto load = StartLoad();
    std::atomic<bool> stop = false;
    std::vector<std::thread> threads;
    Mutex mutex;  // guards attacks_
    const auto huge = static_cast<std::size_t>(absl::GetFlag(FLAGS_huge_mib)) << 20;
    for (int i = 0; i < absl::GetFlag(FLAGS_attackers); ++i) {
      threads.emplace_back([&, seed = absl::GetFlag(FLAGS_seed) * 100 + std::uint64_t(i)] {
        Attacker attacker(victims_, seed, huge);
        while (!stop && (minutes > 0 || attacks_made_ < most)) {
          attacker.Attack();
          ++attacks_made_;
        }
        MutexLock lock(mutex);
        for (const auto& [what, count] : attacker.counts()) attacks_[what] += count;
      });
    }
    absl::Time next_sample = begin;
    while (minutes > 0 ? absl::Now() < end : attacks_made_ < most) {
      if (!fleet_->CheckNoneCrashed().ok()) break;
      if (absl::Now() >= next_sample) {
        next_sample += kBetweenSamples;
        Sample();
        if (minutes > 0) idle.Tend();
      }
      absl::SleepFor(absl::Milliseconds(20));
    }
    stop = true;
    for (auto& thread : threads) thread.join();
    Sample();
    took_ = absl::Now() - begin;
    figures_ = load->Stop();
    idle_closed_ = idle.closed();
  }

  void Sample() {
    for (const auto& [name, facts] : fleet_->SurvivorFacts()) {
      memory_[name].push_back(facts.resident_kib);
    }
  }

  absl::Status Afterwards() {
    RETURN_IF_ERROR(fleet_->CheckNoneCrashed());
    if (figures_.mismatches > 0)
      wrong_.push_back("outputs of good clients differ from their references");
    if (figures_.unexplained > 0) wrong_.push_back("good clients got errors");
    if (figures_.finished == 0) wrong_.push_back("no request of a good client finished");
    const absl::Status quiet = fleet_->AwaitQuiet(kQuietPatience);
    if (!quiet.ok()) wrong_.push_back("leak: " + std::string(quiet.message()));
    const int spare = absl::GetFlag(FLAGS_descriptors);
    std::map<std::string, ProcessFacts> after =
        fleet_->AwaitReleased(before_, spare, kQuietPatience);
    for (const auto& [name, facts] : before_) {
      if (HoldsMore(after[name], facts, spare)) {
        wrong_.push_back("leak: " + name + " has more descriptors or threads than before");
      }
      CheckMemory(name, facts, after[name]);
    }
    return absl::OkStatus();
  }

  void CheckMemory(const std::string& name, const ProcessFacts& before, const ProcessFacts& after) {
    const std::int64_t peak = after.peak_kib - before.resident_kib;
    const std::int64_t trend = Growth(memory_[name]);
    largest_growth_kib_ = std::max(largest_growth_kib_, peak);
    memory_lines_.push_back(absl::StrCat(name, ": ", before.ForPeople(),
                                         "; after: ", after.ForPeople(), ", at most ",
                                         after.peak_kib / 1024, " MiB, trend ", trend, " KiB of ",
                                         memory_[name].size(), " samples"));
    if (peak >> 10 > absl::GetFlag(FLAGS_most_mib)) {
      wrong_.push_back(name + ": peak memory grew by more than --most_mib");
    }
    if (absl::GetFlag(FLAGS_minutes) > 0 && trend >> 10 > absl::GetFlag(FLAGS_growth_mib)) {
      wrong_.push_back(name + ": memory grows by more than --growth_mib");
    }
  }

  doubles::TempDir temporary_;
  std::unique_ptr<Fleet> fleet_;
  std::vector<Expected> expected_;
  std::vector<Victim> victims_;
  Progress progress_;
  std::map<std::string, ProcessFacts> before_;
  std::map<std::string, std::vector<std::int64_t>> memory_;  // KiB
  std::atomic<std::uint64_t> attacks_made_ = 0;
  std::map<std::string, std::uint64_t> attacks_;
  LoadFigures figures_;
  absl::Duration took_;
  int idle_held_ = 0;
  std::uint64_t idle_closed_ = 0;
  std::int64_t largest_growth_kib_ = 0;
  std::vector<std::string> memory_lines_;
  std::vector<std::string> wrong_;
};

int Main() {
  signal(SIGPIPE, SIG_IGN);
  google::protobuf::SetLogHandler(
      nullptr);  // no warnings about the invalid UTF-8 that attackers send
  Run run;
  const absl::Status status = run.Do();
  return run.Report(status) ? kExitOk : kExitFailure;
}

}  // namespace
}  // namespace recycling::fault

int main(int argc, char** argv) {
  recycling::ParseProgramFlags(
      argc, argv,
      {.name = "hostile_program",
       .summary = "Attacks every method of running services while good clients use them. No "
                  "service may crash, hang, "
                  "leak or give a wrong output. The programs come from RECYCLING_BIN_DIR.",
       .examples = "hostile_program --attacks 600\nhostile_program --minutes 30\n"});
  return recycling::fault::Main();
}
