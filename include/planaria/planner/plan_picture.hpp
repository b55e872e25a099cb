// planner/plan_picture.hpp: a plan as a picture. Floor 3, pure. Any thread.
// Is: which layers stand where, what workers hold against what they have, and the step as
// predicted. Same input, same bytes. Is not: a search (best_plan.hpp), nor a picture of schedules
// alone (schedule/draw.hpp).
#pragma once

#include <string>

#include <planaria/base/result.hpp>
#include <planaria/model/cluster.hpp>
#include <planaria/model/profile.hpp>
#include <planaria/planner/plan.hpp>

namespace planaria {

/// Returns a self-contained SVG file in the looks of schedules' (draw.hpp): the step's figures;
/// pipelines that are alike in all that is drawn once, as a strip of layers coloured by stage, a
/// row a worker with a bar of what it holds at most against its memory, and the timeline of their
/// schedule; who shadows and who is idle. Only the six kinds of pipelines that compute longest have
/// timelines, all on one scale, with lines of memory up to 24 ranks. What a plan says of its bound
/// is told as it is; step, memory and times are computed anew. Faults as cost_of(). O(actions +
/// layers x pipelines).
[[nodiscard]] Result<std::string> svg_of_plan(const Plan& plan, const Profile& profile,
                                              const Cluster& cluster);

}  // namespace planaria
