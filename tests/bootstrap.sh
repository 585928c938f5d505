# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Sourced by ./demo, ./check and .ci/run: what the machine must have, and the
# builds. Needs nothing but Debian's base system and apt.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Alternatives stand between bars: the names differ between Debian 12 and 13.
build_packages=(gcc make autoconf automake libtool pkg-config collectd-dev
  libcurl4-openssl-dev libssl-dev libpcre2-dev libmnl-dev libyajl-dev xz-utils)
lab_packages=(collectd-core 'libmicrohttpd12|libmicrohttpd12t64' libprotobuf-c1 squid
  nginx-light dnsmasq-base nftables conntrack iproute2 openssl curl python3 util-linux)
check_packages=(libcmocka-dev clang libclang-rt-dev python3-pytest valgrind strace
  mandoc liboping0)
# The peers of `make bench`.
bench_packages=(collectd-core iproute2 nftables conntrack util-linux
  prometheus-node-exporter libnetfilter-conntrack-dev
  prometheus-blackbox-exporter tinyproxy nginx-light openssl curl ca-certificates)

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

# The lab runs these programs in namespaces of its own: the host's services
# must neither be started now nor at the next boot.
services=(collectd squid nginx tinyproxy haproxy prometheus-node-exporter)

install_packages() {
  local missing policy=/usr/sbin/policy-rc.d guarded=no service new=()
  command -v apt-get >/dev/null || die "needs Debian's apt-get; found none"
  mapfile -t missing < <(list_missing "$@")
  [ "${#missing[@]}" -gt 0 ] || return 0
  [ "$(id -u)" = 0 ] || die "packages to install, which needs root: ${missing[*]}"

  say "installing ${#missing[@]} packages: ${missing[*]}"
  apt-get -qq update || die "apt-get update failed: check the machine's package sources"
  mapfile -t missing < <(list_missing "$@")
  for service in "${services[@]}"; do
    [ -e "/etc/init.d/$service" ] || new+=("$service")
  done
  if [ ! -e "$policy" ]; then
    guarded=yes
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
  fi
  local result=0
  DEBIAN_FRONTEND=noninteractive apt-get -y -o Dpkg::Use-Pty=0 \
    --no-install-recommends install "${missing[@]}" |
    sed -un -e 's/^Get:[0-9]* [^ ]* [^ ]* [^ ]* \([^ ]*\) .*/   fetching \1/p' \
      -e 's/^Setting up \([^ :]*\).*/   installed \1/p' || true
  result=${PIPESTATUS[0]}
  [ "$guarded" = no ] || rm -f "$policy"
  [ "$result" = 0 ] || die "apt-get could not install: ${missing[*]}"
  if [ -d /run/systemd/system ]; then
    for service in "${new[@]}"; do
      systemctl disable --quiet "$service" 2>/dev/null || true
    done
  fi
}

# Runs a command quietly; its output is shown if it fails.
quietly() {
  local log=$1
  shift
  mkdir -p "$(dirname "$log")"
  if ! "$@" >"$log" 2>&1; then
    tail -n 40 "$log" >&2
    return 1
  fi
}

autoreconf_if_needed() {
  [ -e "$top/configure" ] && [ -e "$top/Makefile.in" ] && return 0
  say "autoreconf"
  (cd "$top" && quietly build/autoreconf.log autoreconf -fi) || die "autoreconf failed"
}

# build NAME [configure's arguments]: build/NAME, installed into build/NAME/stage,
# so that the plugins run from there as they would from the system.
build() {
  local name=$1 directory="$top/build/$1"
  shift
  autoreconf_if_needed
  mkdir -p "$directory"
  if [ ! -e "$directory/config.status" ]; then
    say "configure ($name)"
    (cd "$directory" && quietly configure.out "$top/configure" \
      --prefix="$directory/stage" --enable-werror "$@") || die "configure failed ($name)"
  fi
  say "make ($name)"
  quietly "$directory/make.out" make -C "$directory" -j "$(nproc)" ||
    die "the build failed ($name); the whole output: $directory/make.out"
  quietly "$directory/install.out" make -C "$directory" install ||
    die "the installation failed ($name); the whole output: $directory/install.out"
}
