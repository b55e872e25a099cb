#include "liveput/shared_data.hpp"

#include <planaria/availability/trace_text.hpp>
#include <planaria/base/json.hpp>
#include <planaria/liveput/setting.hpp>

#include "support/shared_folder.hpp"

namespace planaria::test {

std::optional<PublishedData> published_data() {
  const auto settings = shared_folder("parcae-setting");
  const auto traces = shared_folder("traces");
  if (!settings || !traces) return std::nullopt;
  const auto prices_of = [&](const std::string& model) {
    const std::string path = *settings + "/" + model + ".setting.json";
    return SettingPrices(setting_from_json(read_json_file(path).value(), path).value());
  };
  const Trace p3 = read_trace(*traces + "/parcae__p3trace.csv", {}).value();
  return PublishedData{{{"gpt2-1.5b", prices_of("gpt2-1.5b")}, {"vgg19", prices_of("vgg19")}},
                       intervals_of(p3, 60'000)};
}

}  // namespace planaria::test
