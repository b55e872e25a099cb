// host/profile_launch.hpp: `planaria profile`: a program that trains, started to be measured. Floor
// 7, no LibTorch.
// Is: what the two processes of a profile are told and say, and who starts and watches them. Is
// not: the measurement (runtime/profiling.hpp).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <planaria/base/json.hpp>
#include <planaria/base/result.hpp>
#include <planaria/model/profile.hpp>

namespace planaria::host {

/// Set by `planaria profile`: the order, as JSON.
inline constexpr const char* env_profile = "PLANARIA_PROFILE";

/// What a process of a profile is to do: to measure, and then to wait at `listen` for the other
/// worker; or to be that, connect to `other` and compute `layer` while messages come and go.
struct ProfileOrder {
  std::string model;
  std::vector<int> micro_batch_sizes;  // empty: the program's own
  int repeats = 9;
  std::string listen;
  std::string other;  // empty: measure
  int layer = 0;
};
[[nodiscard]] Json to_json(const ProfileOrder& order);
[[nodiscard]] Result<ProfileOrder> profile_order_from_json(const Json& json,
                                                           const std::string& source);

struct ProfileLaunchOptions {
  std::vector<std::string> command;    // PROGRAM ARGS…
  std::vector<int> micro_batch_sizes;  // empty: the program's own alone
  int repeats = 9;
  /// So many more processes compute the same beside, from begin to end: what layers take where
  /// several workers share a machine's memory and cores.
  int beside = 0;
  bool json = false;   // the profile on stdout and nothing else there
  std::string output;  // a file that gets the profile; empty: none
};

/// Starts the program to be measured, and once more as the other worker of the transfers; shows on
/// stderr what both print and how far it is, and prints a summary, or the profile. Children die
/// with the calling thread. Takes SIGINT, SIGTERM, SIGHUP and SIGCHLD while it runs: the first ends
/// it. Returns the exit status of `planaria profile`: 1 where the program failed or never asked to
/// train, 2 for bad input, the program's own too.
[[nodiscard]] int launch_profile(const ProfileLaunchOptions& options);

struct MeasuredProgram {
  int status = 0;                  // as launch_profile()'s
  std::optional<Profile> profile;  // where status is 0
};
/// The same without printing or writing the profile: for who goes on with it.
[[nodiscard]] MeasuredProgram measure_program(const ProfileLaunchOptions& options);

}  // namespace planaria::host
