#include <catch2/catch.hpp>

#include <string>

// A build type without flags compiles everything unoptimised and says nothing.
TEST_CASE("a build that is not Debug is optimised") {
  const std::string build_type = PLANARIA_BUILD_TYPE;
  INFO("build type " << build_type);
#ifdef __OPTIMIZE__
  const bool optimised = true;
#else
  const bool optimised = false;
#endif
  CHECK((optimised || build_type == "Debug"));
}
