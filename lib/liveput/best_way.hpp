// liveput/best_way.hpp: the layouts that earn most over events that are known. Private to liveput.
// Is: a dynamic program over layouts and what their last change still takes. Is not: who knows the
// events (oracle.cpp: truly; parcae.cpp: by a forecast).
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <vector>

#include <planaria/availability/trace.hpp>
#include <planaria/liveput/prices.hpp>

#include "liveput/price_table.hpp"
#include "liveput/without_shadows.hpp"

namespace planaria {

/// Which ways to a layout are followed further.
enum class WaysKept {
  // All that no other one beats in samples and in all that is still under way: exact.
  undominated,
  two,  // the most samples with nothing left over; the most with something, then the least
};

class BestWay {
 public:
  struct Options {
    double interval_ms = 60'000;
    WaysKept kept = WaysKept::undominated;
    bool shadows = true;  // whether layouts with shadows are thought of
  };
  /// What ran before the first event.
  struct Start {
    GridLayout layout;
    double leftover_ms = 0;
    GridLayout coming;  // these as Situation's
    double coming_ms = 0;
  };

  /// Borrows `prices`.
  BestWay(const PriceModel& prices, const Options& options)
      : prices_(prices),
        options_(options),
        table_(prices, options.shadows ? prices.layouts() : without_shadows(prices)) {}

  /// Returns a layout for each event, nothing only where none is small enough. Each event's count
  /// follows from the one before. O(events x layouts^2 x ways kept of a layout).
  [[nodiscard]] std::vector<GridLayout> layouts(const Start& start,
                                                std::span<const IntervalCounts> events);

 private:
  /// What some sequence of layouts has earned until the end of an interval, and what its last
  /// changes still take.
  struct Reached {
    double samples = 0;
    double leftover_ms = 0;
    double coming_ms = 0;
    std::size_t chosen = 0;  // layout, of the price table, as all below
    std::size_t before = 0;  // index into the states of the interval before
    /// Whether nothing can be said for the other one.
    [[nodiscard]] bool rules_out(const Reached& other) const {
      return samples >= other.samples && leftover_ms <= other.leftover_ms &&
             coming_ms <= other.coming_ms;
    }
  };
  /// What runs at the end of an interval, and which change goes on beside it.
  struct Running {
    std::size_t layout = 0;
    std::size_t coming = 0;
    friend auto operator<=>(const Running&, const Running&) = default;
  };
  /// And one way to have come there.
  struct State {
    Running running;
    Reached reached;
  };

  [[nodiscard]] std::size_t index_of(const GridLayout& layout) const;
  [[nodiscard]] GridLayout layout_of(std::size_t layout) const;
  [[nodiscard]] double rate_of(std::size_t layout) const;
  [[nodiscard]] std::vector<State> after(const std::vector<State>& before,
                                         const IntervalCounts& event);
  void add_way(const State& from, std::size_t index, std::size_t to, const IntervalCounts& event,
               std::map<Running, std::vector<Reached>>& ways);
  [[nodiscard]] std::vector<Reached> kept_of(std::vector<Reached> ways) const;

  const PriceModel& prices_;
  Options options_;
  PriceTable table_;
};

}  // namespace planaria
