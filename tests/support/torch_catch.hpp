// Catch2 beside LibTorch: c10's logging claims CHECK for itself, so LibTorch comes first and gives
// it back.
#pragma once

#include <torch/types.h>

#include <planaria/runtime/trainer.hpp>

#undef CHECK
#undef REQUIRE
#undef FAIL
#undef WARN
#include <catch2/catch.hpp>
