#ifndef RECYCLING_VERIFIER_KERNELS_BUFFER_H_
#define RECYCLING_VERIFIER_KERNELS_BUFFER_H_

#include <cstddef>
#include <cstdlib>
#include <limits>
#include <memory>
#include <type_traits>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace recycling::verifier {

// Owns memory for numbers. A new buffer is empty.
template <typename T>
class Buffer {
  static_assert(std::is_trivial_v<T>);

 public:
  // Makes room for at least `count` values, at an address that is a multiple of 64. If the buffer
  // grows, its old contents are lost and the new ones are not initialized. Returns
  // ResourceExhausted, with `what` in the message, if the system has no memory; the buffer is then
  // unchanged.
  absl::Status Reserve(std::size_t count, const char* what) {
    if (count <= size_) return absl::OkStatus();
    constexpr std::size_t kAlignment = 64;
    if (count > (std::numeric_limits<std::size_t>::max() - kAlignment) / sizeof(T)) {
      return absl::ResourceExhaustedError(absl::StrCat("memory for ", what, ": the size of ", count,
                                                       " values does not fit into 64 bits"));
    }
    const std::size_t bytes = (count * sizeof(T) + kAlignment - 1) / kAlignment * kAlignment;
    void* data = std::aligned_alloc(kAlignment, bytes);
    if (data == nullptr) {
      return absl::ResourceExhaustedError(
          absl::StrCat("memory for ", what, ": the system refused ", bytes, " bytes"));
    }
    data_.reset(static_cast<T*>(data));
    size_ = count;
    return absl::OkStatus();
  }

  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }
  std::size_t size() const { return size_; }

 private:
  struct Free {
    void operator()(T* data) const { std::free(data); }
  };

  std::unique_ptr<T, Free> data_;
  std::size_t size_ = 0;
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_BUFFER_H_
