# shellcheck shell=bash
# How the demo talks; sourced by its scripts.

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
tell() { printf '  %s\n' "$@"; }
die() { printf 'octans: %s\n' "$*" >&2; exit 1; }

# Prints a command as one would type it, then runs it.
show() {
    printf '  $ %s\n' "$1"
    eval "$1"
}

# Runs a command with its output in a log; one line says what, and how long it took.
# Usage: step WHAT COMMAND...
step() {
    local what=$1 log begin=$EPOCHREALTIME
    shift
    mkdir -p "$state/logs"
    log=$state/logs/$(tr -cs '[:alnum:]\n' - <<<"$what").log
    if "$@" >"$log" 2>&1; then
        printf '  %-58s %6.1f s\n' "$what" "$(since "$begin")"
        return
    fi
    printf '  %-58s FAILED; the end of %s:\n' "$what" "$log" >&2
    tail -n 30 "$log" >&2
    return 1
}

# Seconds since a moment of EPOCHREALTIME.
since() { awk -v begin="$1" -v now="$EPOCHREALTIME" 'BEGIN {printf "%.1f", now - begin}'; }
