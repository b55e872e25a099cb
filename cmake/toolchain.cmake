# Language level, warnings, sanitizers, and the two accelerators of a build: ccache and mold. All of it
# holds for planaria's own folders; a project around this one keeps its own ways.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${planaria_BINARY_DIR}/bin")

# The presets name their build types; who configures without one gets an optimised build.
if(PROJECT_IS_TOP_LEVEL)
  # project() has put an empty value into the cache for the build type in use, which a plain set() would
  # leave: everything would be compiled without optimisation.
  if(NOT CMAKE_CXX_FLAGS_DEV)
    set(CMAKE_CXX_FLAGS_DEV "-O2 -g1" CACHE STRING "Flags of preset dev" FORCE)
  endif()
  if(NOT CMAKE_CXX_FLAGS_SANITIZE)
    set(CMAKE_CXX_FLAGS_SANITIZE "-O1 -g1" CACHE STRING "Flags of presets asan and tsan" FORCE)
  endif()
  if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
  endif()
endif()

find_program(PLANARIA_CCACHE ccache)
if(PLANARIA_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${PLANARIA_CCACHE}")
endif()
find_program(PLANARIA_MOLD mold)
if(PLANARIA_MOLD)
  add_link_options(-fuse-ld=mold)
endif()

add_library(planaria_warnings INTERFACE)
target_compile_options(planaria_warnings INTERFACE -Wall -Wextra -Wpedantic -Wshadow
  -Wnon-virtual-dtor -Woverloaded-virtual -Wno-missing-field-initializers)

# One rounding per operation: the compiler may not fuse a*b+c on its own, since whether it does
# depends on inlining, and our own loops must give the same bits in every build of one version.
add_compile_options(-ffp-contract=off)

if(PLANARIA_FUZZ)
  # A finding ends the program however it is started; the standard library checks its own bounds too.
  add_compile_options(-fno-sanitize-recover=all -D_GLIBCXX_ASSERTIONS)
endif()
if(PLANARIA_SANITIZE)
  add_compile_options(-fsanitize=${PLANARIA_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${PLANARIA_SANITIZE})
endif()
