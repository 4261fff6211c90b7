#include "tests/fault/load.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/integration/random_request.h"

namespace recycling::fault {
namespace {

namespace pb = gateway::v1;
using integration::Output;

constexpr std::size_t kTroubleShown = 10;
constexpr absl::Duration kPauseBeforeRetry = absl::Milliseconds(10);

double Unit(std::mt19937_64& random) { return static_cast<double>(random() >> 11) * 0x1p-53; }

// Whether the tokens and the text of `output` are the beginning of those of `whole`.
bool BeginsLike(const Output& output, const Output& whole) {
  return output.ids.size() <= whole.ids.size() &&
         std::equal(output.ids.begin(), output.ids.end(), whole.ids.begin()) &&
         whole.text.starts_with(output.text);
}

std::string Describe(const Expected& expected, const Output& output) {
  return absl::StrCat(expected.request.ShortDebugString(), "\n got: ", output.ForPeople(),
                      "\n expected: ", expected.output.ForPeople());
}

}  // namespace

std::vector<pb::GenerateRequest> MixedRequests(std::uint64_t first_seed, int count,
                                               std::uint32_t longest) {
  constexpr pb::SpeculationMode kModes[] = {pb::SPECULATION_MODE_UNSPECIFIED,
                                            pb::SPECULATION_MODE_ON, pb::SPECULATION_MODE_OFF,
                                            pb::SPECULATION_MODE_FIXED};
  constexpr const char* kBeginnings[] = {"the way of the world and the sea ", "Once upon a time "};
  std::vector<pb::GenerateRequest> requests;
  for (int i = 0; i < count; ++i) {
    const std::uint64_t seed = first_seed + static_cast<std::uint64_t>(i);
    std::mt19937_64 random(~seed);
    auto& request = requests.emplace_back(integration::RandomRequest(seed, longest));
    request.mutable_speculation()->set_mode(kModes[random() % std::size(kModes)]);
    if (random() % 3 != 0) {
      std::string prompt;
      const char* beginning = kBeginnings[random() % std::size(kBeginnings)];
      for (std::uint64_t times = 1 + random() % 6; times > 0; --times) prompt += beginning;
      request.set_prompt(prompt + request.prompt());
    }
    request.set_request_id(absl::StrCat("seed-", seed));
  }
  return requests;
}

absl::StatusOr<std::vector<Expected>> MakeReferences(const std::string& gateway,
                                                     std::vector<pb::GenerateRequest> requests) {
  std::vector<Expected> expected(requests.size());
  std::atomic<std::size_t> next = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      const auto channel = OwnChannel(gateway);
      for (std::size_t at = next++; at < requests.size(); at = next++) {
        pb::GenerateRequest plain = requests[at];
        plain.mutable_speculation()->set_mode(pb::SPECULATION_MODE_OFF);
        expected[at] = {.request = std::move(requests[at]),
                        .output = integration::Generate(channel, plain)};
      }
    });
  }
  for (auto& thread : threads) thread.join();
  for (const Expected& one : expected) {
    if (!one.output.status.ok()) {
      return absl::InternalError(absl::StrCat("reference: ", one.request.ShortDebugString(), "\n",
                                              one.output.ForPeople()));
    }
  }
  return expected;
}

Load::Load(const Fleet& fleet, const std::vector<Expected>& expected, const LoadOptions& options,
           Progress& progress)
    : fleet_(fleet), expected_(expected), options_(options), progress_(progress) {
  for (int i = 0; i < options_.streams; ++i) {
    const std::uint64_t seed = options_.seed * 1000 + static_cast<std::uint64_t>(i);
    threads_.emplace_back([this, seed] { RunStream(seed); });
  }
}

Load::~Load() { Stop(); }

LoadFigures Load::Stop() {
  stop_ = true;
  for (auto& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
  MutexLock lock(mutex_);
  return figures_;
}

void Load::RunStream(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  Channels channels(fleet_.of(kGateway).size());
  while (!stop_) {
    RunRequest(expected_[next_++ % expected_.size()], random, channels);
    ++ended_;
  }
}

void Load::RunRequest(const Expected& expected, std::mt19937_64& random, Channels& channels) {
  const bool vanishes = Unit(random) < options_.vanishing;
  const int last_delta = vanishes ? 1 + static_cast<int>(random() % 20) : 0;
  while (true) {
    const std::size_t index = random() % channels.size();
    const Member& gateway = *fleet_.of(kGateway)[index];
    const std::uint64_t before = gateway.disturbed.load();
    if (channels[index] == nullptr) channels[index] = OwnChannel(gateway.proxy->address());
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() +
                         absl::ToChronoMilliseconds(options_.deadline));
    bool vanished = false;
    const absl::Time begin = absl::Now();
    const Output output = integration::Generate(
        channels[index], expected.request,
        [&](int deltas) {
          progress_.Add();
          if (deltas != last_delta) return;
          vanished = true;
          context.TryCancel();
        },
        &context);
    progress_.Add();
    const bool disturbed = before % 2 == 1 || before != gateway.disturbed.load();
    if (Settle(expected, output, gateway, vanished, disturbed, absl::Now() - begin)) return;
    channels[index].reset();
    absl::SleepFor(kPauseBeforeRetry);
  }
}

bool Load::Settle(const Expected& expected, const Output& output, const Member& gateway,
                  bool vanished, bool disturbed, absl::Duration took) {
  MutexLock lock(mutex_);
  figures_.longest = std::max(figures_.longest, took);
  Judge(expected, output, vanished);
  if (output.status.ok() || vanished) return true;
  if (disturbed) {
    ++figures_.retried;
    ++figures_.errors[absl::StrCat(output.status.error_code(), " ",
                                   output.status.error_message().substr(0, 60))];
    return false;
  }
  ++figures_.unexplained;
  if (output.status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) ++figures_.late;
  Trouble(absl::StrCat("unexplained error at ", gateway.name, ": ", Describe(expected, output)));
  return true;
}

void Load::Judge(const Expected& expected, const Output& output, bool vanished) {
  const bool right =
      output.status.ok() ? output.SameTokens(expected.output) : BeginsLike(output, expected.output);
  figures_.tokens += output.ids.size();
  figures_.drafted_steps += output.final.speculation().drafted_steps();
  figures_.fallbacks += output.Fallbacks();
  figures_.moves += output.final.speculation().moves();
  if (!right) {
    ++figures_.mismatches;
    Trouble("mismatch: " + Describe(expected, output));
  } else if (output.status.ok()) {
    ++figures_.finished;
  } else if (vanished) {
    ++figures_.vanished;
  }
}

void Load::Trouble(const std::string& what) {
  if (figures_.trouble.size() < kTroubleShown) figures_.trouble.push_back(what);
}

}  // namespace recycling::fault
