# mimo_module(NAME [DEPENDS target...]) declares the library `mimo_NAME` from every .cc of the current folder.
#
# The file name says what a source is: x_test.cc goes to the test program, x_bench.cc to the benchmark program,
# x_fuzz.cc becomes a fuzz target, x_avx2.cc, x_avx512.cc, x_avx512vnni.cc and x_avx512bf16.cc get the flags of their
# instruction set, and everything else is the library. So adding a file is all it takes to build it.

# Everything of one kind, whatever the module: ninja unit_tests, benches, fuzzers.
add_custom_target(unit_tests)
add_custom_target(benches)
add_custom_target(fuzzers)

add_library(mimo_warnings INTERFACE)
target_compile_options(mimo_warnings INTERFACE -Wall -Wextra -Wconversion -Wshadow)
if(MIMO_SANITIZE)
  # Warnings stay warnings here: instrumented code makes GCC 12 see uninitialised reads and overlapping copies inside
  # std::optional and std::string (GCC bugs 105562 and 105651). The plain builds hold our code to them.
  target_compile_options(mimo_warnings INTERFACE -fsanitize=${MIMO_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(mimo_warnings INTERFACE -fsanitize=${MIMO_SANITIZE})
else()
  target_compile_options(mimo_warnings INTERFACE -Werror)
endif()
if(MIMO_FUZZ)
  target_compile_options(mimo_warnings INTERFACE -fsanitize=fuzzer-no-link)
endif()

set(MIMO_AVX2_FLAGS -mavx2 -mfma -mf16c)
# GCC 12 warns inside its own AVX-512 headers about deliberately undefined registers (GCC bug 105593).
set(MIMO_AVX512_FLAGS -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx2 -mfma -mf16c -Wno-uninitialized
    $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)

function(mimo_module name)
  cmake_parse_arguments(ARG "" "" "DEPENDS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS *.cc)
  file(GLOB tests CONFIGURE_DEPENDS *_test.cc)
  file(GLOB benches CONFIGURE_DEPENDS *_bench.cc)
  file(GLOB fuzzers CONFIGURE_DEPENDS *_fuzz.cc)
  list(REMOVE_ITEM sources ${tests} ${benches} ${fuzzers} "")
  if(NOT CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    list(FILTER sources EXCLUDE REGEX "_avx(2|512|512vnni|512bf16)\\.cc$")
  endif()
  foreach(source ${sources})
    if(source MATCHES "_avx2\\.cc$")
      set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS "${MIMO_AVX2_FLAGS}")
    elseif(source MATCHES "_avx512\\.cc$")
      set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS "${MIMO_AVX512_FLAGS}")
    elseif(source MATCHES "_avx512vnni\\.cc$")
      set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS "${MIMO_AVX512_FLAGS};-mavx512vnni")
    elseif(source MATCHES "_avx512bf16\\.cc$")
      set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS
                                  "${MIMO_AVX512_FLAGS};-mavx512vbmi;-mavx512bf16")
    endif()
  endforeach()

  if(NOT sources)
    add_library(mimo_${name} INTERFACE)
    return()
  endif()
  add_library(mimo_${name} STATIC ${sources})
  target_include_directories(mimo_${name} PUBLIC ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(mimo_${name} PUBLIC ${ARG_DEPENDS} PRIVATE mimo_warnings)

  if(MIMO_TESTS AND tests)
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE mimo_${name} mimo_warnings GTest::gtest GTest::gmock GTest::gtest_main)
    target_compile_definitions(${name}_test PRIVATE MIMO_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
    gtest_discover_tests(${name}_test DISCOVERY_TIMEOUT 60 PROPERTIES LABELS unit TIMEOUT 300)
    add_dependencies(unit_tests ${name}_test)
  endif()
  if(MIMO_TESTS AND benches)
    find_package(benchmark REQUIRED)
    add_executable(${name}_bench ${benches})
    target_link_libraries(${name}_bench PRIVATE mimo_${name} mimo_warnings benchmark::benchmark benchmark::benchmark_main)
    add_dependencies(benches ${name}_bench)
  endif()
  foreach(fuzzer ${fuzzers})
    get_filename_component(target ${fuzzer} NAME_WE)
    if(MIMO_FUZZ)
      add_executable(${target} ${fuzzer})
      target_link_options(${target} PRIVATE -fsanitize=fuzzer)
    elseif(MIMO_TESTS)
      # Without libFuzzer the same entry point replays the committed corpus: a regression test on every compiler.
      add_executable(${target} ${fuzzer} ${PROJECT_SOURCE_DIR}/tests/fuzz/replay_main.cc)
      string(REGEX REPLACE "_fuzz$" "" corpus ${target})
      add_test(NAME fuzz_corpus.${corpus} COMMAND ${target} ${PROJECT_SOURCE_DIR}/tests/fuzz/corpus/${corpus})
      set_tests_properties(fuzz_corpus.${corpus} PROPERTIES LABELS fuzz TIMEOUT 300)
      add_dependencies(unit_tests ${target})
    endif()
    if(TARGET ${target})
      add_dependencies(fuzzers ${target})
      target_link_libraries(${target} PRIVATE mimo_${name} mimo_warnings)
    endif()
  endforeach()
endfunction()
