// host/profile_watch.hpp (private): watches the processes of a profile until both have ended.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <string>

#include <planaria/base/clock.hpp>
#include <planaria/base/json.hpp>
#include <planaria/base/result.hpp>

#include "host/child_process.hpp"
#include "host/descriptor.hpp"
#include "host/run_watch.hpp"
#include "host/screen.hpp"
#include "host/worker_output.hpp"

namespace planaria::host {

struct ProfileWatchOptions {
  std::string program;  // for sentences
  /// Starts the other worker, by the order that the measuring process has sent for it.
  std::function<Result<ChildProcess>(const Json& order)> start_other;
};

/// What the processes came to: an answer, or a status and a sentence that say why there is none.
struct ProfileEnding {
  int status = 0;
  std::string sentence;  // empty: the program has said enough
  Json answer;           // null without one
};

/// Reads what the children write, shows it on stderr, starts the other worker when it is asked for,
/// and ends who stays. One thread.
class ProfileWatch {
 public:
  ProfileWatch(ProfileWatchOptions options, Screen& screen);
  /// Waits until both processes have ended. `progress` is where the measuring one says how far it
  /// is.
  [[nodiscard]] ProfileEnding until_over(ChildProcess measuring, Descriptor progress);

 private:
  struct Watched {
    ChildProcess process;
    LineBuffer out, err;
    bool said_why = false;         // something on stderr
    std::deque<std::string> last;  // of its lines, where they are not shown at once
  };
  void round();
  void take_signals();
  void take_output(Watched& watched, bool at_once);
  void take_messages();
  void end_early(int status, const std::string& sentence);
  void end_other();
  [[nodiscard]] ProfileEnding ending_of(const ChildEnd& end);

  ProfileWatchOptions options_;
  Screen& screen_;
  SystemClock clock_;
  TakenSignals signals_;
  std::optional<Watched> measuring_;
  std::optional<Watched> other_;
  Descriptor progress_;
  LineBuffer messages_;
  Json answer_;
  std::optional<ProfileEnding> early_;
};

}  // namespace planaria::host
