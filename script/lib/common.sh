# Shared by the commands of script/: sourced, never run. Works with bash 3.2 (macOS).

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# Tools and the CI build live here, not in the checkout.
cache_dir="${XDG_CACHE_HOME:-$HOME/.cache}/medianest"

# The crates that are published, in the order in which they are.
publishable="medianest-core medianest-media medianest-storage medianest-integrations medianest-server"

if [ "${CI:-}" = true ]; then
  export CARGO_TARGET_DIR="$cache_dir/target-ci" CARGO_INCREMENTAL=0 CARGO_TERM_COLOR=never
fi
export PATH="$cache_dir/tools/bin:$PATH"

say() { printf '%s\n' "$*"; }
die() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# The features of a crate, one per line, without `default`.
features_of() {
  cargo metadata --format-version 1 --no-deps --locked | python3 -c '
import json, sys
packages = {p["name"]: p for p in json.load(sys.stdin)["packages"]}
print("\n".join(sorted(f for f in packages[sys.argv[1]]["features"] if f != "default")))' "$1"
}

target_dir() {
  cargo metadata --format-version 1 --no-deps --locked | python3 -c '
import json, sys
print(json.load(sys.stdin)["target_directory"])'
}
