# shellcheck shell=bash disable=SC2034,SC2153 # the files of deploy/ share their variables
# Waiting for Strimzi's objects to be Ready, with progress and an end. Sourced, not run.

# An operator that runs says something about a new object within seconds.
LONGEST_SILENCE=90

# wait_until_ready RESOURCE NAME...: until all are; ends with an explanation when one can't be or the time is over
wait_until_ready() {
    local resource=$1 began=$SECONDS said=$SECONDS name state
    shift
    until kube wait --for=condition=Ready --timeout=3s "${@/#/$resource/}" >/dev/null 2>&1; do
        for name in "$@"; do
            state=$(state_of "$resource" "$name") || fail "$resource $name can't be read (see above)"
            case $state in
                Ready | Unmanaged*) continue ;;
            esac
            if is_final "$state" && [ $((SECONDS - began)) -ge 10 ]; then
                explain_object "$resource" "$name" "$state"
                fail "$(kind_of "$resource") $name can't become Ready: see above"
            elif [ "$state" = silence ] && [ $((SECONDS - began)) -ge "$LONGEST_SILENCE" ]; then
                explain_silence "$resource" "$name"
                fail "no operator takes notice of $(kind_of "$resource") $name: see above"
            elif [ $((SECONDS - began)) -ge "$TIMEOUT" ]; then
                explain_object "$resource" "$name" "$state"
                fail "$(kind_of "$resource") $name is not Ready after ${TIMEOUT}s: see above; setup.sh can be run again," \
                    "and --timeout sets how long it waits"
            elif [ $((SECONDS - said)) -ge 15 ]; then
                say "Waiting for $(kind_of "$resource") $name: $(in_words "$state")"
                said=$SECONDS
            fi
        done
        [ "$(settled "$resource" "$@")" != yes ] || return 0
        sleep 1
    done
}

# settled RESOURCE NAME...: yes when none is left to wait for; topics that Strimzi does not manage never become Ready
settled() {
    local resource=$1 name
    shift
    for name in "$@"; do
        case $(state_of "$resource" "$name") in
            Ready | Unmanaged*) ;;
            *) return 0 ;;
        esac
    done
    echo yes
}

# state_of RESOURCE NAME: Ready, silence (no operator has said anything), or why not, as "Reason: message"
state_of() {
    local answer generation observed rest
    answer=$(kube get "$1" "$2" -o 'jsonpath={.metadata.generation}|{.status.observedGeneration}|{range .status.conditions[*]}{.type}={.status} {.reason}: {.message}|{end}') ||
        return 1
    IFS='|' read -r generation observed rest <<<"${answer//$'\n'/ }"
    if [ -z "$observed$rest" ]; then
        echo silence
        return 0
    elif [ "${observed:-$generation}" -lt "$generation" ]; then
        echo "Changed: its operator is not done with the last change yet"
        return 0
    fi
    case "|$rest" in
        *"|Ready=True "*) echo Ready ;;
        *"|Unmanaged=True "*) echo Unmanaged ;;
        *"|NotReady=True "*) first_condition "${rest#*NotReady=True }" ;;
        *"|Ready=False "*) first_condition "${rest#*Ready=False }" ;;
        *"|ReconciliationPaused=True "*) echo "ReconciliationPaused: its annotation strimzi.io/pause-reconciliation is true" ;;
        *) echo "Unknown: it has no condition yet" ;;
    esac
}

first_condition() {
    echo "${1%%|*}"
}

# in_words STATE
in_words() {
    case $1 in
        silence) echo "its operator has said nothing yet" ;;
        *) echo "$1" ;;
    esac
}

# is_final STATE: whether waiting won't help; everything else may pass by itself
is_final() {
    case $1 in
        NotSupported:* | ResourceConflict:* | InvalidResource* | Unsupported* | ReconciliationPaused:*) return 0 ;;
    esac
    return 1
}

# kind_of RESOURCE: as in manifests
kind_of() {
    case $1 in
        "$KAFKAS") echo Kafka ;;
        "$TOPICS") echo KafkaTopic ;;
        "$USERS") echo KafkaUser ;;
        *) echo "$1" ;;
    esac
}
