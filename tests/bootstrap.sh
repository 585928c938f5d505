# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Sourced by ./demo, ./check, .ci/run and tests/bench/prepare: what the machine
# must have, and the builds. Needs nothing but Debian's base system and apt, and
# of its caller `set -o pipefail`.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Alternatives stand between bars: the names differ between Debian 12 and 13.
build_packages=(gcc make autoconf automake libtool pkg-config collectd-dev
  libcurl4-openssl-dev libssl-dev libpcre2-dev libmnl-dev libyajl-dev xz-utils)
lab_packages=(collectd-core 'libmicrohttpd12|libmicrohttpd12t64' libprotobuf-c1 squid
  tinyproxy-bin nginx dnsmasq-base nftables conntrack iproute2 openssl curl python3
  util-linux)
check_packages=(libcmocka-dev clang libclang-rt-dev python3-pytest python3-pytest-xdist
  valgrind strace mandoc liboping0 iputils-ping haproxy
  'libcurl3-gnutls|libcurl3t64-gnutls' prometheus prometheus-alertmanager python3-yaml
  ulogd2 ulogd2-json chromium fonts-dejavu-core shellcheck)
package_packages=(build-essential debhelper dpkg-dev lintian debootstrap rpm rpmlint curl
  systemd ca-certificates iproute2 util-linux python3-pytest mandoc binutils prometheus
  autopkgtest)
# The peers of `make bench`.
bench_packages=(collectd-core iproute2 nftables conntrack util-linux
  prometheus-node-exporter libnetfilter-conntrack-dev
  prometheus-blackbox-exporter tinyproxy-bin nginx-light openssl curl ca-certificates)
# The page of `./demo --keep`, and the browser that the tests look at it with.
page_packages=(prometheus)

say() {
  printf '== %s\n' "$*"
}

die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit "${status:-1}"
}

# One line, and what to do, where the work could not be done at all.
require_namespaces() {
  local status=77
  [ "$(uname -s)" = Linux ] || die "this is $(uname -s); the lab needs Linux network namespaces"
  [ "$(id -u)" = 0 ] || die "needs root for network namespaces: run it with sudo"
  if ! unshare --net true 2>/dev/null; then
    die "the kernel refused a network namespace: run it on a machine or in a container that has CAP_SYS_ADMIN and CAP_NET_ADMIN"
  fi
}

# One run at a time installs or builds in this clone; the lock is the calling
# subshell's, and ends with it.
lock_clone() {
  local lock="$top/build/.lock"
  mkdir -p "$top/build" 2>/dev/null || refuse_foreign "$top"
  touch "$lock" 2>/dev/null || refuse_foreign "$top/build"
  exec 9>>"$lock"
  wait_for_lock 9
}

wait_for_lock() {
  flock --nonblock "$1" && return
  say "waiting for another run in this clone to be done"
  flock "$1"
}

refuse_foreign() {
  local status=77
  die "cannot write to $1, which belongs to $(stat --format=%U "$1"): run it as that user, or in a clone of your own"
}

# within SECONDS COMMAND...: ends what hangs, and all its children. At a terminal
# the command stays in the group that Ctrl-C reaches, and is itself alone ended.
within() {
  local foreground=()
  if { : </dev/tty; } 2>/dev/null; then
    foreground=(--foreground)
  fi
  timeout "${foreground[@]}" --kill-after=60 "$@"
}

