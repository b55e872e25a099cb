# The libraries under planaria, found by one rule in this build and in the installed package, which
# carries this very file (package.cmake.in). Nothing is downloaded; scripts/setup installs them.
#
#   planaria_find_packages(core MISSING)    what the pure modules need
#   planaria_find_packages(torch MISSING)   also what transports and trainers need, but LibTorch
#
# sets MISSING to a sentence, empty where all is there. What it defines is visible everywhere, so that
# a project around this one can link the modules.

# planaria_need_package(PACKAGE TARGET DEBIAN-PACKAGE MISSING): a package that brings its own CMake
# files. The installed package sets PLANARIA_BUILT_WITH_<PACKAGE>: its headers' types are part of
# planaria's own interface, and another line of the package has other types.
function(planaria_need_package package target debian missing)
  find_package(${package} QUIET GLOBAL)
  if(NOT TARGET ${target})
    set(${missing} "${package}: not found, install ${debian} or add its prefix to CMAKE_PREFIX_PATH"
      PARENT_SCOPE)
    return()
  endif()
  set(built "${PLANARIA_BUILT_WITH_${package}}")
  if(built AND ${package}_VERSION)
    string(REGEX MATCH "^[0-9]+\\.[0-9]+" wanted "${built}")
    string(REGEX MATCH "^[0-9]+\\.[0-9]+" found "${${package}_VERSION}")
    if(NOT found STREQUAL wanted)
      set(${missing} "${package}: ${${package}_VERSION} found, must be ${wanted}, which planaria was built with"
        PARENT_SCOPE)
      return()
    endif()
  endif()
  set(PLANARIA_FOUND_${package} "${${package}_VERSION}" PARENT_SCOPE)
endfunction()

# planaria_need_library(NAME HEADER LIBRARY DEBIAN-PACKAGE MISSING): a header and, unless LIBRARY is
# empty, a library: planaria_<name>.
function(planaria_need_library name header library debian missing)
  if(TARGET planaria_${name})
    return()
  endif()
  string(TOUPPER "${name}" upper)
  find_path(PLANARIA_${upper}_INCLUDE ${header})
  mark_as_advanced(PLANARIA_${upper}_INCLUDE)
  if(library)
    find_library(PLANARIA_${upper} ${library})
    mark_as_advanced(PLANARIA_${upper})
  endif()
  if(NOT PLANARIA_${upper}_INCLUDE OR (library AND NOT PLANARIA_${upper}))
    set(${missing} "${name}: not found, install ${debian} or add its prefix to CMAKE_PREFIX_PATH"
      PARENT_SCOPE)
    return()
  endif()
  add_library(planaria_${name} INTERFACE IMPORTED GLOBAL)
  target_include_directories(planaria_${name} INTERFACE "${PLANARIA_${upper}_INCLUDE}")
  if(library)
    target_link_libraries(planaria_${name} INTERFACE "${PLANARIA_${upper}}")
  endif()
endfunction()

function(planaria_find_packages component missing)
  set(found "")
  planaria_need_package(fmt fmt::fmt libfmt-dev found)
  if(NOT found)
    planaria_need_package(nlohmann_json nlohmann_json::nlohmann_json nlohmann-json3-dev found)
  endif()
  if(NOT found)
    planaria_need_library(xxhash xxhash.h xxhash libxxhash-dev found)
  endif()
  if(component STREQUAL "torch")
    if(NOT found)
      find_package(Threads QUIET GLOBAL)
      if(NOT TARGET Threads::Threads)
        set(found "threads: the compiler has none")
      endif()
    endif()
    if(NOT found)
      planaria_need_library(asio asio.hpp "" libasio-dev found)
    endif()
    if(NOT found)
      planaria_need_library(sodium sodium.h sodium libsodium-dev found)
    endif()
    if(NOT found)
      set_target_properties(planaria_asio PROPERTIES
        INTERFACE_COMPILE_DEFINITIONS "ASIO_STANDALONE;ASIO_NO_DEPRECATED"
        INTERFACE_LINK_LIBRARIES Threads::Threads)
    endif()
  endif()
  set(${missing} "${found}" PARENT_SCOPE)
  set(PLANARIA_FOUND_fmt "${PLANARIA_FOUND_fmt}" PARENT_SCOPE)
  set(PLANARIA_FOUND_nlohmann_json "${PLANARIA_FOUND_nlohmann_json}" PARENT_SCOPE)
endfunction()
