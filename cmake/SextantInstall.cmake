# `cmake --install` puts the public headers, one static library, a CMake package and a pkg-config file in place.
include(CMakePackageConfigHelpers)
set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/Sextant)

install(DIRECTORY include/sextant DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(TARGETS sextant EXPORT SextantTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT SextantTargets NAMESPACE Sextant:: DESTINATION ${package_folder})
install(DIRECTORY examples DESTINATION ${CMAKE_INSTALL_DATADIR}/sextant)
install(FILES LICENSE README.md CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR})

configure_package_config_file(cmake/SextantConfig.cmake.in ${PROJECT_BINARY_DIR}/SextantConfig.cmake
  INSTALL_DESTINATION ${package_folder})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/SextantConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/SextantConfig.cmake ${PROJECT_BINARY_DIR}/SextantConfigVersion.cmake
  DESTINATION ${package_folder})

# The file finds the prefix from where it lies, so that `cmake --install --prefix` works.
file(RELATIVE_PATH pc_to_prefix "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
configure_file(cmake/sextant.pc.in ${PROJECT_BINARY_DIR}/sextant.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/sextant.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
