#include "base/threads.h"

#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <utility>

namespace sextant::base {

size_t default_thread_count() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1u, std::thread::hardware_concurrency());
}

struct ThreadPool::Loop {
  const std::function<void(size_t, size_t)>& body;
  const size_t count;
  std::atomic<size_t> next = 0;
  size_t helpers = 0;  // threads inside, its caller aside; guarded by the pool's mutex, as is error
  std::exception_ptr error = nullptr;
  std::condition_variable done = {};
};

void lower_thread_priority() {
  // On Linux a nice value is a thread's own. Where it is refused nothing is lost but politeness.
  constexpr int kNice = 15;
  static_cast<void>(::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kNice));
}

ThreadPool::ThreadPool(size_t thread_count) {
  if (thread_count == 0) thread_count = default_thread_count();
  for (size_t thread = 1; thread < thread_count; ++thread) {
    workers_.emplace_back([this, thread] { work(thread); });
  }
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::parallel_for(size_t count, const std::function<void(size_t, size_t)>& body) {
  if (count == 0) return;
  if (workers_.empty() || count == 1) {
    for (size_t item = 0; item < count; ++item) body(item, 0);
    return;
  }
  Loop loop{body, count};
  size_t wanted = 0;
  {
    std::lock_guard lock(mutex_);
    loops_.push_back(&loop);
    wanted = std::min(count - 1, sleeping_);
  }
  for (size_t i = 0; i < wanted; ++i) wake_.notify_one();
  take_items(loop, 0);
  std::unique_lock lock(mutex_);
  loops_.erase(std::find(loops_.begin(), loops_.end(), &loop));
  loop.done.wait(lock, [&] { return loop.helpers == 0; });
  if (loop.error) std::rethrow_exception(loop.error);
}

void ThreadPool::take_items(Loop& loop, size_t thread) {
  for (size_t item = loop.next++; item < loop.count; item = loop.next++) {
    try {
      loop.body(item, thread);
    } catch (...) {
      std::lock_guard lock(mutex_);
      if (!loop.error) loop.error = std::current_exception();
      loop.next = loop.count;
    }
  }
}

ThreadPool::Loop* ThreadPool::open_loop() {
  for (Loop* loop : loops_) {
    if (loop->next < loop->count) return loop;
  }
  return nullptr;
}

void ThreadPool::work(size_t thread) {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    Loop* loop = open_loop();
    if (loop == nullptr) {
      ++sleeping_;
      wake_.wait(lock);
      --sleeping_;
      continue;
    }
    ++loop->helpers;
    lock.unlock();
    take_items(*loop, thread);
    lock.lock();
    if (--loop->helpers == 0) loop->done.notify_one();
  }
}

ThreadPool& ThreadPool::shared(size_t thread_count) {
  if (thread_count == 0) thread_count = default_thread_count();
  static std::mutex mutex;
  static std::map<size_t, std::unique_ptr<ThreadPool>> pools;
  std::lock_guard lock(mutex);
  std::unique_ptr<ThreadPool>& pool = pools[thread_count];
  if (!pool) pool = std::make_unique<ThreadPool>(thread_count);
  return *pool;
}

}  // namespace sextant::base