is_installed() {
  [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# The alternative that is installed, else the first one that apt offers.
choose_alternative() {
  local names name
  IFS='|' read -ra names <<<"$1"
  for name in "${names[@]}"; do
    if is_installed "$name"; then
      printf '%s' "$name"
      return
    fi
  done
  for name in "${names[@]}"; do
    if apt-cache show "$name" >/dev/null 2>&1; then
      printf '%s' "$name"
      return
    fi
  done
  printf '%s' "${names[0]}"
}

list_missing() {
  local entry name
  for entry in "$@"; do
    name=$(choose_alternative "$entry")
    is_installed "$name" || printf '%s\n' "$name"
  done
}

# The lab runs these programs in namespaces of its own: the host's services must
# neither be started now nor at the next boot. PACKAGE:SERVICE; what was there
# before us stays as it is.
services=(collectd-core:collectd squid:squid nginx-common:nginx
  prometheus:prometheus prometheus-alertmanager:prometheus-alertmanager ulogd2:ulogd2
  prometheus-node-exporter:prometheus-node-exporter
  prometheus-blackbox-exporter:prometheus-blackbox-exporter haproxy:haproxy)
policy=/usr/sbin/policy-rc.d
policy_mark='# made by collectd-egress while it installs packages'
to_disable="$top/build/services-to-disable"

begin_installation() {
  local entry
  for entry in "${services[@]}"; do
    is_installed "${entry%:*}" || printf '%s\n' "${entry#*:}"
  done >"$to_disable"
  [ ! -e "$policy" ] || return 0
  printf '#!/bin/sh\n%s\nexit 101\n' "$policy_mark" >"$policy"
  chmod 755 "$policy"
}

# Also for a run that was cut off: the record and the mark outlive it.
end_installation() {
  local service
  if grep --quiet --no-messages --fixed-strings "$policy_mark" "$policy"; then
    rm -f "$policy"
  fi
  [ -e "$to_disable" ] || return 0
  while read -r service; do
    [ -e "/etc/init.d/$service" ] || continue
    # Also for systemd's links, whether systemd runs, is only installed, or neither.
    update-rc.d "$service" disable || say "could not disable the service $service"
  done <"$to_disable"
  rm -f "$to_disable"
}

# A subshell: the lock and the traps are its own.
install_packages() (
  status=77
  command -v apt-get >/dev/null || die "needs Debian's apt-get; found none"
  mapfile -t missing < <(list_missing "$@")
  [ "${#missing[@]}" -gt 0 ] || [ -e "$to_disable" ] || return 0
  if [ "$(id -u)" != 0 ]; then
    [ "${#missing[@]}" = 0 ] || die "packages to install, which needs root: ${missing[*]}"
    return 0
  fi
  status=1
  lock_clone
  end_installation
  mapfile -t missing < <(list_missing "$@")
  [ "${#missing[@]}" -gt 0 ] || return 0

  say "installing ${#missing[@]} packages: ${missing[*]}"
  apt-get -qq update || die "apt-get update failed: check the machine's package sources"
  mapfile -t missing < <(list_missing "$@")
  trap end_installation EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  begin_installation
  DEBIAN_FRONTEND=noninteractive apt-get -y -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 \
    --no-install-recommends install "${missing[@]}" |
    sed -un -e 's/^Get:[0-9]* [^ ]* [^ ]* [^ ]* \([^ ]*\) .*/   fetching \1/p' \
      -e 's/^Setting up \([^ :]*\).*/   installed \1/p' ||
    die "apt-get could not install: ${missing[*]}"
)

# Runs a command quietly; the end of its output is shown if it fails.
quietly() {
  local log=$1 result=0
  shift
  mkdir -p "$(dirname "$log")"
  "$@" >"$log" 2>&1 || result=$?
  [ "$result" = 0 ] || tail -n 40 "$log" >&2
  return "$result"
}

autoreconf_if_needed() {
  [ -e "$top/configure" ] && [ -e "$top/Makefile.in" ] && return 0
  say "autoreconf"
  (cd "$top" && quietly build/autoreconf.log autoreconf -fi) || die "autoreconf failed"
}

# build NAME [configure's arguments]: build/NAME, installed into build/NAME/stage,
# so that the plugins run from there as they would from the system. A directory
# that was configured otherwise, or not to the end, is made anew.
build() (
  name=$1 directory="$top/build/$1"
  shift
  configure=("$top/configure" --prefix="$directory/stage" --enable-werror "$@")
  lock_clone
  [ ! -e "$top/config.status" ] ||
    die "the source tree itself is configured, so nothing can be built beside it: run \`make distclean\` in $top"
  autoreconf_if_needed
  mkdir -p "$directory"
  foreign=$(find "$directory" ! -type l ! -writable -print -quit)
  [ -z "$foreign" ] || refuse_foreign "$foreign"
  if [ "$(cat "$directory/arguments" 2>/dev/null)" != "${configure[*]}" ]; then
    say "configure ($name)"
    rm -rf "$directory"
    mkdir -p "$directory"
    (cd "$directory" && quietly configure.out "${configure[@]}") || die "configure failed ($name)"
    printf '%s\n' "${configure[*]}" >"$directory/arguments"
  fi
  say "make ($name)"
  quietly "$directory/make.out" make -C "$directory" -j "$(nproc)" ||
    die "the build failed ($name); the whole output: $directory/make.out"
  quietly "$directory/install.out" make -C "$directory" install ||
    die "the installation failed ($name); the whole output: $directory/install.out"
)
