# LibTorch for CPU: libtorch_cpu and c10 as imported targets, nothing else.
#
# find_package(Torch) is not used: it is fatal without a CUDA toolkit and, with one, turns CUDA on
# for every architecture. PLANARIA_TORCH_ROOT is any folder with include/ and lib/: the `torch`
# folder of a wheel, or an unpacked libtorch zip. Default: the trimmed wheel of scripts/setup.
set(PLANARIA_TORCH_ROOT "" CACHE PATH "LibTorch: the folder with include/ and lib/")
if(NOT PLANARIA_TORCH_ROOT)
  file(GLOB _found "${CMAKE_SOURCE_DIR}/.deps/torch/lib/python3*/site-packages/torch")
  list(LENGTH _found _count)
  if(_count EQUAL 0)
    message(FATAL_ERROR "no LibTorch: run scripts/setup, or pass -DPLANARIA_TORCH_ROOT=DIR with "
      "include/ and lib/ in it, or -DPLANARIA_TORCH=OFF for the pure parts alone")
  endif()
  list(GET _found 0 PLANARIA_TORCH_ROOT)
endif()

find_path(PLANARIA_TORCH_INCLUDE torch/csrc/api/include/torch/torch.h
  PATHS "${PLANARIA_TORCH_ROOT}/include" NO_DEFAULT_PATH NO_CACHE)
find_library(PLANARIA_TORCH_CPU torch_cpu PATHS "${PLANARIA_TORCH_ROOT}/lib" NO_DEFAULT_PATH NO_CACHE)
find_library(PLANARIA_C10 c10 PATHS "${PLANARIA_TORCH_ROOT}/lib" NO_DEFAULT_PATH NO_CACHE)
if(NOT PLANARIA_TORCH_INCLUDE OR NOT PLANARIA_TORCH_CPU OR NOT PLANARIA_C10)
  message(FATAL_ERROR "PLANARIA_TORCH_ROOT=${PLANARIA_TORCH_ROOT} holds no LibTorch: expected "
    "include/torch/csrc/api/include/torch/torch.h, lib/libtorch_cpu.so and lib/libc10.so")
endif()

add_library(planaria_c10 SHARED IMPORTED)
set_target_properties(planaria_c10 PROPERTIES IMPORTED_LOCATION "${PLANARIA_C10}")
add_library(planaria_torch_cpu SHARED IMPORTED)
set_target_properties(planaria_torch_cpu PROPERTIES IMPORTED_LOCATION "${PLANARIA_TORCH_CPU}")

# LibTorch bundles its own fmt headers, and the distribution's lie in the default include directory,
# which is searched last: without this folder code would compile against the one and link the other.
find_path(_fmt_include fmt/core.h PATHS /usr/include NO_DEFAULT_PATH NO_CACHE)
if(NOT _fmt_include)
  get_target_property(_fmt_include fmt::fmt INTERFACE_INCLUDE_DIRECTORIES)
endif()
set(_first "${CMAKE_BINARY_DIR}/first")
file(MAKE_DIRECTORY "${_first}")
file(CREATE_LINK "${_fmt_include}/fmt" "${_first}/fmt" SYMBOLIC)

add_library(planaria_torch INTERFACE)
target_include_directories(planaria_torch SYSTEM INTERFACE "${_first}"
  "${PLANARIA_TORCH_INCLUDE}" "${PLANARIA_TORCH_INCLUDE}/torch/csrc/api/include")
target_link_libraries(planaria_torch INTERFACE planaria_torch_cpu planaria_c10 Threads::Threads)
