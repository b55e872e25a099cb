// What losses and joins cost, from events written out.
#include <catch2/catch.hpp>

#include "host/loss_figures.hpp"

namespace planaria::host {
namespace {

/// Adds events one after the other.
class Story {
 public:
  Story& at(double t_ms, const std::string& name, Json fields = Json::object()) {
    fields["t_ms"] = t_ms;
    fields["event"] = name;
    figures_.add(fields);
    return *this;
  }
  Story& started() { return at(100, "run_started", {{"steps", 9}}); }
  Story& committed(double t_ms, int step) {
    return at(t_ms, "step_committed", {{"step", step}, {"loss", 1.5}});
  }
  Story& lost(double t_ms, int worker) {
    return at(t_ms, "worker_lost", {{"worker", worker}, {"why", "gone"}});
  }
  Story& struck(double t_ms, int worker, const std::string& kind) {
    return at(t_ms, "fault_injected", {{"worker", worker}, {"kind", kind}});
  }
  Story& view(double t_ms, bool planned, const Json& members = Json::array()) {
    return at(t_ms, "view", {{"planned", planned}, {"members", members}});
  }
  Story& computed(double t_ms, int step) { return at(t_ms, "computed", {{"step", step}}); }
  [[nodiscard]] Json get(const char* field) const { return figures_.fields().at(field); }

