#include "liveput/shared_data.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <catch2/catch.hpp>

#include <planaria/base/json.hpp>
#include <planaria/liveput/setting.hpp>

namespace planaria::shared_data {

std::string path_of(const std::string& name) {
  const char* folder = std::getenv("PLANARIA_SHARED");
  return std::string(folder == nullptr ? "../shared" : folder) + "/" + name;
}

bool present() {
  if (std::filesystem::exists(path_of("parcae-setting/gpt2-1.5b.setting.json"))) return true;
  WARN("skipped: " << path_of("parcae-setting") << " is not there (PLANARIA_SHARED)");
  return false;
}

SettingPrices prices_of(const std::string& model) {
  const std::string path = path_of("parcae-setting/" + model + ".setting.json");
  return SettingPrices(setting_from_json(read_json_file(path).value(), path).value());
}

std::vector<IntervalCounts> p3_intervals() {
  std::ifstream file(path_of("traces/parcae__p3trace.csv"));
  std::vector<IntervalCounts> all;
  for (std::string line; std::getline(file, line);) {
    all.resize(static_cast<std::size_t>(std::stoll(line) / 60'000) + 1);
    (line.find("add") == std::string::npos ? all.back().lost : all.back().joined) += 1;
  }
  int count = 0;
  for (IntervalCounts& one : all) one.count = count += one.joined - one.lost;
  return all;
}

}  // namespace planaria::shared_data
