# LibTorch as the imported target planaria_torch, by one rule in this build and in the installed
# package, which carries this very file: libtorch_cpu and c10, and for CUDA torch_cuda, c10_cuda and
# the CUDA runtime; nothing else.
#
# find_package(Torch) is not used: it is fatal without a CUDA toolkit and, with one, turns CUDA on
# for every architecture.
#
#   planaria_find_torch(ROOT CUDA MISSING)
#
# ROOT is any folder with include/ and lib/: the `torch` folder of a wheel, or an unpacked libtorch
# zip. MISSING becomes a sentence, empty where LibTorch is there; PLANARIA_TORCH_VERSION its version.
# Needs planaria_find_packages(torch ...) before.

# Reads "2.11.0" from LibTorch's headers; which of them says so depends on the version.
function(planaria_torch_version root version)
  set(text "")
  foreach(header torch/headeronly/version.h torch/csrc/api/include/torch/version.h)
    if(NOT text AND EXISTS "${root}/include/${header}")
      file(STRINGS "${root}/include/${header}" lines REGEX "define TORCH_VERSION_(MAJOR|MINOR|PATCH) ")
      if("${lines}" MATCHES "MAJOR ([0-9]+).*MINOR ([0-9]+).*PATCH ([0-9]+)")
        set(text "${CMAKE_MATCH_1}.${CMAKE_MATCH_2}.${CMAKE_MATCH_3}")
      endif()
    endif()
  endforeach()
  set(${version} "${text}" PARENT_SCOPE)
endfunction()

# LibTorch bundles its own fmt headers, and the distribution's lie in the default include directory,
# which is searched last: without a folder in front code would compile against the one and link the
# other.
function(planaria_first_folder folder)
  find_path(fmt_include fmt/core.h PATHS /usr/include NO_DEFAULT_PATH NO_CACHE)
  if(NOT fmt_include)
    get_target_property(fmt_include fmt::fmt INTERFACE_INCLUDE_DIRECTORIES)
  endif()
  list(GET fmt_include 0 fmt_include)
  file(MAKE_DIRECTORY "${folder}")
  file(CREATE_LINK "${fmt_include}/fmt" "${folder}/fmt" SYMBOLIC)
endfunction()

# Adds CUDA to planaria_torch. No compiler of CUDA's is needed, only the runtime's headers and
# library: from the wheel beside torch, else from a toolkit.
function(planaria_add_cuda root missing)
  file(GLOB wheels "${root}/../nvidia/cu*")
  set(prefixes ${wheels} "${root}" $ENV{CUDA_HOME} /usr/local/cuda)
  set(includes "")
  foreach(prefix ${prefixes})
    if(EXISTS "${prefix}/include/cuda_runtime_api.h")
      list(APPEND includes "${prefix}/include")
    endif()
  endforeach()
  set(runtime "")
  foreach(prefix ${prefixes})
    file(GLOB found "${prefix}/lib/libcudart.so*" "${prefix}/lib/libcudart-*.so*"
      "${prefix}/lib64/libcudart.so*")
    list(APPEND runtime ${found})
  endforeach()
  find_library(torch_cuda torch_cuda PATHS "${root}/lib" NO_DEFAULT_PATH NO_CACHE)
  find_library(c10_cuda c10_cuda PATHS "${root}/lib" NO_DEFAULT_PATH NO_CACHE)
  if(NOT torch_cuda OR NOT c10_cuda)
    set(${missing} "PLANARIA_TORCH_ROOT=${root} holds a LibTorch without CUDA: expected lib/libtorch_cuda.so and lib/libc10_cuda.so"
      PARENT_SCOPE)
    return()
  endif()
  if(NOT includes OR NOT runtime)
    set(${missing} "CUDA runtime: no cuda_runtime_api.h and libcudart beside ${root} (../nvidia/cu*, as the wheel nvidia-cuda-runtime brings them), in CUDA_HOME or in /usr/local/cuda"
      PARENT_SCOPE)
    return()
  endif()
  list(REMOVE_DUPLICATES includes)
  list(GET runtime 0 cudart)
  foreach(name c10_cuda cudart)
    add_library(planaria_${name} SHARED IMPORTED GLOBAL)
    set_target_properties(planaria_${name} PROPERTIES IMPORTED_LOCATION "${${name}}")
  endforeach()
  # The CUDA backend registers itself when it is loaded: nothing may refer to it by name, so it is
  # kept although --as-needed would drop it. A trimmed wheel lacks the libraries under torch_cuda:
  # with it programs link and do not start, with a full one they start; the program's own symbols
  # must all be there either way.
  set_target_properties(planaria_torch PROPERTIES INTERFACE_COMPILE_DEFINITIONS PLANARIA_HAS_CUDA=1)
  target_include_directories(planaria_torch INTERFACE ${includes})
  target_link_libraries(planaria_torch INTERFACE planaria_c10_cuda planaria_cudart)
  target_link_options(planaria_torch INTERFACE
    "LINKER:--no-as-needed,${torch_cuda},--as-needed"
    "LINKER:--unresolved-symbols=ignore-in-shared-libs")
endfunction()

function(planaria_find_torch root cuda missing)
  planaria_torch_version("${root}" version)
  set(PLANARIA_TORCH_VERSION "${version}" PARENT_SCOPE)
  find_path(include torch/csrc/api/include/torch/torch.h PATHS "${root}/include"
    NO_DEFAULT_PATH NO_CACHE)
  find_library(torch_cpu torch_cpu PATHS "${root}/lib" NO_DEFAULT_PATH NO_CACHE)
  find_library(c10 c10 PATHS "${root}/lib" NO_DEFAULT_PATH NO_CACHE)
  if(NOT include OR NOT torch_cpu OR NOT c10)
    set(${missing} "PLANARIA_TORCH_ROOT=${root} holds no LibTorch: expected include/torch/csrc/api/include/torch/torch.h, lib/libtorch_cpu.so and lib/libc10.so"
      PARENT_SCOPE)
    return()
  endif()
  if(PLANARIA_BUILT_WITH_torch)
    string(REGEX MATCH "^[0-9]+\\.[0-9]+" wanted "${PLANARIA_BUILT_WITH_torch}")
    if(NOT version MATCHES "^${wanted}\\.")
      set(${missing} "PLANARIA_TORCH_ROOT=${root} holds LibTorch ${version}, must be ${wanted}, which planaria was built with"
        PARENT_SCOPE)
      return()
    endif()
  endif()
  set(${missing} "" PARENT_SCOPE)
  if(TARGET planaria_torch)
    return()
  endif()
  foreach(name c10 torch_cpu)
    add_library(planaria_${name} SHARED IMPORTED GLOBAL)
    set_target_properties(planaria_${name} PROPERTIES IMPORTED_LOCATION "${${name}}")
  endforeach()
  set(first "${CMAKE_CURRENT_BINARY_DIR}/first")
  planaria_first_folder("${first}")
  add_library(planaria_torch INTERFACE IMPORTED GLOBAL)
  target_include_directories(planaria_torch INTERFACE "${first}" "${include}"
    "${include}/torch/csrc/api/include")
  target_link_libraries(planaria_torch INTERFACE planaria_torch_cpu planaria_c10 Threads::Threads)
  if(cuda)
    set(without "")
    planaria_add_cuda("${root}" without)
    set(${missing} "${without}" PARENT_SCOPE)
  endif()
endfunction()
