// The promises of everything that reads a file, as functions of the file's bytes. What
// fuzz_target.cpp and corpus_test.cpp run is the same.
#pragma once

#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <planaria/base/result.hpp>

namespace planaria::test {

/// A reader, or what was handed what it had read, did not keep a promise.
struct BrokenPromise : std::logic_error {
  using std::logic_error::logic_error;
};

/// Throws BrokenPromise unless `kept`.
void hold(bool kept, const std::string& promise);
/// Throws unless the sentence can be shown: on one line, in UTF-8, not long.
void hold_sentence(const Fault& fault);

/// One kind of file. Reading refuses, or accepts a value that is written and read back as the same
/// and that those who take such values take without harm; else it throws BrokenPromise. Whatever
/// the bytes, it ends soon.
struct Reader {
  const char* name;
  /// Returns the refusal, which begins with source_name, or nothing.
  std::optional<Fault> (*read)(std::string_view text);
};
inline constexpr const char* source_name = "input";

/// All of them.
[[nodiscard]] const std::vector<Reader>& readers();

std::optional<Fault> read_profile(std::string_view text);
std::optional<Fault> read_cluster(std::string_view text);
std::optional<Fault> read_plan(std::string_view text);
std::optional<Fault> read_layout(std::string_view text);
std::optional<Fault> read_run_spec(std::string_view text);
std::optional<Fault> read_schedule(std::string_view text);
std::optional<Fault> read_costs(std::string_view text);
std::optional<Fault> read_jitter(std::string_view text);
std::optional<Fault> read_trace_text(std::string_view text);
std::optional<Fault> read_setting(std::string_view text);
std::optional<Fault> read_forecast(std::string_view text);
std::optional<Fault> read_machine_prices(std::string_view text);

}  // namespace planaria::test
