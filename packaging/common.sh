# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by the scripts beside it. Moves to the project's root.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export LC_ALL=C.UTF-8

say() { printf '== %s\n' "$*"; }

# Parallel compilations: one per core, but not more than the free memory carries. A Qt or JSON translation unit takes
# up to about 1.2 GiB with optimization.
build_jobs() {
    local cores memory jobs
    cores=$(nproc)
    memory=$(awk '$1 == "MemAvailable:" { print int($2 / 1258291) }' /proc/meminfo)
    jobs=$((memory < cores ? memory : cores))
    echo $((jobs > 0 ? jobs : 1))
}

# configure_and_build PRESET
configure_and_build() {
    local jobs
    jobs=$(build_jobs)
    say "Configuring the preset '$1' in build/$1"
    cmake --preset "$1" >"$(configure_log "$1")" || { cat "$(configure_log "$1")"; exit 1; }
    say "Building with $jobs parallel jobs"
    cmake --build --preset "$1" -j "$jobs"
}

configure_log() {
    mkdir -p "build/$1"
    echo "build/$1/configure.log"
}
