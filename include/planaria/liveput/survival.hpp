// liveput/survival.hpp: how likely every layer keeps enough live holders. Floor 4, pure.
// Is: exact probabilities for any holders and any number of losses, whole zones' too. Is not: a
// forecast of losses (availability/), nor a simulation: nothing is drawn. No state, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <planaria/availability/distribution.hpp>
#include <planaria/base/result.hpp>
#include <planaria/liveput/holders.hpp>

namespace planaria {

/// Workers that a single accident takes along. Zones have consecutive workers, in the list's order.
struct LossZone {
  std::string name;
  int workers = 0;
  double loss = 0;  // the probability that it vanishes wholly, whatever the others do
  friend bool operator==(const LossZone&, const LossZone&) = default;
};

/// What an answer may cost. Counted, not timed, so that a question has one answer everywhere.
struct SurvivalLimits {
  /// States x numbers of losses that are kept at once, 8 bytes each, of two steps. More answers
  /// wider layouts and takes more memory. 1 to 2^40; default 8 million: 130 MB.
  std::int64_t cells_max = 8'000'000;
  /// Products summed up, a move from state to state counting as a hundred: some ten nanoseconds
  /// each. 1 to 2^60; default 400 million.
  std::int64_t products_max = 400'000'000;
};

struct SurvivalOptions {
  /// 1 to `replicas_max` live holders are asked for. Each costs a pass of its own. At least 1;
  /// default: the fewest holders of any layer, beyond which nothing is likely.
  std::optional<int> replicas_max;
  /// 0 to `losses_max` losses. 0 to the workers; default: all of them. Fewer cost less.
  std::optional<int> losses_max;
  /// None: no zone ever vanishes. Else their workers sum to all there are. Of those with a loss
  /// between 0 and 1 each doubles the cost; at most 20.
  std::vector<LossZone> zones;
  SurvivalLimits limits;
};

/// The probabilities, for each number of live holders and of losses.
class Survival {
 public:
  /// Takes a row for each number of holders from 1, each with a value for 0 to losses_max losses.
  Survival(int losses_max, std::vector<std::vector<double>> rows);

  [[nodiscard]] int replicas_max() const { return static_cast<int>(rows_.size()); }
  [[nodiscard]] int losses_max() const { return losses_max_; }
  /// Returns the probability that every layer keeps at least `replicas` live holders when `lost`
  /// workers, any set of them as likely as any other, vanish at once, and zones beside. Requires
  /// replicas of 1 to replicas_max(), losses of 0 to losses_max().
  [[nodiscard]] double at_least(int replicas, int lost) const;
  /// Returns the same where the number of losses is itself uncertain.
  [[nodiscard]] double at_least(int replicas, const Distribution& losses) const;

 private:
  int losses_max_;
  std::vector<std::vector<double>> rows_;
};

/// Returns the probabilities for every number of losses at once, with a relative error below 1e-12
/// for a thousand workers where they are above 1e-280 (docs/liveput.md). Losses are drawn from all
/// workers, whatever zones vanish: a worker may be lost both ways. invalid_input for what is out of
/// range; exhausted beyond the limits: "survival: 7 live holders of 20 need more than 8000000 ...".
/// Cost: workers x losses for stages that share no workers; else the states of the layers that are
/// open at once, x losses.
[[nodiscard]] Result<Survival> survival_by_losses(const Holders& holders,
                                                  const SurvivalOptions& options = {});

}  // namespace planaria
