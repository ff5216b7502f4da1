# shellcheck shell=bash disable=SC2034,SC2153 # the files of deploy/ share their variables
# What the user reads: progress with the elapsed time, and refusals that say what to do. Sourced, not run.

# say TEXT: a step and when it happened
say() {
    printf '%4ds  %s\n' "$SECONDS" "$*"
}

# detail TEXT: what belongs to the line above
detail() {
    printf '       %s\n' "$*"
}

# indent: standard input as such details
indent() {
    sed 's/^/       /'
}

# refuse TEXT: a wrong option; nothing has been touched
refuse() {
    REFUSED=yes
    printf '%s: %s\n' "$PROGRAM" "$*" >&2
    exit 2
}

# fail TEXT: the one line that says what is wrong and what to do
fail() {
    REFUSED=yes
    printf '%s: %s\n' "$PROGRAM" "$*" >&2
    exit 1
}
