// liveput/migration_costs.hpp: what changes of layout cost beside moving state. Floor 4, pure.
// Is: a runtime's times as measured, their defaults and their strict reader. Is not: a price of a
// change (profile_prices.hpp). No state, any thread.
#pragma once

#include <optional>
#include <string>

#include <planaria/base/json.hpp>
#include <planaria/base/result.hpp>

namespace planaria {

/// Who waits while newcomers start, build and fetch what they will compute.
enum class Growth {
  background,  // nobody: what ran goes on until they are filled (planaria's own runtime)
  stop,        // everybody (Parcae's, and most others')
};

/// Times of 0 to 1e9 ms. Defaults are planaria's own, as measured (docs/formats.md, "Migrations").
struct MigrationCosts {
  /// From a loss until it is known. Of machines that vanish in silence about as long as
  /// --silence-max-ms; a process that dies on a machine that lives is known in some 15 ms.
  double detect_ms = 610;
  /// From then until all who are left stand in the next view and may begin, without moves.
  double view_ms = 54;
  /// By how much a change at a step boundary makes the next step begin later.
  double cut_over_ms = 0.1;
  /// From a newcomer's start until it has joined.
  double start_ms = 2000;
  /// To build the layers of a stage, before their state comes.
  double build_ms = 100;
  /// Which part of a step is done again, of that in flight when somebody is lost. 0 to 1; half of
  /// it has passed in the mean, and what is finished of it would not have to be done again.
  double redo_steps = 0.5;
  /// Layers that go to a newcomer between two steps. 0: as many as the links carry.
  int layers_per_step = 2;
  /// Training since the last checkpoint, done again where the last holder of a layer was lost.
  double rolled_back_ms = 30'000;
  /// To write a checkpoint and read it. Nothing: as long as all state takes from one worker to
  /// another, there and back.
  std::optional<double> checkpoint_ms;
  Growth growth = Growth::background;
  friend bool operator==(const MigrationCosts&, const MigrationCosts&) = default;
};

/// Reads what is given, in place of the defaults: an object of these fields, or a run's
/// result.json, whose medians tell detect_ms, view_ms and cut_over_ms. invalid_input names
/// `source`, path, value and what is allowed.
[[nodiscard]] Result<MigrationCosts> migration_costs_from_json(const Json& json,
                                                               const std::string& source);

}  // namespace planaria
