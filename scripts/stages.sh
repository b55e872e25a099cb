# Sourced by scripts/test and scripts/demo: stages with their minutes.

stage_names=()
stage_seconds=()

# stage NAME COMMAND...: runs it, remembers how long it took, returns its status.
stage() {
  local name="$1" begin=$SECONDS status=0
  shift
  echo "== $name: $*"
  "$@" || status=$?
  stage_names+=("$name")
  stage_seconds+=($((SECONDS - begin)))
  if [ "$status" -ne 0 ]; then echo "== $name failed with status $status" >&2; fi
  return "$status"
}

# One line: minutes: setup 0.2, configure 0.1, build 9.8, test 3.1, all 13.2
print_stages() {
  local i total=0 line=""
  for i in "${!stage_names[@]}"; do
    total=$((total + stage_seconds[i]))
    line+="${stage_names[i]} $(minutes "${stage_seconds[i]}"), "
  done
  echo "minutes: ${line}all $(minutes "$total")"
}

minutes() { printf '%d.%d' $(($1 / 60)) $(($1 % 60 / 6)); }

# As many compilers at once as there are cores, but no more than memory holds: one that reads all of
# LibTorch's headers takes 1.5 GB.
build_jobs() {
  local cores available_kb by_memory
  cores="$(nproc)"
  available_kb="$(awk '/^MemAvailable:/ {print $2}' /proc/meminfo)"
  by_memory=$((available_kb / 1572864))
  if [ "$by_memory" -lt 1 ]; then by_memory=1; fi
  echo $((cores < by_memory ? cores : by_memory))
}
