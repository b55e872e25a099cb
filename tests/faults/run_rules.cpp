#include "faults/run_rules.hpp"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include <planaria/base/text.hpp>

namespace planaria::test {
namespace {

void append(Complaints& all, Complaints more) {
  for (std::string& each : more) all.push_back(std::move(each));
}

std::int64_t whole(const Json& event, const char* key) {
  const auto found = event.find(key);
  return found != event.end() && found->is_number_integer() ? found->get<std::int64_t>() : -1;
}

std::string word(const Json& event, const char* key) {
  const auto found = event.find(key);
  return found != event.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// Loss and norm as they are printed: enough digits for every bit.
using Figures = std::pair<std::string, std::string>;

Figures figures_of(const Json& committed) {
  return {committed.at("loss").dump(), committed.at("norm").dump()};
}

// Of each step as it was committed first.
std::map<std::int64_t, Figures> figures_of(const RunFiles& run) {
  std::map<std::int64_t, Figures> figures;
  for (const Json& event : events_named(run, "step_committed")) {
    figures.emplace(whole(event, "step"), figures_of(event));
  }
  return figures;
}

// Level, loss and samples of every evaluation.
std::vector<Json> evaluations_of(const RunFiles& run) {
  std::vector<Json> found;
  for (const Json& event : events_named(run, "evaluated")) {
    found.push_back({event.at("step"), event.at("loss"), event.at("samples")});
  }
  return found;
}

// The fields of an item such as kill@step=7:worker=2:phase=fill; its kind under "".
std::map<std::string, std::string> fields_of(const std::string& item) {
  const std::size_t at = item.find('@');
  std::map<std::string, std::string> fields{{"", item.substr(0, at)}};
  if (at == std::string::npos) return fields;
  for (const std::string& field : split(item.substr(at + 1), ':')) {
    const std::size_t equals = field.find('=');
    fields[field.substr(0, equals)] =
        equals == std::string::npos ? std::string() : field.substr(equals + 1);
  }
  return fields;
}

// Says what of the strike is not as its order has it.
Complaints unlike(const std::string& item, const Json& strike) {
  Complaints found;
  const auto fields = fields_of(item);
  const auto phase = fields.find("phase");
  if (phase != fields.end() && word(strike, "phase") != phase->second) {
    found.push_back(fmt::format("{} struck in phase {}", item, word(strike, "phase")));
  }
  const auto worker = fields.find("worker");
  const bool numbered =
      worker != fields.end() && worker->second.find_first_not_of("0123456789") == std::string::npos;
  if (numbered && std::to_string(whole(strike, "worker")) != worker->second) {
    found.push_back(fmt::format("{} struck worker {}", item, whole(strike, "worker")));
  }
  const auto step = fields.find("step");
  const bool waits = !numbered || (phase != fields.end() &&
                                   (phase->second == "migrate" || phase->second == "fill"));
  if (step != fields.end() && fields.at("") != "join") {
    const std::int64_t wanted = std::stoll(step->second);
    const std::int64_t struck = whole(strike, "step");
    if (waits ? struck < wanted : struck != wanted) {
      found.push_back(fmt::format("{} struck in step {}", item, struck));
    }
  }
  return found;
}

std::set<std::int64_t> struck_workers(const RunFiles& run, const std::string& kind) {
  std::set<std::int64_t> workers;
  for (const Json& strike : events_named(run, "fault_injected")) {
    if (word(strike, "kind") == kind) workers.insert(whole(strike, "worker"));
  }
  return workers;
}

// Whether the number stands anywhere among members, computing or shadowing.
bool names(const Json& view, std::int64_t worker) {
  const auto is_it = [&](const Json& each) { return whole(each, "worker") == worker; };
  if (std::ranges::any_of(view.at("members"), is_it)) return true;
  const Json& layout = view.at("layout");
  return std::ranges::any_of(layout.at("pipelines"),
                             [&](const Json& pipeline) {
                               return std::ranges::any_of(pipeline.at("stages"), is_it);
                             }) ||
         std::ranges::any_of(layout.value("shadows", Json::array()), is_it);
}

// What is told of a lost worker after its loss.
Complaints ghosts(const RunFiles& run) {
  Complaints found;
  std::map<std::int64_t, std::int64_t> lost;  // and the view in which it was
  for (const Json& event : run.events) {
    const std::string name = word(event, "event");
    if (name == "worker_lost") {
      const bool first = lost.emplace(whole(event, "worker"), whole(event, "view")).second;
      if (!first) found.push_back(fmt::format("worker {} is lost twice", whole(event, "worker")));
    }
    if (name == "worker_joined" && lost.contains(whole(event, "worker"))) {
      found.push_back(fmt::format("the number {} is given again", whole(event, "worker")));
    }
    if (name == "view") {
      for (const auto& [worker, view] : lost) {
        if (names(event, worker)) {
          found.push_back(
              fmt::format("view {} names worker {}, which is lost", whole(event, "view"), worker));
        }
      }
    }
    if (name == "computed") {
      const auto gone = lost.find(whole(event, "worker"));
      if (gone != lost.end() && whole(event, "view") > gone->second) {
        found.push_back(fmt::format("worker {} computes in view {}, lost in view {}", gone->first,
                                    whole(event, "view"), gone->second));
      }
    }
  }
  if (run.result.is_object()) {
    for (const Json& worker : run.result.at("workers")) {
      if (lost.contains(whole(worker, "id"))) {
        found.push_back(
            fmt::format("the result names worker {}, which is lost", whole(worker, "id")));
      }
    }
  }
  return found;
}

}  // namespace

Complaints differences(const RunFiles& run, const RunFiles& undisturbed) {
  Complaints found;
  if (!run.result.is_object()) return {"there is no result"};
  if (!undisturbed.result.is_object())
    return {"undisturbed there is no result", undisturbed.errors};
  for (const char* field :
       {"steps", "samples", "final_loss", "weights_xxh3_128", "state_xxh3_128", "version"}) {
    const Json& here = run.result.at(field);
    const Json& there = undisturbed.result.at(field);
    if (here != there)
      found.push_back(fmt::format("{}: {} and {}", field, here.dump(), there.dump()));
  }
  if (run.result.at("holders_agree") != true) found.emplace_back("the holders do not agree");
  if (run.model.empty() || run.model != undisturbed.model) {
    found.emplace_back("model.safetensors differs");
  }
  if (figures_of(run) != figures_of(undisturbed)) found.emplace_back("losses or norms differ");
  if (run.ledger != undisturbed.ledger) found.emplace_back("the ledger differs");
  if (evaluations_of(run) != evaluations_of(undisturbed)) {
    found.push_back(fmt::format("evaluations: {} and {}", Json(evaluations_of(run)).dump(),
                                Json(evaluations_of(undisturbed)).dump()));
  }
  return found;
}

Complaints disorder(const RunFiles& run, int copies) {
  Complaints found;
  std::map<std::int64_t, Figures> first;
  std::int64_t next = 1;
  std::int64_t view = 0;
  int lost = 0;
  for (const Json& event : run.events) {
    const std::string name = word(event, "event");
    if (name == "worker_lost") ++lost;
    if (name == "view") {
      if (whole(event, "view") != ++view) {
        found.push_back(fmt::format("view {} is followed by {}", view - 1, whole(event, "view")));
      }
      view = whole(event, "view");
    }
    if (name == "rolled_back") {
      if (lost < copies) {
        found.push_back(fmt::format("{} lost, and all went back", lost));
      }
      if (whole(event, "from") != next - 1) {
        found.push_back(
            fmt::format("rolled back from {}, committed was {}", whole(event, "from"), next - 1));
      }
      next = whole(event, "to") + 1;
    }
    if (name != "step_committed") continue;
    const std::int64_t step = whole(event, "step");
    if (step != next) found.push_back(fmt::format("step {} is committed, not {}", step, next));
    next = step + 1;
    const auto [before, fresh] = first.emplace(step, figures_of(event));
    if (!fresh && before->second != figures_of(event)) {
      found.push_back(fmt::format("step {} has another loss or norm when done again", step));
    }
  }
  for (std::size_t i = 0; i < run.ledger.size(); ++i) {
    if (whole(run.ledger[i], "step") != static_cast<std::int64_t>(i + 1)) {
      found.push_back(
          fmt::format("line {} of the ledger is of step {}", i + 1, whole(run.ledger[i], "step")));
    }
  }
  if (run.ledger.size() != first.size()) {
    found.push_back(
        fmt::format("{} lines of the ledger for {} steps", run.ledger.size(), first.size()));
  }
  if (run.result.is_object() && whole(run.result, "steps") != next - 1) {
    found.push_back(fmt::format("the last step is {}, the result has {}", next - 1,
                                whole(run.result, "steps")));
  }
  return found;
}

Complaints missed_strikes(const RunFiles& run) {
  Complaints found;
  const std::vector<Json> strikes = events_named(run, "fault_injected");
  for (const std::string& item : split(run.faults, ',')) {
    if (item.empty() || item.starts_with("random:")) continue;
    std::vector<Json> own;
    std::ranges::copy_if(strikes, std::back_inserter(own), [&](const Json& strike) {
      // Fields that were left out are written with their defaults.
      return (word(strike, "order") + ":").starts_with(item + ":");
    });
    const bool once = fields_of(item).at("") != "throw";
    if (own.empty() || (once && own.size() > 1)) {
      found.push_back(fmt::format("{} struck {} times", item, own.size()));
    }
    for (const Json& strike : own) append(found, unlike(item, strike));
  }
  const std::set<std::int64_t> killed = struck_workers(run, "kill");
  const std::set<std::int64_t> stopped = struck_workers(run, "stop");
  std::set<std::int64_t> lost;
  for (const Json& event : events_named(run, "worker_lost")) lost.insert(whole(event, "worker"));
  for (const std::int64_t worker : killed) {
    if (!lost.contains(worker)) found.push_back(fmt::format("worker {} is not lost", worker));
  }
  for (const std::int64_t worker : lost) {
    if (!killed.contains(worker) && !stopped.contains(worker)) {
      found.push_back(fmt::format("worker {} is lost, and nothing befell it", worker));
    }
  }
  for (const Json& strike : strikes) {
    if (word(strike, "kind") != "kill") continue;
    for (const Json& event : run.events) {
      if (word(event, "event") == "computed" && event.at("worker") == strike.at("worker") &&
          event.at("t_ms") > strike.at("t_ms")) {
        found.push_back(
            fmt::format("worker {} computes after it was killed", whole(strike, "worker")));
        break;
      }
    }
  }
  if (run.result.is_object() &&
      whole(run.result, "workers_lost") != static_cast<std::int64_t>(lost.size())) {
    found.push_back(fmt::format("{} workers are lost, the result has {}", lost.size(),
                                run.result.at("workers_lost").dump()));
  }
  append(found, ghosts(run));
  return found;
}

std::string complaints_about(const RunFiles& run, const RunFiles& undisturbed, int copies) {
  Complaints all;
  if (run.status != 0) all.push_back(fmt::format("status {}", run.status));
  append(all, differences(run, undisturbed));
  append(all, disorder(run, copies));
  append(all, missed_strikes(run));
  append(all, wrong_work(run));
  if (all.empty()) return {};
  return fmt::format("{}\n{}\n{}", run.command, join(all, "\n"), run.errors);
}

}  // namespace planaria::test
