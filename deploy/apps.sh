# shellcheck shell=bash disable=SC2034,SC2153 # the files of deploy/ share their variables
# The apps' releases, users and topics, found in charts/ and strimzi/. Sourced, not run.
#
# Annotations in an app's Chart.yaml describe its release:
#   clickstream/order    when it is installed; cleanup.sh removes in the opposite order. The dashboard is first: it listens
#                        before the processor emits, and the processor runs before events come.
#   clickstream/release  the release's name, if it is not the chart's
#   clickstream/option   the option of setup.sh without which it is not installed, for example collector for --collector

# list_apps: release|chart|option of each app, in the order of installation
list_apps() {
    local file line chart order release option found=()
    for file in "$ROOT"/charts/*/Chart.yaml; do
        chart=${file%/Chart.yaml} chart=${chart##*/} order='' release='' option=''
        while IFS= read -r line; do
            case $line in
                "  clickstream/order: "*) order=${line#*: } ;;
                "  clickstream/release: "*) release=${line#*: } ;;
                "  clickstream/option: "*) option=${line#*: } ;;
            esac
        done <"$file"
        [ -z "$order" ] || found[${order//\"/}]="${release:-$chart}|$chart|$option"
    done
    printf '%s\n' "${found[@]}" # by index, and so by order
}

# list_topics: the names of the KafkaTopics in strimzi/base/topics
list_topics() {
    local file
    for file in "$ROOT"/strimzi/base/topics/*.yaml; do
        file=${file##*/}
        [ "$file" = kustomization.yaml ] || echo "${file%.yaml}"
    done
}

# chart_of RELEASE: the folder of its chart
chart_of() {
    case $1 in
        clickstream-monitoring) echo monitoring ;;
        *) sed -n "s/^$1|\([^|]*\)|.*/charts\/\1/p" <<<"$ALL_APPS" ;;
    esac
}

# option_of RELEASE: empty for one that is always installed
option_of() {
    sed -n "s/^$1|[^|]*|//p" <<<"$ALL_APPS"
}

# is_option NAME: whether an app is installed with --NAME only
is_option() {
    [ -n "$1" ] && [[ $ALL_APPS$'\n' == *"|$1"$'\n'* ]]
}

ALL_APPS=$(list_apps)
ALL_RELEASES=() ALL_TOPICS=()
while IFS='|' read -r name _; do ALL_RELEASES+=("$name"); done <<<"$ALL_APPS"
while read -r name; do ALL_TOPICS+=("$name"); done < <(list_topics)
