// What best_plan() says beside a plan: why, what would be enough, and what cannot be asked.
#include <string>
#include <vector>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include "planner/even_case.hpp"

namespace planaria {

TEST_CASE("where nothing fits, the change that is told would be enough", "[unit]") {
  EvenCase even(12, 3, 9'000, 8);
  even.request.recompute = Recompute::never;
  const auto nothing = best_plan(even.request);
  REQUIRE_FALSE(nothing.ok());
  CHECK(nothing.fault().kind == FaultKind::infeasible);
  const std::string& sentence = nothing.fault().sentence;
  INFO(sentence);
  CHECK(
      sentence.starts_with("nothing fits: 12 layers in micro-batches of 2 on 3 workers; enough "));
  std::size_t at = sentence.find('(');
  REQUIRE(at != std::string::npos);
  const std::int64_t enough_bytes = std::stoll(sentence.substr(at + 1));
  even.cluster = identical_workers(3, enough_bytes);
  CHECK(best_plan(even.request).ok());
  even.cluster = identical_workers(3, enough_bytes * 999 / 1000);
  CHECK_FALSE(best_plan(even.request).ok());
  at = sentence.find(" workers like those");
  REQUIRE(at != std::string::npos);
  const int enough_workers = std::stoi(sentence.substr(sentence.rfind(' ', at - 1)));
  even.cluster = identical_workers(enough_workers, 9'000);
  CHECK(best_plan(even.request).ok());
  even.cluster = identical_workers(enough_workers - 1, 9'000);
  CHECK_FALSE(best_plan(even.request).ok());
}

TEST_CASE("a throughput that no plan reaches is refused with the best there is", "[unit]") {
  EvenCase even(6, 4, 100'000, 8);
  const double best = best_plan(even.request).value().plan.samples_per_s;
  even.request.min_samples_per_s = best * 0.999;
  CHECK(best_plan(even.request).ok());
  even.request.min_samples_per_s = best * 1.001;
  const auto refused = best_plan(even.request);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.fault().kind == FaultKind::infeasible);
  CHECK(refused.fault().sentence.find(fmt::format("the best found has {:.6g}", best)) !=
        std::string::npos);
}

TEST_CASE("an explanation says the plan first, then every other family", "[unit]") {
  EvenCase even(12, 6, 12'000, 12);
  even.request.explain = true;
  const auto answer = best_plan(even.request).value();
  REQUIRE(answer.explanation.size() > 3);
  CHECK(answer.explanation[0].starts_with(text_of(layout_of(answer.plan)) + " by "));
  int misfits = 0;
  const std::size_t what_ifs = 3;
  for (std::size_t i = 1; i < answer.explanation.size() - what_ifs; ++i) {
    CHECK(answer.explanation[i].starts_with("not "));
    misfits += answer.explanation[i].find("do not fit") != std::string::npos ? 1 : 0;
  }
  CHECK(misfits > 0);
  even.request.explain = false;
  CHECK(best_plan(even.request).value().explanation.empty());
}

TEST_CASE("an explanation ends with what memory and links would have to be", "[unit]") {
  EvenCase even(12, 6, 12'000, 12);
  even.request.explain = true;
  const auto answer = best_plan(even.request).value();
  const auto& sentences = answer.explanation;
  REQUIRE(sentences.size() > 3);
  const std::string& memory = sentences[sentences.size() - 3];
  const std::string& half = sentences[sentences.size() - 2];
  const std::string& none = sentences.back();
  INFO(memory << "\n" << half << "\n" << none);
  REQUIRE(memory.starts_with("with enough memory, "));
  REQUIRE(half.starts_with("with transfers in half the time: "));
  REQUIRE(none.starts_with("with transfers in no time: "));
  const auto number_before = [](const std::string& text, const std::string& what) {
    const std::size_t end = text.find(what);
    REQUIRE(end != std::string::npos);
    return text.substr(text.find_last_of(" (", end - 1) + 1, end);
  };
  const auto bytes = std::stoll(number_before(memory, " bytes) where"));
  EvenCase richer(12, 6, bytes, 12);
  const double step_ms = best_plan(richer.request).value().plan.step_ms;
  CHECK(step_ms < answer.plan.step_ms);
  CHECK(std::stod(number_before(memory, " ms a step")) == Approx(step_ms).epsilon(1e-5));
  for (TransferPoint& point : even.profile.transfer) point.ms /= 2;
  even.request.explain = false;
  CHECK(std::stod(number_before(half, " ms a step")) ==
        Approx(best_plan(even.request).value().plan.step_ms).epsilon(1e-5));
  for (TransferPoint& point : even.profile.transfer) point.ms = 0;
  CHECK(std::stod(number_before(none, " ms a step")) ==
        Approx(best_plan(even.request).value().plan.step_ms).epsilon(1e-5));
}

TEST_CASE("where memory and links do not matter the explanation says so", "[unit]") {
  EvenCase even(6, 1, 100'000'000, 8);
  even.request.explain = true;
  const auto answer = best_plan(even.request).value();
  REQUIRE(answer.explanation.size() > 3);
  const std::vector<std::string> last(answer.explanation.end() - 3, answer.explanation.end());
  CHECK(last ==
        std::vector<std::string>{"more memory would not make the step shorter",
                                 "with transfers in half the time the step would not be shorter",
                                 "with transfers in no time the step would not be shorter"});
}

TEST_CASE("what cannot be asked is refused by name", "[unit]") {
  const auto refusal = [](const auto& change) {
    EvenCase even(6, 4, 100'000, 8);
    change(even.request);
    const auto answer = best_plan(even.request);
    REQUIRE_FALSE(answer.ok());
    CHECK(answer.fault().kind == FaultKind::invalid_input);
    return answer.fault().sentence;
  };
  CHECK(refusal([](auto& request) { request.micro_batches = 0; }) ==
        "micro_batches: 0, must be 1 to 100000");
  CHECK(refusal([](auto& request) { request.micro_batch_size = 3; }) ==
        "micro_batch_size: 3, must be one of 1, 2");
  CHECK(refusal([](auto& request) { request.lane_size = 0; }) ==
        "lane_size: 0, must be 1 to 100000");
  CHECK(refusal([](auto& request) { request.survive = -1; }) == "survive: -1, must be 0 to 10000");
  CHECK(refusal([](auto& request) { request.width = 5; }) == "width: 5, must be 1 to 4");
  CHECK(refusal([](auto& request) { request.depth = 7; }) ==
        "depth: 7, must be at most 6, the number of layers");
  CHECK(refusal([](auto& request) { request.depth = 5; }) == "depth: 5, must be 1 to 4");
  CHECK(refusal([](auto& request) { request.micro_batches = 3, request.width = 4; }) ==
        "width: 4, must be at most 3, the number of lanes");
  CHECK(refusal([](auto& request) { request.width = 2, request.depth = 3; }) ==
        "width x depth: 2 x 3 = 6, must be at most 4, the number of workers");
  CHECK(refusal([](auto& request) { request.schedule = "zb-v", request.depth = 4; }) ==
        "depth: 4, must be at most 3: zb-v puts 2 stages on each worker, and there are 6 layers");
  CHECK(refusal([](auto& request) {
          request.schedule = "varuna";
        }).starts_with("schedule: varuna, must be any or one of gpipe, 1f1b, "));
  CHECK(refusal([](auto& request) { request.min_samples_per_s = -1; }) ==
        "min_throughput: -1, must be a finite number from 0");
}

}  // namespace planaria
