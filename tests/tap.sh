# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# For test scripts to source: outcomes in the Test Anything Protocol.

tap_count=0
tap_failed=0

# Runs a command as a test, which passes if the command succeeds: check NAME COMMAND...
# What a failed one has printed follows as a comment.
check() {
    local name=$1 output
    shift
    tap_count=$((tap_count + 1))
    if output=$("$@" 2>&1); then
        echo "ok $tap_count - $name"
    else
        echo "not ok $tap_count - $name"
        echo "# ${output//$'\n'/$'\n# '}"
        tap_failed=$((tap_failed + 1))
    fi
}

# Ends the report. Succeeds if all tests have passed.
finish() {
    echo "1..$tap_count"
    [ "$tap_failed" -eq 0 ]
}
