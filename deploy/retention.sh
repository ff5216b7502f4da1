# shellcheck shell=bash disable=SC2034,SC2153 # the files of deploy/ share their variables
# How long the topics have to keep their records for the processor's settings. Sourced, not run.
#
# A restart reads again what belongs to the windows that may still change: events and partial results of WINDOW_SIZE +
# OUT_OF_ORDERNESS + ALLOWED_LATENESS, and the results of these windows. That is what is needed, and at worst
# MAX_CLOCK_SKEW + IDLE_TIMEOUT more. What is given is twice as much, so that a processor that was away for a while finds
# it all, in whole hours, and no less than the manifest says.

HOUR_MS=3600000
KAFKA_RETENTION_MS=604800000 # Kafka's own, where neither the topic nor the brokers say otherwise

# find_retention: sets NEEDED_MS and WORST_MS, and KEEPING_TOPICS to those that it is for, from what the chart makes of all values
find_retention() {
    local each milliseconds
    NEEDED_MS=0 WORST_MS=0 KEEPING_TOPICS=()
    for each in WINDOW_SIZE OUT_OF_ORDERNESS ALLOWED_LATENESS MAX_CLOCK_SKEW IDLE_TIMEOUT; do
        # Whatever the processor would refuse, it refuses itself, in better words.
        milliseconds=$(milliseconds_of "$(processor_setting "$each")") || milliseconds=0
        WORST_MS=$((WORST_MS + milliseconds))
        [ "$each" != ALLOWED_LATENESS ] || NEEDED_MS=$WORST_MS
    done
    for each in EVENTS_TOPIC PARTIALS_TOPIC METRICS_TOPIC; do
        KEEPING_TOPICS+=("$(processor_setting "$each")")
    done
}

# processor_setting NAME: of its container's environment, in which the last of a name wins
processor_setting() {
    sed -n -e "/^ *- name: $1\$/{" -e n -e 's/^ *value: //p' -e '}' "$WORK/rendered-clickstream-streams-processor" |
        sed -e '$!d' -e 's/^"\(.*\)"$/\1/' -e "s/^'\(.*\)'\$/\1/"
}

# keeps_for_processor TOPIC: whether the processor reads it again after a restart
keeps_for_processor() {
    case " ${KEEPING_TOPICS[*]} " in
        *" $1 "*) return 0 ;;
    esac
    return 1
}

# ample_retention: twice NEEDED_MS, but WORST_MS at least, up to the next hour
ample_retention() {
    local ample=$((2 * NEEDED_MS))
    [ "$ample" -ge "$WORST_MS" ] || ample=$WORST_MS
    echo $(((ample + HOUR_MS - 1) / HOUR_MS * HOUR_MS))
}

# wanted_retention LEAST: the retention.ms of a new topic, for which the manifest says LEAST
wanted_retention() {
    local ample
    ample=$(ample_retention)
    if [ "$ample" -gt "$1" ]; then
        echo "$ample"
    else
        echo "$1"
    fi
}

# is_shorter RETENTION THAN: -1 keeps for ever
is_shorter() {
    [ "$1" -ge 0 ] && [ "$1" -lt "$2" ]
}

# default_retention: of topics that say nothing, as far as the Kafka resource tells
default_retention() {
    local ms minutes hours
    IFS='|' read -r ms minutes hours < <(kube get "$KAFKAS" "$CLUSTER_NAME" \
        -o 'jsonpath={.spec.kafka.config.log\.retention\.ms}|{.spec.kafka.config.log\.retention\.minutes}|{.spec.kafka.config.log\.retention\.hours}{"\n"}')
    if [ -n "$ms" ]; then
        echo "$ms"
    elif [ -n "$minutes" ]; then
        echo $((minutes * 60000))
    elif [ -n "$hours" ]; then
        echo $((hours * HOUR_MS))
    else
        echo "$KAFKA_RETENTION_MS"
    fi
}

# duration_of MILLISECONDS: for people, as 49 h or 24 h 1 min 5 s
duration_of() {
    local seconds=$(($1 / 1000)) text=
    [ $((seconds / 3600)) -eq 0 ] || text="$text $((seconds / 3600)) h"
    [ $((seconds / 60 % 60)) -eq 0 ] || text="$text $((seconds / 60 % 60)) min"
    [ $((seconds % 60)) -eq 0 ] || text="$text $((seconds % 60)) s"
    [ $(($1 % 1000)) -eq 0 ] && [ -n "$text" ] || text="$text $(($1 % 1000)) ms"
    echo "${text# }"
}
