# The headers that nearly every file needs, parsed once for the rooms and once for the tests: half of the build's time.
# JSON's are not among them: their few users need a second to parse them, and all others would pay three quarters of one
# for inline functions that g++ makes of them in every file.
# Files still include what they use; the clang and fuzz presets build without either, so that a missing include shows.
option(SEXTANT_PRECOMPILE "Parse common headers once" ON)

set(common_headers <algorithm> <chrono> <filesystem> <fstream> <functional> <map> <memory> <optional> <span> <string>
  <string_view> <unordered_map> <vector> <fmt/format.h> <fmt/ranges.h>)

if(SEXTANT_PRECOMPILE)
  file(WRITE ${PROJECT_BINARY_DIR}/precompiled/room.cc.new "")
  file(WRITE ${PROJECT_BINARY_DIR}/precompiled/test.cc.new "int main() {}\n")
  foreach(source room test)
    configure_file(${PROJECT_BINARY_DIR}/precompiled/${source}.cc.new ${PROJECT_BINARY_DIR}/precompiled/${source}.cc COPYONLY)
  endforeach()
  add_library(sextant_precompiled STATIC EXCLUDE_FROM_ALL ${PROJECT_BINARY_DIR}/precompiled/room.cc)
  target_link_libraries(sextant_precompiled PRIVATE sextant_flags fmt::fmt)
  target_precompile_headers(sextant_precompiled PRIVATE ${common_headers})
  if(SEXTANT_BUILD_TESTS)
    # A program, because programs and libraries are compiled with different flags.
    add_executable(sextant_precompiled_tests EXCLUDE_FROM_ALL ${PROJECT_BINARY_DIR}/precompiled/test.cc)
    target_link_libraries(sextant_precompiled_tests PRIVATE sextant_flags fmt::fmt GTest::gmock)
    target_compile_options(sextant_precompiled_tests PRIVATE $<$<CONFIG:Release>:-Og>)
    target_precompile_headers(sextant_precompiled_tests PRIVATE ${common_headers} <gmock/gmock.h> <gtest/gtest.h>)
  endif()
endif()

# TARGET's files begin with what DONOR (sextant_precompiled, ..._tests) has parsed.
function(sextant_use_precompiled target donor)
  if(SEXTANT_PRECOMPILE)
    target_precompile_headers(${target} REUSE_FROM ${donor})
  endif()
endfunction()

# The same for a program that is compiled as the rooms are: a benchmark, a fuzzer.
function(sextant_use_precompiled_in_program target)
  if(SEXTANT_PRECOMPILE)
    # What was parsed for code of libraries does not fit code of programs.
    set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
    target_compile_options(${target} PRIVATE -fPIC)
    target_link_libraries(${target} PRIVATE fmt::fmt)
    sextant_use_precompiled(${target} sextant_precompiled)
  endif()
endfunction()
