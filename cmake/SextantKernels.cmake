# Files compiled for one set of instructions each: kernels_SET.cc of a room.
set(kernel_flags -fno-math-errno -ffp-contract=off)
set(kernel_flags_avx2 -mavx2 -mfma -mf16c -mpopcnt)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12's own AVX-512 headers start some values from themselves, and are reported for it where they are inlined.
  set(quiet_headers -Wno-maybe-uninitialized -Wno-uninitialized)
endif()
set(kernel_flags_avx512 ${kernel_flags_avx2} ${quiet_headers} -mavx512f -mavx512bw -mavx512vl -mavx512dq)
set(kernel_flags_avx512_popcnt ${kernel_flags_avx512} -mavx512vpopcntdq)
set(kernel_flags_avx512_vnni ${kernel_flags_avx512} -mavx512vnni)
set(kernel_flags_avx512_bf16 ${kernel_flags_avx512_vnni} -mavx512bf16)
set(kernel_flags_amx ${kernel_flags_avx512_bf16} -mamx-tile -mamx-int8 -mamx-bf16)

# sextant_kernel_files(ROOM SET...): each kernels_SET.cc of this folder gets its own instructions' flags and nothing
# else does; a test checks that none defines a symbol that the linker could share with ordinary files.
function(sextant_kernel_files room)
  set(x86 OFF)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
    set(x86 ON)
  endif()
  set_source_files_properties(kernels_scalar.cc PROPERTIES COMPILE_OPTIONS "${kernel_flags}" SKIP_PRECOMPILE_HEADERS ON)
  foreach(set ${ARGN})
    if(x86)
      set_source_files_properties(kernels_${set}.cc PROPERTIES SKIP_PRECOMPILE_HEADERS ON
        COMPILE_OPTIONS "${kernel_flags};${kernel_flags_${set}}")
    else()
      set_source_files_properties(kernels_${set}.cc PROPERTIES HEADER_FILE_ONLY ON)
    endif()
  endforeach()
  if(SEXTANT_BUILD_TESTS AND x86 AND NOT SEXTANT_SANITIZE)
    add_test(NAME Kernels.of_${room}_share_no_symbol_with_ordinary_files
      COMMAND ${CMAKE_COMMAND} -DNM=${CMAKE_NM} "-DOBJECTS=$<JOIN:$<TARGET_OBJECTS:sextant_${room}>,,>"
              -P ${PROJECT_SOURCE_DIR}/cmake/check_kernel_symbols.cmake)
    set_tests_properties(Kernels.of_${room}_share_no_symbol_with_ordinary_files PROPERTIES LABELS fast)
  endif()
endfunction()

# sextant_emulated_kernels(ROOM SET...): ROOM's kernel files again, over the emulated instructions of
# src/simd/emulation, as the library sextant_ROOM_emulated whose functions are called fill_SET_emulated. To be called
# from a folder below the room's: source properties (the real instructions' flags) hold for a whole folder.
function(sextant_emulated_kernels room)
  set(files)
  foreach(set ${ARGN})
    list(APPEND files ../kernels_${set}.cc)
  endforeach()
  add_library(sextant_${room}_emulated STATIC ${files})
  target_include_directories(sextant_${room}_emulated BEFORE PRIVATE ${PROJECT_SOURCE_DIR}/src/simd/emulation)
  target_include_directories(sextant_${room}_emulated PRIVATE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(sextant_${room}_emulated PRIVATE sextant_flags)
  # Better code takes g++ ten times as long here, and the tests are as fast without.
  target_compile_options(sextant_${room}_emulated PRIVATE -Og -ffp-contract=off $<$<CXX_COMPILER_ID:GNU>:-Wno-psabi>)
  foreach(set ${ARGN})
    target_compile_definitions(sextant_${room}_emulated PRIVATE fill_${set}=fill_${set}_emulated)
  endforeach()
  target_link_libraries(sextant_${room}_test PRIVATE sextant_${room}_emulated)
endfunction()
