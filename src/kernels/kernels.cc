#include "kernels/kernels.h"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

#include "kernels/variants.h"

namespace mimo {
namespace {

#if defined(__x86_64__)
struct CpuidWords {
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
};

// Zeros where the processor has no such leaf.
CpuidWords Cpuid(unsigned leaf, unsigned subleaf) {
  CpuidWords words;
  __get_cpuid_count(leaf, subleaf, &words.eax, &words.ebx, &words.ecx, &words.edx);
  return words;
}

// Conversion of binary16. Clang's __builtin_cpu_supports does not know the name.
bool HasF16c() { return (Cpuid(1, 0).ecx & (1U << 29)) != 0; }

// Clang 14 does not know this name either.
bool HasAvxVnni() { return (Cpuid(7, 1).eax & (1U << 4)) != 0; }

// AMD's family 26.
bool IsZen5() {
  const unsigned version = Cpuid(1, 0).eax;
  const unsigned base_family = (version >> 8) & 15;
  const unsigned extended_family = (version >> 20) & 255;
  return __builtin_cpu_is("amd") && base_family == 15 && base_family + extended_family == 26;
}
#else
bool IsZen5() { return false; }
#endif

std::vector<const Kernels*> DetectSupported() {
  std::vector<const Kernels*> supported = {&ReferenceKernels()};
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && HasF16c();
  if (avx2) supported.push_back(&Avx2Kernels());
  if (avx2 && HasAvxVnni()) supported.push_back(&AvxVnniKernels());
  if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq")) {
    supported.push_back(&Avx512Kernels());
    const bool vnni = __builtin_cpu_supports("avx512vnni");
    if (vnni) supported.push_back(&Avx512VnniKernels());
    if (vnni && __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512bf16")) {
      // Intel's cores take two cycles for a dot product of bfloat16 numbers, and half a cycle for as many
      // multiply-adds of float32: an Emerald Rapids core does 86 GFLOP/s of the one and 176 of the other.
      // Products of weights gain from reading half the bytes all the same.
      supported.push_back(&Avx512Bf16MatMulKernels());
      supported.push_back(&Avx512Bf16Kernels());
      if (__builtin_cpu_is("intel")) std::swap(supported.back(), *(supported.end() - 2));
    }
  }
#elif defined(__aarch64__)
  if ((getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0) supported.push_back(&NeonKernels());
#endif
  return supported;
}

}  // namespace

std::span<const Kernels* const> SupportedKernels() {
  static const std::vector<const Kernels*> kSupported = DetectSupported();
  return kSupported;
}

bool LooksAheadWhileUnpacking() {
  static const bool kLooksAhead = !IsZen5();
  return kLooksAhead;
}

const Kernels* FindKernels(std::string_view name) {
  if (name.empty()) return SupportedKernels().back();
  for (const Kernels* kernels : SupportedKernels()) {
    if (name == kernels->name) return kernels;
  }
  return nullptr;
}

}  // namespace mimo
