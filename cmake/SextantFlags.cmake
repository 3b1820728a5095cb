# Warnings for every target of ours, and sanitizers where a preset asks for them.
add_library(sextant_flags INTERFACE)
target_compile_options(sextant_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wno-missing-field-initializers)
# Contracting a*b+c into one FMA would make results depend on what the optimiser saw; kernels ask for FMA by name.
target_compile_options(sextant_flags INTERFACE -ffp-contract=off)
if(SEXTANT_SANITIZE)
  target_compile_options(sextant_flags INTERFACE -fsanitize=${SEXTANT_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(sextant_flags INTERFACE -fsanitize=${SEXTANT_SANITIZE})
endif()
