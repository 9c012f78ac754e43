# What MediaNest needs from the system: a probe for each thing, and its package for each manager.
# A probe decides, not a list of packages, so that nothing is installed (and no root asked for) where
# the thing is there already, however it came.

# need LEVEL NAME PROBE APT DNF PACMAN BREW: `-` where a manager has no package for it.
need() {
  need_level+=("$1") need_name+=("$2") need_probe+=("$3")
  need_apt+=("$4") need_dnf+=("$5") need_pacman+=("$6") need_brew+=("$7")
}

has() { command -v "$1" >/dev/null 2>&1; }

has_libclang() {
  local dir
  for dir in "${LIBCLANG_PATH:-}" /usr/lib/llvm-*/lib /usr/lib64 /usr/lib /usr/lib64/llvm*/lib \
    /opt/homebrew/opt/llvm/lib /usr/local/opt/llvm/lib /Library/Developer/CommandLineTools/usr/lib; do
    compgen -G "$dir/libclang*.so*" >/dev/null && return
    compgen -G "$dir/libclang*.dylib" >/dev/null && return
  done
  return 1
}

has_library() { has pkg-config && pkg-config --exists "$1 >= $2"; }

# The program ffmpeg may be another build than the library, or not there.
has_x264() {
  local dir found=1
  dir="$(mktemp -d)"
  # shellcheck disable=SC2046 # these are several words
  if cc -x c -o "$dir/probe" - $(pkg-config --cflags --libs libavcodec) <<'PROBE'
#include <libavcodec/avcodec.h>
int main(void) { return avcodec_find_encoder_by_name("libx264") == 0; }
PROBE
  then
    "$dir/probe" && found=0
  fi
  rm -rf "$dir"
  return "$found"
}

has_postgres() { compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || has initdb; }

has_redis() {
  has redis-cli && has redis-server &&
    [ "$(redis-server --version | sed -nE 's/.* v=([0-9]+).*/\1/p')" -ge 7 ]
}

has_node() { has node && node -e 'process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)'; }

has_venv() { has python3 && python3 -c 'import venv, ensurepip'; }

linux_only() { [ "$(uname -s)" != Linux ] || "$@"; }

declare_needs() {
  need_level=() need_name=() need_probe=() need_apt=() need_dnf=() need_pacman=() need_brew=()
  need build 'a C compiler' 'has cc' build-essential 'gcc gcc-c++' base-devel -
  need build make 'has make' build-essential make base-devel -
  need build pkg-config 'has pkg-config' pkg-config pkgconf-pkg-config pkgconf pkgconf
  need build cmake 'has cmake' cmake cmake cmake cmake
  need build nasm 'has nasm' nasm nasm nasm nasm
  need build clang 'has clang' clang clang clang llvm
  need build libclang 'has_libclang' libclang-dev clang-devel clang llvm
  # The versions are those of FFmpeg 5.1.
  local library version
  while read -r library version; do
    need build "$library, from FFmpeg 5.1 or newer" "has_library $library $version" \
      "$library-dev" "$library-free-devel" ffmpeg ffmpeg
  done <<'LIBRARIES'
libavutil 57.28
libavcodec 59.37
libavformat 59.27
libavfilter 8.44
libavdevice 59.7
libswscale 6.7
libswresample 4.7
LIBRARIES
  need build 'libheif 1.14 or newer' 'has_library libheif 1.14' libheif-dev libheif-devel libheif libheif

  need test git 'has git' git git git git
  need test 'the ffmpeg command' 'has ffmpeg' ffmpeg ffmpeg-free ffmpeg ffmpeg
  need test ImageMagick 'has convert-im6.q16 || has magick' imagemagick ImageMagick imagemagick imagemagick
  need test rsvg-convert 'has rsvg-convert' librsvg2-bin librsvg2-tools librsvg librsvg
  need test exiftool 'has exiftool' libimage-exiftool-perl perl-Image-ExifTool perl-image-exiftool exiftool
  need test 'PostgreSQL 15 or newer' has_postgres postgresql 'postgresql-server postgresql-contrib' postgresql postgresql
  need test 'Redis 7 or newer' has_redis redis-server redis redis redis
  need test OpenSSL 'has openssl' openssl openssl openssl openssl
  need test strace 'linux_only has strace' strace strace strace -
  need test faketime 'linux_only has faketime' faketime libfaketime libfaketime -
  need test Chromium 'has chromium || has chromium-browser || has google-chrome' chromium chromium chromium chromium
  need test 'Node.js 18 or newer' has_node nodejs nodejs nodejs node
  need test npm 'has npm' npm npm npm node
  need test 'python3 with venv' has_venv 'python3 python3-venv' python3 python python
}

# Prints the indexes of what is missing at the levels given.
missing_needs() {
  local i
  for i in "${!need_name[@]}"; do
    case " $* " in *" ${need_level[i]} "*) ;; *) continue ;; esac
    eval "${need_probe[i]}" >/dev/null 2>&1 || say "$i"
  done
}

package_manager() {
  local manager
  for manager in apt-get dnf pacman brew; do
    if has "$manager"; then say "$manager" && return; fi
  done
  say none
}

# The packages that bring the needs of these indexes.
packages_for() {
  local manager="$1" i
  shift
  for i in "$@"; do
    case "$manager" in
      apt-get) say "${need_apt[i]}" ;;
      dnf) say "${need_dnf[i]}" ;;
      pacman) say "${need_pacman[i]}" ;;
      brew) say "${need_brew[i]}" ;;
    esac
  done | tr ' ' '\n' | grep -vx -e - | sort -u
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

apt_install() {
  local apt="env DEBIAN_FRONTEND=noninteractive apt-get -q -y"
  # The tests start PostgreSQL themselves; installing it must not leave a server running.
  case " $* " in
    *' postgresql '*)
      if [ ! -e /etc/postgresql-common ]; then
        say 'PostgreSQL is installed without a cluster: /etc/postgresql-common/createcluster.conf says so'
        as_root mkdir -p /etc/postgresql-common
        say 'create_main_cluster = false' | as_root tee /etc/postgresql-common/createcluster.conf >/dev/null
      fi
      ;;
  esac
  # Nor must installing Redis: what this file forbids is not started. One that is there says it already.
  local policy=/usr/sbin/policy-rc.d
  case " $* " in
    *' redis-server '*)
      if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod +x "$policy"
        trap "as_root rm -f $policy" EXIT
      fi
      ;;
  esac
  as_root $apt update || say 'the package lists could not be refreshed; going on with those that are here'
  as_root $apt install --no-install-recommends "$@" || {
    say 'the installation failed; repairing and trying once more'
    as_root env DEBIAN_FRONTEND=noninteractive dpkg --configure -a || true
    as_root $apt -f install || true
    as_root $apt install --no-install-recommends "$@"
  }
}

install_packages() {
  local manager="$1"
  shift
  case "$manager" in
    apt-get) apt_install "$@" ;;
    dnf) as_root dnf install -y "$@" ;;
    pacman) as_root pacman -S --needed --noconfirm "$@" ;;
    brew) brew install "$@" ;;
  esac
}
