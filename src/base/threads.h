// base/threads.h: a fixed set of sleeping threads, and loops over them.
//
// parallel_for splits [0, count) into items that threads take one after another, so uneven items balance: whoever is
// idle takes from any loop that has items left. Results must not depend on which thread runs an item; then they do not
// depend on the number of threads either. Idle threads sleep: nothing here ever spins, because spin barriers collapse
// on shared cores. Threads: parallel_for may be called from many threads at once, and from inside a body.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace sextant::base {

// What a --threads of 0 means: the processors this process may run on, at least 1.
size_t default_thread_count();

// From now on the calling thread runs when others have nothing to do, as far as the system can arrange that.
void lower_thread_priority();

class ThreadPool {
 public:
  // The caller counts as one: ThreadPool(1) starts none. 0 means default_thread_count().
  explicit ThreadPool(size_t thread_count = 0);
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;
  ~ThreadPool();

  size_t thread_count() const { return workers_.size() + 1; }

  // Calls body(item, thread) for each item; thread < thread_count() names the thread within this loop, for scratch
  // memory. Returns when all are done. The first exception stops further items and is rethrown here.
  void parallel_for(size_t count, const std::function<void(size_t item, size_t thread)>& body);

  // One pool for each count of threads, made at first use and kept: for those who have no pool of their own. 0 as
  // above.
  static ThreadPool& shared(size_t thread_count);

 private:
  struct Loop;
  void work(size_t thread);
  void take_items(Loop& loop, size_t thread);
  Loop* open_loop();  // one that has items left, or nullptr; REQUIRES: mutex_ is held

  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Loop*> loops_;  // guarded by mutex_, as are all below
  size_t sleeping_ = 0;
  bool stopping_ = false;
  std::vector<std::thread> workers_;
};

}  // namespace sextant::base
