// A policy of one's own, beside reacting at once. It needs no LibTorch: planaria::core is enough.
//
//   own_policy gpt2-1.5b.setting.json p3-trace.csv
//
// prints what both earn:
//
//   reactive: 1390025 samples, 0.923 of ideal
//   own: 1394499 samples, 0.926 of ideal
//
// The policy leaves its layout only when it must, or when nothing has happened for a while: in a
// burst of losses every change would soon be undone. Next: docs/liveput.md, "Policies".
#include <cstdio>

#include <planaria/availability/trace_text.hpp>
#include <planaria/base/json.hpp>
#include <planaria/liveput/policies.hpp>

using planaria::Choice, planaria::GridLayout, planaria::Situation;

namespace {

class WaitForCalm final : public planaria::Policy {
 public:
  WaitForCalm(const planaria::PriceModel& prices, int calm) : prices_(prices), calm_(calm) {}

  // Called once an interval: what has come and gone in it is known, what will is not.
  Choice choose(const Situation& situation) override {
    const planaria::IntervalCounts& now = situation.now();
    quiet_ = now.joined + now.lost == 0 ? quiet_ + 1 : 0;
    const bool fits = !situation.layout.empty() && situation.layout.workers() <= now.count;
    const bool calm = quiet_ >= calm_;
    const GridLayout to =
        fits && !calm ? situation.layout : planaria::best_layout(prices_, now.count);
    return {.layout = to,
            .charge = planaria::migration_charge(prices_, situation, to),
            .explanation = !fits  ? "must change"
                           : calm ? "it is calm"
                                  : "waits for calm"};
  }

 private:
  const planaria::PriceModel& prices_;
  int calm_;  // intervals
  int quiet_ = 0;
};

int refused(const planaria::Fault& fault) {
  std::fprintf(stderr, "own_policy: %s\n", fault.sentence.c_str());
  return 2;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) {
    std::fprintf(stderr, "own_policy: %d arguments, must be 2: SETTING TRACE\n", count - 1);
    return 2;
  }
  const auto json = planaria::read_json_file(arguments[1]);
  if (!json.ok()) return refused(json.fault());
  const auto setting = planaria::setting_from_json(json.value(), arguments[1]);
  if (!setting.ok()) return refused(setting.fault());
  const auto trace = planaria::read_trace(arguments[2], {});
  if (!trace.ok()) return refused(trace.fault());

  const planaria::SettingPrices prices(setting.value());
  const auto intervals = planaria::intervals_of(trace.value(), 60'000);
  const planaria::SimulationRequest request{
      .prices = &prices, .intervals = intervals, .end = intervals.size()};
  const double ideal = planaria::ideal_samples(request);
  const auto show = [&](const char* name, planaria::Policy& policy) {
    const double samples = planaria::simulate(request, policy).samples;
    std::printf("%s: %.0f samples, %.3f of ideal\n", name, samples, samples / ideal);
  };
  show("reactive", *planaria::reactive_policy(prices));
  WaitForCalm own(prices, 2);
  show("own", own);
}
