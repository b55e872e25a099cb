// host/faults_words.hpp (private): the sentences and relations that reading and checking share.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <planaria/host/faults.hpp>

namespace planaria::host {

/// Orders of one plan, random ones included: what fits an environment variable with room to spare.
inline constexpr int fault_orders_max = 1000;

/// Returns `text` on one line, unprintable bytes as \xNN, its end cut off where it is long.
[[nodiscard]] std::string shown(std::string_view text);
/// Returns invalid_input "--faults: <item>: <what>".
[[nodiscard]] Fault refused_item(std::string_view item, const std::string& what);
/// Return the item as the user wrote it.
[[nodiscard]] std::string item_of(const FaultOrder& order);
[[nodiscard]] std::string item_of(const RandomFaults& random);
/// Returns whether a worker carries `order` out itself.
[[nodiscard]] bool is_of_workers(const FaultOrder& order);
/// Returns whether `order` takes a worker away, for good or for a time.
[[nodiscard]] bool is_loss(const FaultOrder& order);
/// Proves that `random` can be expanded beside `others`.
[[nodiscard]] Result<void> check_random(const RandomFaults& random, const FaultBounds& bounds,
                                        const std::vector<FaultOrder>& others);

}  // namespace planaria::host
