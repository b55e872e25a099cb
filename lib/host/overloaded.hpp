// host/overloaded.hpp (private): one function object of several, for std::visit.
#pragma once

namespace planaria::host {

template <class... Functions>
struct Overloaded : Functions... {
  using Functions::operator()...;
};
template <class... Functions>
Overloaded(Functions...) -> Overloaded<Functions...>;

}  // namespace planaria::host
