#ifndef RECYCLING_TESTS_VERIFIER_KERNELS_NO_NEW_THREADS_H_
#define RECYCLING_TESTS_VERIFIER_KERNELS_NO_NEW_THREADS_H_

#include <pthread.h>

#include <cstddef>

namespace recycling::verifier {

// While an object of this class exists, this process cannot start threads: their default stack is
// larger than the address space. Needs glibc.
class NoNewThreads {
 public:
  NoNewThreads() {
    pthread_getattr_default_np(&before_);
    pthread_attr_t huge;
    pthread_getattr_default_np(&huge);
    pthread_attr_setstacksize(&huge, std::size_t{1} << 60);
    works_ = pthread_setattr_default_np(&huge) == 0;
    pthread_attr_destroy(&huge);
  }
  ~NoNewThreads() {
    pthread_setattr_default_np(&before_);
    pthread_attr_destroy(&before_);
  }
  NoNewThreads(const NoNewThreads&) = delete;
  NoNewThreads& operator=(const NoNewThreads&) = delete;

  // False if the C library refused the stack size. Then the process can still start threads.
  bool works() const { return works_; }

 private:
  pthread_attr_t before_ = {};
  bool works_ = false;
};

}  // namespace recycling::verifier

#endif  // RECYCLING_TESTS_VERIFIER_KERNELS_NO_NEW_THREADS_H_
