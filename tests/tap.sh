# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# For test scripts to source: outcomes in the Test Anything Protocol.

tap_count=0
tap_failed=0

# Runs a command as a test, which passes if the command succeeds: check NAME COMMAND...
# What a failed one has printed follows as a comment.
check() {
    local name=$1 output start=$EPOCHREALTIME outcome=ok time
    shift
    tap_count=$((tap_count + 1))
    output=$("$@" 2>&1) || outcome="not ok"
    # In hundredths of a second, of what are microseconds without the point.
    time=$(((${EPOCHREALTIME/[.,]/} - ${start/[.,]/}) / 10000))
    printf '%s %d - %s # time=%d.%02ds\n' "$outcome" "$tap_count" "$name" $((time / 100)) \
        $((time % 100))
    if [ "$outcome" != ok ]; then
        echo "# ${output//$'\n'/$'\n# '}"
        tap_failed=$((tap_failed + 1))
    fi
}

# Ends the report. Succeeds if all tests have passed.
finish() {
    echo "1..$tap_count"
    [ "$tap_failed" -eq 0 ]
}
