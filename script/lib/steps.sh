# The steps of script/test and script/nightly: sourced, never run. Each is an executable file in
# $folder whose second line says in a comment what it proves.

about() { sed -n '2s/^# //p' "$folder/$1"; }

list_steps() {
  local step
  for step in "$@"; do printf '%-14s%s\n' "$step" "$(about "$step")"; done
}

check_steps() {
  local step
  for step in "$@"; do
    [ -x "$folder/$step" ] || die "no such step: $step ($command --list shows them)"
  done
}

# Whether a step passed, and how long it took.
run_step() {
  local started=$SECONDS
  say "==> $1: $(about "$1")"
  if "$folder/$1"; then
    say "<== $1 passed in $((SECONDS - started)) s"
  else
    say "<== $1 FAILED after $((SECONDS - started)) s; run it alone with: $command $1"
    return 1
  fi
}
