# What `cmake --install` puts where, and what find_package(planaria) finds. Everything is written
# relative to the prefix, so a prefix may be moved.
#
#   planaria_component(core MODULES base model ...)   planaria::core: all of these at once
#   planaria_install(core torch)                      the components this build has
#
#   PREFIX/bin/planaria
#   PREFIX/include/planaria/<module>/
#   PREFIX/lib/libplanaria_<module>.a
#   PREFIX/lib/cmake/planaria/          package files, and the finding rules of this build
#   PREFIX/share/doc/planaria/LICENSE
include(CMakePackageConfigHelpers)

# planaria_torch is LibTorch's name already, hence `component`.
function(planaria_component name)
  cmake_parse_arguments(ARG "" "" "MODULES" ${ARGN})
  set(target planaria_component_${name})
  add_library(${target} INTERFACE)
  foreach(module ${ARG_MODULES})
    target_link_libraries(${target} INTERFACE planaria::${module})
    set_property(GLOBAL APPEND PROPERTY PLANARIA_COMPONENT_MODULES_${name} ${module})
    set_property(GLOBAL PROPERTY PLANARIA_COMPONENT_OF_${module} ${name})
  endforeach()
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name})
  add_library(planaria::${name} ALIAS ${target})
endfunction()

function(planaria_install_component name)
  get_property(modules GLOBAL PROPERTY PLANARIA_COMPONENT_MODULES_${name})
  foreach(module ${modules})
    install(TARGETS planaria_${module} EXPORT planaria_${name} ARCHIVE DESTINATION lib)
    get_property(headers GLOBAL PROPERTY PLANARIA_HEADERS_${module})
    list(TRANSFORM headers PREPEND "${planaria_SOURCE_DIR}/include/planaria/${module}/")
    install(FILES ${headers} DESTINATION include/planaria/${module})
  endforeach()
  install(TARGETS planaria_component_${name} EXPORT planaria_${name})
  install(EXPORT planaria_${name} NAMESPACE planaria:: FILE planaria-${name}.cmake
    DESTINATION lib/cmake/planaria)
endfunction()

# Refuses a module that nobody would find installed.
function(planaria_require_components)
  get_property(modules GLOBAL PROPERTY PLANARIA_MODULES)
  foreach(module ${modules})
    get_property(component GLOBAL PROPERTY PLANARIA_COMPONENT_OF_${module})
    if(NOT component)
      message(FATAL_ERROR "module ${module}: in no component, name it in the top CMakeLists.txt")
    endif()
  endforeach()
endfunction()

function(planaria_install)
  set(PLANARIA_COMPONENTS "${ARGN}")
  foreach(component ${ARGN})
    planaria_install_component(${component})
  endforeach()
  install(TARGETS planaria RUNTIME DESTINATION bin)
  install(FILES "${planaria_SOURCE_DIR}/LICENSE" DESTINATION share/doc/planaria)
  set(generated "${planaria_BINARY_DIR}/package")
  configure_file("${planaria_SOURCE_DIR}/cmake/package.cmake.in"
    "${generated}/planaria-config.cmake" @ONLY)
  write_basic_package_version_file("${generated}/planaria-config-version.cmake"
    COMPATIBILITY SameMinorVersion)
  install(FILES "${generated}/planaria-config.cmake" "${generated}/planaria-config-version.cmake"
    "${planaria_SOURCE_DIR}/cmake/packages.cmake" "${planaria_SOURCE_DIR}/cmake/torch.cmake"
    DESTINATION lib/cmake/planaria)
endfunction()
