#include "verifier/kernels/thread_pool.h"

#include <chrono>
#include <system_error>

#include "absl/strings/str_cat.h"

#if defined(__linux__)
#include <sched.h>
#endif

namespace recycling::verifier {
namespace {

constexpr std::chrono::microseconds kAwake{50};

// Processors that this process may run on; at least 1.
int Processors() {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return CPU_COUNT(&set);
#endif
  const unsigned known = std::thread::hardware_concurrency();
  return known == 0 ? 1 : static_cast<int>(known);
}

// Tells the processor that this thread waits, so that the other hardware thread of the core runs
// faster.
inline void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

}  // namespace

absl::StatusOr<std::unique_ptr<ThreadPool>> ThreadPool::Create(int threads) {
  std::unique_ptr<ThreadPool> pool(new ThreadPool(/*waits_awake=*/threads <= Processors()));
  pool->workers_.reserve(static_cast<std::size_t>(threads));
  pool->shares_ = std::make_unique<Share[]>(static_cast<std::size_t>(threads));
  for (int i = 1; i < threads; ++i) {
    try {
      pool->workers_.emplace_back(
          [pool = pool.get(), i] { pool->Work(static_cast<std::size_t>(i)); });
    } catch (const std::system_error& error) {
      return absl::ResourceExhaustedError(absl::StrCat("threads: got ", i,
                                                       " from the system, expected ", threads, ": ",
                                                       error.code().message()));
    }
  }
  return pool;
}

ThreadPool::~ThreadPool() {
  loops_.store(kStop);
  loops_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::Run(std::size_t tasks, absl::FunctionRef<void(std::size_t, std::size_t)> run) {
  if (workers_.empty() || tasks <= 1) {
    for (std::size_t task = 0; task < tasks; ++task) run(task, 0);
    return;
  }
  run_ = &run;
  unfinished_.store(static_cast<std::uint32_t>(tasks), std::memory_order_relaxed);
  for (std::size_t worker = 0; worker < threads(); ++worker) {
    shares_[worker].tasks.store(Tasks(worker * tasks / threads(), (worker + 1) * tasks / threads()),
                                std::memory_order_release);
  }
  // Skips kStop, which would stop the workers.
  const std::uint32_t loop = loops_.load(std::memory_order_relaxed) + 1;
  loops_.store(loop == kStop ? 0 : loop, std::memory_order_release);
  loops_.notify_all();  // makes no system call if no worker sleeps
  RunTasks(0);
  while (const std::uint32_t unfinished = unfinished_.load(std::memory_order_acquire)) {
    Wait(unfinished_, unfinished);
  }
}

void ThreadPool::Work(std::size_t worker) {
  std::uint32_t seen = 0;
  for (;;) {
    const std::uint32_t loop = loops_.load(std::memory_order_acquire);
    if (loop == kStop) return;
    if (loop == seen) {
      Wait(loops_, seen);
    } else {
      seen = loop;
      RunTasks(worker);
    }
  }
}

void ThreadPool::RunTasks(std::size_t worker) {
  std::uint32_t finished = 0;
  for (; const auto task = TakeFirst(shares_[worker]); ++finished) (*run_)(*task, worker);
  if (finished > 0) Finish(finished);
  for (;;) {
    Share* longest = nullptr;
    std::uint32_t most = 0;
    for (std::size_t other = 0; other < threads(); ++other) {
      const std::uint32_t left = Left(shares_[other].tasks.load(std::memory_order_relaxed));
      if (left <= most) continue;
      most = left;
      longest = &shares_[other];
    }
    if (longest == nullptr) return;
    if (const auto task = TakeLast(*longest)) {
      (*run_)(*task, worker);
      Finish(1);
    }
  }
}

void ThreadPool::Finish(std::uint32_t tasks) {
  if (unfinished_.fetch_sub(tasks, std::memory_order_acq_rel) == tasks) unfinished_.notify_all();
}

std::optional<std::uint32_t> ThreadPool::TakeFirst(Share& share) {
  std::uint64_t tasks = share.tasks.load(std::memory_order_relaxed);
  while (Left(tasks) > 0) {
    if (share.tasks.compare_exchange_weak(tasks, Tasks(First(tasks) + 1, End(tasks)),
                                          std::memory_order_acq_rel, std::memory_order_relaxed)) {
      return First(tasks);
    }
  }
  return std::nullopt;
}

std::optional<std::uint32_t> ThreadPool::TakeLast(Share& share) {
  std::uint64_t tasks = share.tasks.load(std::memory_order_relaxed);
  while (Left(tasks) > 0) {
    if (share.tasks.compare_exchange_weak(tasks, Tasks(First(tasks), End(tasks) - 1),
                                          std::memory_order_acq_rel, std::memory_order_relaxed)) {
      return End(tasks) - 1;
    }
  }
  return std::nullopt;
}

void ThreadPool::Wait(const std::atomic<std::uint32_t>& value, std::uint32_t old) const {
  if (waits_awake_) {
    using SteadyClock = std::chrono::steady_clock;
    constexpr int kPausesPerLook = 32;
    const auto end = SteadyClock::now() + kAwake;
    do {
      for (int i = 0; i < kPausesPerLook; ++i) {
        if (value.load(std::memory_order_relaxed) != old) return;
        Pause();
      }
    } while (SteadyClock::now() < end);
  }
  value.wait(old, std::memory_order_relaxed);
}

}  // namespace recycling::verifier
