# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# For scripts to source that take long: a line for each step, with the time that it took. What its
# command prints goes to a file, of which the end is shown if the command fails. $cache is the
# project's cache.

# step NAME TEXT COMMAND...: runs the command, whose output is logs/NAME.log in the cache.
step() {
    local log=${cache:?}/logs/$1.log text=$2 start=$SECONDS status=0
    shift 2
    mkdir -p "${log%/*}"
    printf 'procmon: %s ... ' "$text" >&2
    "$@" >"$log" 2>&1 || status=$?
    if [ "$status" -eq 0 ]; then
        echo "$((SECONDS - start)) s" >&2
    else
        echo "failed after $((SECONDS - start)) s" >&2
        tail -n 30 "$log" | sed 's/^/    /' >&2
        echo "    all output: $log" >&2
    fi
    return "$status"
}
