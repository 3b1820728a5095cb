# Warnings for every target of ours, and sanitizers where a preset asks for them.
add_library(sextant_flags INTERFACE)
target_compile_options(sextant_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wno-missing-field-initializers)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # g++ 12 sees overflows in its own std::string where that is inlined (gcc.gnu.org/PR105651 and its relatives).
  target_compile_options(sextant_flags INTERFACE -Wno-array-bounds -Wno-stringop-overflow -Wno-restrict)
endif()
# Contracting a*b+c into one FMA would make results depend on what the optimiser saw; kernels ask for FMA by name.
target_compile_options(sextant_flags INTERFACE -ffp-contract=off)
if(SEXTANT_SANITIZE)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Under sanitizers g++ 12 takes values of its own std::regex and std::function for not set.
    target_compile_options(sextant_flags INTERFACE -Wno-maybe-uninitialized)
  endif()
  target_compile_options(sextant_flags INTERFACE -fsanitize=${SEXTANT_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(sextant_flags INTERFACE -fsanitize=${SEXTANT_SANITIZE})
endif()

# sextant_cold(FILE...): files of this folder whose time nobody waits for - what reads configurations, talks to servers,
# prints - are compiled without the costly optimisations, which takes g++ two thirds of the time.
function(sextant_cold)
  set_property(SOURCE ${ARGN} APPEND PROPERTY COMPILE_OPTIONS $<$<CONFIG:Release>:-O1>)
endfunction()
