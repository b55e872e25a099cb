# One target per module, every file named, every dependency listed.
#
#   planaria_module(schedule
#     HEADERS actions.hpp text.hpp          # in include/planaria/schedule/
#     SOURCES actions.cpp text.cpp          # in lib/schedule/
#     USES    base model                    # planaria modules its files include, lower floors only
#     LINKS   planaria_xxhash)              # everything else
#
# gives planaria::schedule. `USES` is compared with the real includes by scripts/floors.py. Which
# component of the installed package it belongs to is said in the top CMakeLists.txt.
set_property(GLOBAL PROPERTY PLANARIA_MODULES "")

function(planaria_module name)
  cmake_parse_arguments(ARG "" "" "HEADERS;SOURCES;USES;LINKS" ${ARGN})
  set(target planaria_${name})
  set(headers ${ARG_HEADERS})
  list(TRANSFORM headers PREPEND "${planaria_SOURCE_DIR}/include/planaria/${name}/")
  if(ARG_SOURCES)
    add_library(${target} STATIC ${ARG_SOURCES} ${headers})
    set(scope PUBLIC)
    target_include_directories(${target} PRIVATE "${planaria_SOURCE_DIR}/lib")
    target_link_libraries(${target} PRIVATE "$<BUILD_INTERFACE:planaria_warnings>")
    if(PLANARIA_SANITIZE)
      target_link_options(${target} PUBLIC -fsanitize=${PLANARIA_SANITIZE})
    endif()
  else()
    add_library(${target} INTERFACE)
    set(scope INTERFACE)
  endif()
  target_compile_features(${target} ${scope} cxx_std_20)
  target_include_directories(${target} ${scope}
    "$<BUILD_INTERFACE:${planaria_SOURCE_DIR}/include>" "$<INSTALL_INTERFACE:include>")
  target_link_libraries(${target} ${scope} fmt::fmt ${ARG_LINKS})
  foreach(used ${ARG_USES})
    target_link_libraries(${target} ${scope} planaria::${used})
  endforeach()
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name})
  add_library(planaria::${name} ALIAS ${target})
  set_property(GLOBAL APPEND PROPERTY PLANARIA_MODULES ${name})
  set_property(GLOBAL PROPERTY PLANARIA_HEADERS_${name} "${ARG_HEADERS}")
endfunction()

# planaria_test(NAME LABELS unit SOURCES a_test.cpp USES schedule ...): one Catch2 program, one ctest
# per program, its labels for `ctest -L`. An empty program fails (-w NoTests).
function(planaria_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "LABELS;SOURCES;USES;LINKS;ENVIRONMENT;DEPENDS" ${ARGN})
  set(target test_${name})
  add_executable(${target} ${ARG_SOURCES})
  target_include_directories(${target} PRIVATE "${planaria_SOURCE_DIR}/lib" "${planaria_SOURCE_DIR}/tests")
  target_link_libraries(${target} PRIVATE planaria_catch_main planaria_warnings ${ARG_LINKS})
  foreach(used ${ARG_USES})
    target_link_libraries(${target} PRIVATE planaria::${used})
  endforeach()
  if(ARG_DEPENDS)
    add_dependencies(${target} ${ARG_DEPENDS})
  endif()
  add_test(NAME ${name} COMMAND ${target} -w NoTests)
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  if(PLANARIA_SANITIZE)
    math(EXPR ARG_TIMEOUT "5 * ${ARG_TIMEOUT}")
  endif()
  # A sanitizer's finding fails the test. LibTorch is not instrumented, so it keeps to one thread.
  if(PLANARIA_SANITIZE)
    list(APPEND ARG_ENVIRONMENT "UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1"
      "TSAN_OPTIONS=halt_on_error=1:suppressions=${planaria_SOURCE_DIR}/cmake/tsan_suppressions.txt"
      "OMP_NUM_THREADS=1")
  endif()
  # A program that cannot test says "SKIPPED: why" and counts as skipped, never as passed.
  set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT ${ARG_TIMEOUT}
    SKIP_REGULAR_EXPRESSION "SKIPPED:"
    ENVIRONMENT "PLANARIA_BIN=${CMAKE_RUNTIME_OUTPUT_DIRECTORY};PLANARIA_SOURCE=${planaria_SOURCE_DIR};${ARG_ENVIRONMENT}")
endfunction()

# Each public header compiles alone: one generated source per header, as a test of the build itself.
function(planaria_finish_modules)
  if(NOT PLANARIA_TESTS)
    return()
  endif()
  get_property(modules GLOBAL PROPERTY PLANARIA_MODULES)
  add_custom_target(headers_alone ALL)
  foreach(module ${modules})
    get_property(headers GLOBAL PROPERTY PLANARIA_HEADERS_${module})
    if(NOT headers)
      continue()
    endif()
    set(sources "")
    foreach(header ${headers})
      string(REPLACE ".hpp" ".alone.cpp" source "${planaria_BINARY_DIR}/alone/${module}/${header}")
      file(CONFIGURE OUTPUT "${source}" CONTENT "#include <planaria/${module}/${header}>\n")
      list(APPEND sources "${source}")
    endforeach()
    add_library(headers_alone_${module} OBJECT ${sources})
    target_link_libraries(headers_alone_${module} PRIVATE planaria::${module} planaria_warnings)
    add_dependencies(headers_alone headers_alone_${module})
  endforeach()
endfunction()
