// What must hold of a run whatever befell its workers, read from its files alone.
#pragma once

#include <string>
#include <vector>

#include "faults/run_files.hpp"

namespace planaria::test {

/// One sentence for each rule that is broken; empty where all is well.
using Complaints = std::vector<std::string>;

/// Weights, state, model file, holders, losses and norms of all steps, ledger and evaluations are
/// those of `undisturbed`, to the bit.
[[nodiscard]] Complaints differences(const RunFiles& run, const RunFiles& undisturbed);

/// Steps are committed in order, each once; after `rolled_back` again from there, with the same
/// loss and norm; the ledger has each once. Nothing is rolled back before `copies` workers were
/// lost. View numbers rise by one.
[[nodiscard]] Complaints disorder(const RunFiles& run, int copies);

/// Every order of the run's faults struck, once, where it was to strike, and whom. Who was killed
/// is lost and does nothing any more; nobody else is lost but who was stopped or kept failing. A
/// lost worker's number stands in no later view, nor in the result.
[[nodiscard]] Complaints missed_strikes(const RunFiles& run);

/// Workers computed only what their view gave them; each committed step is computed whole, each
/// (micro-batch, layer) once, in the view that committed it, but for what that view says is
/// finished, which then went backward in a view before, is had by who had the layer there, and was
/// not given up since. No view has anything twice, and no more steps are begun again than views
/// were broken off.
[[nodiscard]] Complaints wrong_work(const RunFiles& run);

/// All of them, one a line; empty where all is well. `copies`: of how many workers each layer's
/// state is to be with (--commit-domains).
[[nodiscard]] std::string complaints_about(const RunFiles& run, const RunFiles& undisturbed,
                                           int copies = 2);

}  // namespace planaria::test
