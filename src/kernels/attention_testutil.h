#pragma once
// Memory for the tests and benchmarks of attention.

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>

namespace mimo {

// Floats that begin at a cache line, filled with a number that is not 0.
class AlignedFloats {
 public:
  explicit AlignedFloats(size_t count)
      : memory_(static_cast<float*>(::operator new(count * sizeof(float), kAlignment))) {
    std::fill_n(memory_.get(), count, -7.0F);
  }
  float* get() const { return memory_.get(); }

 private:
  static constexpr std::align_val_t kAlignment{64};
  struct Delete {
    void operator()(float* memory) const { ::operator delete(memory, kAlignment); }
  };
  std::unique_ptr<float, Delete> memory_;
};

}  // namespace mimo
