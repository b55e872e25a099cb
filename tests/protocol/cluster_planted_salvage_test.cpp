// Bugs planted where a step goes on from what is finished.
#include <catch2/catch.hpp>

#include "protocol/planted.hpp"

namespace planaria::protocol {

TEST_CASE("planted: a step that begins again forgets what was told beside sums", "[simulation]") {
  const auto after = [](CoordinatorState& state, Decision& decision) {
    change_sent<Begin>(decision, [&](Begin&) { state.told = {}; });
  };
  check_found(first_broken(around_coordinator({}, after)), {"ended without reason"});
}

TEST_CASE("planted: a worker tells a loss that is not of the step that begins again",
          "[simulation]") {
  check_found(first_broken(in_agents([](agent::AgentState& state, const agent::Input& input) {
                agent::Input changed = input;
                auto* prepared = std::get_if<agent::Prepared>(&changed);
                if (prepared != nullptr && prepared->salvaged) {
                  for (MicroBatchLoss& loss : prepared->salvaged->losses) loss.loss += 1;
                }
                return agent::step(state, changed);
              })),
              {"with another record than alone"});
}

TEST_CASE("planted: a finished sum is used beside one that it is within", "[simulation]") {
  const auto after = [](CoordinatorState&, Decision& decision) {
    change_sent<Begin>(decision, [](Begin& begin) {
      if (!begin.salvage) return;
      OwnedSum again = begin.salvage->sums.front();
      if (again.node.height > 0) again.node = {again.node.height - 1, again.node.index * 2};
      begin.salvage->sums.push_back(again);
    });
  };
  check_found(first_broken(around_coordinator({}, after)), {"counts twice"});
}

TEST_CASE("planted: a lane that nobody has is left out", "[simulation]") {
  const auto after = [](CoordinatorState&, Decision& decision) {
    change_sent<Begin>(decision, [](Begin& begin) {
      if (!begin.salvage) return;
      for (PipelineWork& work : begin.salvage->work) {
        if (!work.lanes.empty()) work.lanes.pop_back();
      }
    });
  };
  check_found(first_broken(around_coordinator({}, after)),
              {"is computed by nobody", "lanes without a schedule"});
}

TEST_CASE("planted: a worker names a sum that it has of another step", "[simulation]") {
  check_found(first_broken(in_agents([](agent::AgentState& state, const agent::Input& input) {
                agent::Input changed = input;
                auto* prepared = std::get_if<agent::Prepared>(&changed);
                if (prepared != nullptr && !prepared->salvaged) {
                  prepared->salvaged.emplace();
                  prepared->salvaged->step = state.level.next();
                  prepared->salvaged->sums.push_back({LayerId{1}, {0, 0}});
                }
                return agent::step(state, changed);
              })),
              {"lacks a sum that counts as finished"});
}

}  // namespace planaria::protocol
