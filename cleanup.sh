#!/usr/bin/env bash
# Removes what setup.sh made on the Kubernetes cluster of the current context; data only when asked.
# shellcheck disable=SC2034,SC2153 # the variables are those of the files in deploy/, which hold the steps
set -euo pipefail

PROGRAM=cleanup.sh
ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)

for part in messages options apps cluster manifests ownership operator readiness explanations kafka removal; do
    # shellcheck source=/dev/null
    . "$ROOT/deploy/$part.sh"
done

NAMESPACE=kafka
CLUSTER_NAME=data-on-eks
DELETE_TOPICS='' DELETE_KAFKA='' ALL='' DRY_RUN=''
TIMEOUT=600

# What the steps find out
CONTEXT='' STRIMZI='' KAFKA=missing KEPT_KAFKA='' REMOVE_KAFKA='' RACK='' REMOVED='' LEFT='' REFUSED=''
FOUND_TOPICS=()

usage() {
    cat <<'TEXT'
Usage: ./cleanup.sh [option ...]

Removes the Helm releases and the apps' users. The topics stay, with their data, and so does Kafka.

  --namespace NAME       Kafka's namespace (kafka)
  --cluster-name NAME    name of the Kafka resource (data-on-eks)
  --delete-topics        also remove the topics, their data, and what the groups have committed
  --delete-kafka         also remove the Kafka cluster, if setup.sh made it: with its topics and its volumes
  --all                  also remove Strimzi's operator and the namespace, if setup.sh made them
  --timeout DURATION     how long each step may take (10m)
  --dry-run              say what would be removed, and change nothing
  --help                 this text

What setup.sh did not make, such as a Kafka cluster that was there before, is never removed.
TEXT
}

parse_options() {
    while [ $# -gt 0 ]; do
        case $1 in
            --*=*) set -- "${1%%=*}" "${1#*=}" "${@:2}" ;;
        esac
        case $1 in
            --namespace | --cluster-name | --timeout)
                needs_value "$@"
                take_value "$1" "$2"
                shift 2
                ;;
            --delete-topics) DELETE_TOPICS=yes && shift ;;
            --delete-kafka) DELETE_KAFKA=yes DELETE_TOPICS=yes && shift ;;
            --all) ALL=yes DELETE_KAFKA=yes DELETE_TOPICS=yes && shift ;;
            --dry-run) DRY_RUN=yes && shift ;;
            -h | --help)
                usage
                exit 0
                ;;
            -*) refuse "unknown option $1 (--help lists them)" ;;
            *) refuse "unexpected argument $1 (--help explains)" ;;
        esac
    done
}

# take_value OPTION VALUE
take_value() {
    case $1 in
        --namespace) check_name "$@" && NAMESPACE=$2 ;;
        --cluster-name) check_name "$@" && CLUSTER_NAME=$2 ;;
        --timeout) check_timeout "$2" && TIMEOUT=$(seconds_of "$2") ;;
    esac
}

# same_place: the options that lead to the same namespace and cluster, for commands that are shown
same_place() {
    [ "$NAMESPACE" = kafka ] || printf ' --namespace %s' "$NAMESPACE"
    [ "$CLUSTER_NAME" = data-on-eks ] || printf ' --cluster-name %s' "$CLUSTER_NAME"
}

look() {
    say "Looking at what there is, and at your rights"
    check_tools
    check_cluster
    [ -n "$(missing_definitions)" ] || STRIMZI=yes
    [ -z "$STRIMZI" ] || check_rights "see Kafka, its topics and users" get "$KAFKAS" list "$TOPICS" list "$USERS"
    [ -z "$STRIMZI" ] || [ -z "$(kube get "$KAFKAS" "$CLUSTER_NAME" --ignore-not-found -o name)" ] || KAFKA=found
    [ "$KAFKA" = missing ] || [ -z "$DELETE_KAFKA" ] ||
        RACK=$(kube get "$KAFKAS" "$CLUSTER_NAME" -o 'jsonpath={.spec.kafka.rack.topologyKey}')
    check_kafka_removal
    check_removal_rights
    find_topics
}

check_removal_rights() {
    local rights=(list secrets delete secrets delete deployments.apps)
    [ -z "$STRIMZI" ] || rights+=(delete "$USERS")
    [ -z "$STRIMZI" ] || [ -z "$DELETE_TOPICS" ] || rights+=(delete "$TOPICS")
    [ -z "$STRIMZI" ] || [ -z "$REMOVE_KAFKA" ] || rights+=(delete "$KAFKAS" delete "$POOLS" delete persistentvolumeclaims patch persistentvolumeclaims)
    check_rights "remove Clickstream" "${rights[@]}"
}

remove() {
    remove_releases
    remove_users
    if [ -n "$DELETE_TOPICS" ]; then
        remove_topics
    else
        keep_topics
    fi
    if [ -n "$DELETE_KAFKA" ]; then
        remove_kafka
    else
        keep_kafka
    fi
    [ -z "$ALL" ] || remove_operator
    [ -z "$ALL" ] || remove_namespace "$NAMESPACE"
    say_what_is_left
}

# However it ends
leave() {
    local status=$? failed=$BASH_COMMAND
    [ "$status" -eq 0 ] || [ -n "$REFUSED" ] ||
        echo "$PROGRAM: a command failed after ${SECONDS}s (see above; $failed); cleanup.sh can be run again." >&2
    exit "$status"
}

interrupted() {
    trap '' INT TERM
    REFUSED=yes
    echo >&2
    echo "$PROGRAM: interrupted after ${SECONDS}s; cleanup.sh with the same options goes on from there." >&2
    exit 130
}

main() {
    export LC_ALL=C
    trap leave EXIT
    trap interrupted INT TERM
    parse_options "$@"
    look
    remove
    if [ -n "$DRY_RUN" ]; then
        say "Nothing was changed (--dry-run)"
    elif [ -n "$LEFT" ]; then
        say "Done, but for what is left: see above"
    elif [ -z "$REMOVED" ]; then
        say "Nothing else was there to be removed"
    else
        say "Done"
    fi
}

main "$@"