 private:
  LossFigures figures_;
};

Json recovery(int worker, Json detect, Json view, Json transfer, Json resume) {
  return {{"worker", worker},
          {"detect_ms", std::move(detect)},
          {"view_ms", std::move(view)},
          {"transfer_ms", std::move(transfer)},
          {"resume_ms", std::move(resume)}};
}

}  // namespace

TEST_CASE("a run that loses nobody has lost no time") {
  Story story;
  story.started().view(100, false).committed(200, 1).committed(300, 2).at(310, "run_ended");
  CHECK(story.get("recoveries") == Json::array());
  CHECK(story.get("joins") == Json::array());
  CHECK(story.get("workers_lost") == 0);
  CHECK(story.get("lost_step_ms") == 0.0);
}

TEST_CASE("a recovery counts everything from the fault") {
  Story story;
  story.started().committed(200, 1).struck(250, 2, "kill").lost(262, 2).view(263, false);
  story.at(264, "migration_begin").at(290, "migration_end").at(295, "resumed", {{"ms", 33}});
  story.committed(350, 2).committed(400, 3);
  CHECK(story.get("recoveries") == Json({recovery(2, 12.0, 13.0, 45.0, 100.0)}));
  CHECK(story.get("workers_lost") == 1);
  CHECK(story.get("lost_step_ms") == 100.0);
}

TEST_CASE("without a known fault a loss counts from when it was told") {
  Story story;
  story.started().lost(262, 2).view(263, false).at(270, "resumed").committed(300, 1);
  CHECK(story.get("recoveries") == Json({recovery(2, 0.0, 1.0, 8.0, 38.0)}));
}

TEST_CASE("where nothing had to be built or moved the view is the last of it") {
  Story story;
  story.started().lost(200, 1).view(203, true).committed(210, 1);
  CHECK(story.get("recoveries") == Json({recovery(1, 0.0, 3.0, 3.0, 10.0)}));
}

TEST_CASE("two workers lost by one view each have their own fault, overlapping time counts once") {
  Story story;
  story.started().struck(200, 1, "kill").struck(210, 3, "stop").lost(212, 1).lost(230, 3);
  story.view(231, false).at(240, "resumed").committed(300, 1);
  CHECK(story.get("recoveries") ==
        Json({recovery(1, 12.0, 31.0, 40.0, 100.0), recovery(3, 20.0, 21.0, 30.0, 90.0)}));
  CHECK(story.get("lost_step_ms") == 100.0);
  CHECK(story.get("workers_lost") == 2);
  // A third one later adds its own time.
  story.struck(400, 2, "kill").lost(401, 2).view(402, false).committed(425, 2);
  CHECK(story.get("lost_step_ms") == 125.0);
}

TEST_CASE("a loss while a view is prepared leaves the first view's time and moves the last's") {
  Story story;
  story.started().lost(200, 1).view(201, false).lost(220, 2).view(221, false);
  story.at(250, "resumed").committed(300, 1);
  CHECK(story.get("recoveries") ==
        Json({recovery(1, 0.0, 1.0, 50.0, 100.0), recovery(2, 0.0, 1.0, 30.0, 80.0)}));
}

TEST_CASE("commits between the fault and its detection are not the resume") {
  Story story;
  story.started().struck(200, 4, "stop").committed(230, 1).lost(800, 4).view(801, false);
  story.at(805, "resumed").committed(850, 2);
  CHECK(story.get("recoveries") == Json({recovery(4, 600.0, 601.0, 605.0, 650.0)}));
}

TEST_CASE("what did not come before the next commit is null") {
  Story spare;
  spare.started().lost(200, 4).committed(250, 1).view(260, true).at(261, "resumed");
  CHECK(spare.get("recoveries") == Json({recovery(4, 0.0, nullptr, nullptr, 50.0)}));
  Story last;
  last.started().committed(150, 9).struck(160, 1, "kill").lost(165, 1).at(170, "run_ended");
  CHECK(last.get("recoveries") == Json({recovery(1, 5.0, nullptr, nullptr, nullptr)}));
  CHECK(last.get("lost_step_ms") == 0.0);
  CHECK(last.get("workers_lost") == 1);
}

TEST_CASE("of several faults of one worker the last before its loss counts, and no other kind") {
  Story story;
  story.started().struck(150, 2, "stop").committed(200, 1).struck(300, 2, "kill");
  story.struck(305, 2, "join").struck(306, 2, "throw").lost(310, 2).committed(400, 2);
  CHECK(story.get("recoveries")[0].at("detect_ms") == 10.0);
  // The number's next bearer would begin afresh.
  story.lost(500, 2).committed(510, 3);
  CHECK(story.get("recoveries")[1].at("detect_ms") == 0.0);
}

TEST_CASE("losses before the run began are counted, but nothing had to recover") {
  Story story;
  story.lost(50, 3).started().committed(200, 1);
  CHECK(story.get("workers_lost") == 1);
  CHECK(story.get("recoveries") == Json::array());
}

TEST_CASE("a join is filled by the migration that names it, and waits are beyond the usual gap") {
  Story story;
  story.at(50, "worker_joined", {{"worker", 0}}).started();
  // From a commit to the first action of the next step: 2 ms, 2 ms, 12 ms (a hiccup), 2 ms.
  story.committed(200, 1).computed(202, 2).computed(203, 2).committed(300, 2).computed(302, 3);
  story.committed(400, 3).computed(412, 4).committed(500, 4).computed(502, 5);
  story.at(510, "worker_joined", {{"worker", 4}}).at(520, "worker_joined", {{"worker", 5}});
  story.view(600, true, {{{"worker", 0}}, {{"worker", 4}}}).committed(600, 5).computed(605, 6);
  story.at(640, "migration_end", {{"to", {4, 0}}});
  CHECK(story.get("joins") == Json({{{"worker", 4}, {"fill_ms", 130.0}, {"waited_ms", 3.0}},
                                    {{"worker", 5}, {"fill_ms", nullptr}, {"waited_ms", 0.0}}}));
  // In a view that a loss brought about nobody waits for the joiner.
  story.lost(650, 0).view(651, false, {4, 5}).committed(700, 6).computed(790, 7);
  CHECK(story.get("joins")[1].at("waited_ms") == 0.0);
  // Without a list the first migration after it became a member.
  story.at(795, "migration_end", {{"kind", "fill"}});
  CHECK(story.get("joins")[1].at("fill_ms") == 275.0);
}

TEST_CASE("events that lack something, or are none, change nothing") {
  LossFigures figures;
  for (const char* text :
       {"[]", "{}", R"({"t_ms":"x","event":"worker_lost","worker":1})", R"({"t_ms":1,"event":7})",
        R"({"t_ms":1,"event":"worker_lost"})", R"({"t_ms":1,"event":"run_started"})",
        R"({"t_ms":1,"event":"worker_joined","worker":"2"})",
        R"({"t_ms":1,"event":"fault_injected","worker":1,"kind":3})",
        R"({"t_ms":1,"event":"view","members":3,"planned":1})",
        R"({"t_ms":1,"event":"migration_end","to":3})", R"({"t_ms":1,"event":"computed"})"}) {
    figures.add(Json::parse(text));
  }
  CHECK(figures.fields() == Json({{"recoveries", Json::array()},
                                  {"joins", Json::array()},
                                  {"workers_lost", 0},
                                  {"lost_step_ms", 0.0}}));
}

}  // namespace planaria::host
