// base/result.hpp: expected failures as values. Floor 0, pure.
// Is: Result<T>, a T or a Fault. Is not: for broken invariants (check.hpp aborts on those).
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>

#include <planaria/base/check.hpp>

namespace planaria {

/// What the caller should do about it. Switch on this, never on the sentence.
enum class FaultKind {
  invalid_input,  // the caller's: show the sentence, do not retry
  infeasible,     // nothing satisfies what was asked: ask for less
  peer_lost,      // the other side is gone: drop it from the view
  timed_out,      // may go through later
  stale_view,     // you are behind: fetch the view, then ask again
  corrupt,        // bytes are not what their checksum says: fetch them elsewhere
  exhausted,      // a resource ran out (memory, disk, descriptors)
  unavailable,    // not here or not now (file, address, permission)
  cancelled,      // you asked for it to end
};

/// Returns the kind's name as written in events, e.g. "peer_lost".
[[nodiscard]] const char* name_of(FaultKind kind);
/// Returns the kind named `name`, or nothing.
[[nodiscard]] std::optional<FaultKind> fault_kind_named(const std::string& name);

/// A kind and one sentence that names the offending field, its value and what is allowed.
struct Fault {
  FaultKind kind = FaultKind::unavailable;
  std::string sentence;

  static Fault invalid_input(std::string s) { return {FaultKind::invalid_input, std::move(s)}; }
  static Fault infeasible(std::string s) { return {FaultKind::infeasible, std::move(s)}; }
  static Fault peer_lost(std::string s) { return {FaultKind::peer_lost, std::move(s)}; }
  static Fault timed_out(std::string s) { return {FaultKind::timed_out, std::move(s)}; }
  static Fault stale_view(std::string s) { return {FaultKind::stale_view, std::move(s)}; }
  static Fault corrupt(std::string s) { return {FaultKind::corrupt, std::move(s)}; }
  static Fault exhausted(std::string s) { return {FaultKind::exhausted, std::move(s)}; }
  static Fault unavailable(std::string s) { return {FaultKind::unavailable, std::move(s)}; }
  static Fault cancelled(std::string s) { return {FaultKind::cancelled, std::move(s)}; }
  friend bool operator==(const Fault&, const Fault&) = default;
};

/// A value or a fault. Reading the one that is not there aborts with the fault's sentence.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value)
      : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: implicit on purpose
  Result(Fault fault) : state_(std::in_place_index<1>, std::move(fault)) {}  // NOLINT

  [[nodiscard]] bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  [[nodiscard]] T& value() & {
    require();
    return std::get<0>(state_);
  }
  [[nodiscard]] const T& value() const& {
    require();
    return std::get<0>(state_);
  }
  /// By value, so that `for (x : f().value())` iterates over something that lives.
  [[nodiscard]] T value() && {
    require();
    return std::get<0>(std::move(state_));
  }
  [[nodiscard]] const Fault& fault() const {
    check(!ok(), "fault() of a result that holds a value");
    return std::get<1>(state_);
  }

 private:
  void require() const {
    if (!ok()) check_failed("value() of a failed result", std::get<1>(state_).sentence);
  }
  std::variant<T, Fault> state_;
};

/// Done, or a fault.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Fault fault) : fault_(std::move(fault)) {}  // NOLINT: implicit on purpose
  [[nodiscard]] bool ok() const { return !fault_.has_value(); }
  explicit operator bool() const { return ok(); }
  void value() const {
    if (!ok()) check_failed("value() of a failed result", fault_->sentence);
  }
  [[nodiscard]] const Fault& fault() const {
    check(!ok(), "fault() of a result that holds a value");
    return *fault_;
  }

 private:
  std::optional<Fault> fault_;
};

}  // namespace planaria

/// Evaluates `expression`, a Result; returns its fault from the enclosing function or declares
/// `variable` with its value.
#define PLANARIA_TRY(variable, expression)                       \
  auto variable##_result = (expression);                         \
  if (!variable##_result.ok()) return variable##_result.fault(); \
  auto variable = std::move(variable##_result).value()

/// The same for a Result<void>.
#define PLANARIA_TRY_VOID(expression)                               \
  do {                                                              \
    if (auto planaria_result = (expression); !planaria_result.ok()) \
      return planaria_result.fault();                               \
  } while (false)
