# shellcheck shell=bash disable=SC2034,SC2153 # the files of deploy/ share their variables
# Waiting for Strimzi's objects to be Ready, with progress and an end. Sourced, not run.

# An operator that runs says something about a new object within seconds.
LONGEST_SILENCE=90
BEFORE_CHANGE=' (said before the last change, which its operator is not done with yet)'

# wait_until_ready RESOURCE NAME...: until all are; ends with an explanation when one can't be or the time is over
wait_until_ready() {
    local resource=$1 began=$SECONDS said=$SECONDS name state
    shift
    case $resource in
        "$KAFKAS") begin_watch "$1" kafka "$NAMESPACE" "strimzi.io/cluster=$1" ;;
        *) begin_watch "$1" kafka "$NAMESPACE" "strimzi.io/name=$CLUSTER_NAME-entity-operator" ;;
    esac
    until kube wait --for=condition=Ready --timeout=3s "${@/#/$resource/}" >/dev/null 2>&1; do
        look_at_pods
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
                fail "no operator is reconciling $(kind_of "$resource") $name: see above"
            elif [ -n "$TROUBLE" ]; then
                explain_trouble
                fail "$(kind_of "$resource") $name can't become Ready ($(in_words "$state")): see above"
            elif [ $((SECONDS - began)) -ge "$TIMEOUT" ]; then
                explain_object "$resource" "$name" "$state"
                fail "$(kind_of "$resource") $name is not Ready after ${TIMEOUT}s: see above; setup.sh can be run again," \
                    "and --timeout sets how long it waits"
            elif [ $((SECONDS - said)) -ge 15 ]; then
                say "Waiting for $(kind_of "$resource") $name: $(in_words "$state")${PROGRESS:+ ($PROGRESS)}"
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
#
# Conditions come first, because they say what the operator is at: its first status of a Kafka, which may stand for
# minutes, has observedGeneration 0. Only Ready says nothing about a change that the operator has not seen yet.
state_of() {
    local answer generation observed rest
    answer=$(kube get "$1" "$2" -o 'jsonpath={.metadata.generation}|{.status.observedGeneration}|{range .status.conditions[*]}{.type}={.status} {.reason}: {.message}|{end}') ||
        return 1
    IFS='|' read -r generation observed rest <<<"${answer//$'\n'/ }"
    if [ -z "$observed$rest" ]; then
        echo silence
        return 0
    fi
    case "|$rest" in
        *"|Ready=True "*)
            if [ "${observed:-$generation}" -lt "$generation" ]; then
                echo "Changed: its operator is not done with the last change yet"
            else
                echo Ready
            fi
            ;;
        *"|Unmanaged=True "*) echo Unmanaged ;;
        *"|NotReady=True "*) in_its_time "$(first_condition "${rest#*NotReady=True }")" "$generation" "$observed" ;;
        *"|Ready=False "*) in_its_time "$(first_condition "${rest#*Ready=False }")" "$generation" "$observed" ;;
        *"|ReconciliationPaused=True "*) echo "ReconciliationPaused: its annotation strimzi.io/pause-reconciliation is true" ;;
        *) other_condition "$rest" ;;
    esac
}

first_condition() {
    echo "${1%%|*}"
}

# in_its_time STATE GENERATION OBSERVED: marks an error that is of an earlier generation, and may have been mended since
in_its_time() {
    if [ "${3:-0}" -gt 0 ] && [ "$3" -lt "$2" ]; then
        echo "$1$BEFORE_CHANGE"
    else
        echo "$1"
    fi
}

# other_condition CONDITIONS: of a kind that is not known here; a warning is no state
other_condition() {
    local each kind
    while IFS= read -r each; do
        case $each in
            "" | Warning=*) continue ;;
        esac
        kind=${each%%=*} each=${each#* }
        case $each in
            ": "*) each=$kind$each ;;
        esac
        echo "$each"
        return 0
    done <<<"${1//|/$'\n'}"
    echo "Unknown: it has no condition yet"
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
        *"$BEFORE_CHANGE") return 1 ;;
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
