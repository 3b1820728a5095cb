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

# Files that one compiler reads together take half of the time or less, because each needs the same headers and templates.
# They share their unnamed namespace: a name there says whose it is, and what several need stands in a header. The
# clang, fuzz and tsan presets compile file by file, so that a missing include shows.
option(SEXTANT_MERGE_FILES "Compile tests and cold files several at a time" ON)

# sextant_merge(TARGET): its other files, too, as they are.
function(sextant_merge target)
  if(SEXTANT_MERGE_FILES)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
  endif()
endfunction()

# sextant_cold(TARGET FILE...): files of this folder whose time nobody waits for - what reads configurations, talks to
# servers, prints - are compiled together, as one, and without the costly optimisations.
function(sextant_cold target)
  set(compiled ${ARGN})
  if(SEXTANT_MERGE_FILES AND ARGC GREATER 2)
    # By hand: CMake's UNITY_BUILD leaves out files that have options of their own.
    set(text "")
    foreach(file ${ARGN})
      get_filename_component(path ${file} ABSOLUTE)
      string(APPEND text "#include \"${path}\"\n")
    endforeach()
    list(GET ARGN 0 first)
    get_filename_component(first ${first} NAME_WE)
    set(compiled ${CMAKE_CURRENT_BINARY_DIR}/${target}_${first}_and_others.cc)
    file(CONFIGURE OUTPUT ${compiled} CONTENT "${text}" @ONLY)
    set_property(SOURCE ${ARGN} PROPERTY HEADER_FILE_ONLY ON)
    target_sources(${target} PRIVATE ${compiled})
  endif()
  set_property(SOURCE ${compiled} APPEND PROPERTY COMPILE_OPTIONS $<$<CONFIG:Release>:-O1>)
endfunction()
