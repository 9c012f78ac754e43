# A server of its own for load scripts: sourced after script/lib/common.sh.

# BENCH_SERVER is a build of the server to measure, instead of the one that is built now.
if [ -z "${BENCH_SERVER:-}" ]; then
  cargo build --release --locked -p medianest-server --bin medianest
  BENCH_SERVER="$(target_dir)/release/medianest"
fi
work="$(mktemp -d "${BENCH_DIR:-$PWD}/bench.XXXXXX")"
server=
end() {
  [ -z "$server" ] || { kill "$server" 2>/dev/null && wait "$server"; } || true
  rm -rf "$work"
}
trap end EXIT

start_server() {
  local port
  port="$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')"
  url="http://127.0.0.1:$port"
  printf 'correct-horse-battery-staple' >"$work/password"
  # One user on one machine is no crowd.
  export MEDIANEST_RATES__USER_PER_SECOND=0 MEDIANEST_RATES__ADDRESS_PER_SECOND=0
  XDG_DATA_HOME="$work/data" MEDIANEST_LOG__FILTER=warn MEDIANEST_ACCOUNTS__FIRST_ADMIN_PASSWORD_FILE="$work/password" \
    "$BENCH_SERVER" serve --listen "127.0.0.1:$port" >"$work/server.log" 2>&1 &
  server=$!
  for _ in $(seq 200); do
    curl -sf -o /dev/null "$url/health/ready" && return
    kill -0 "$server" 2>/dev/null || { cat "$work/server.log" && die 'the server ended by itself'; }
    sleep 0.05
  done
  die 'the server did not become ready'
}
sign_in() {
  curl -sSf -H 'Content-Type: application/json' -d '{"login":"admin","password":"correct-horse-battery-staple"}' \
    "$url/api/v1/auth/login" | python3 -c 'import json, sys; print(json.load(sys.stdin)["access_token"])'
}
library_of() {
  curl -sSf -H "Authorization: Bearer $1" -H 'Content-Type: application/json' -d '{"name":"Bench"}' \
    "$url/api/v1/libraries" | python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])'
}
least() { # what an upload must do at least
  openssl dgst -sha256 "$1" && cp "$1" "$work/copy" && sync "$work/copy" && rm "$work/copy"
}
seconds_of() {
  local TIMEFORMAT='%R'
  { time "$@" >/dev/null; } 2>&1
}
# The memory of the server process; its peak since watch_rss, in KiB.
rss() { awk '/^VmRSS/ { print $2 }' "/proc/$server/status"; }
watch_rss() { echo 5 >"/proc/$server/clear_refs"; }
peak_rss() { awk '/^VmHWM/ { print $2 }' "/proc/$server/status"; }
