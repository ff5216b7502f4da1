#!/usr/bin/env bash
# Runs Clickstream: on the Kubernetes cluster of the current context, or with --local on this machine.
# shellcheck disable=SC2034,SC2153 # the variables are those of the files in deploy/, which hold the steps
set -euo pipefail

PROGRAM=setup.sh
ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)

for part in messages options apps cluster manifests ownership namespaces operator readiness explanations kafka listeners retention topics users releases pods; do
    # shellcheck source=/dev/null
    . "$ROOT/deploy/$part.sh"
done

NAMESPACE=kafka
CLUSTER_NAME=data-on-eks
IMAGE_REGISTRY='' IMAGE_TAG='' WINDOW_SIZE='' RATE=''
PARTS='' MONITORING='' WITH_KAFKA='' INSTALL_OPERATOR='' DRY_RUN=''
TIMEOUT=600
VALUES=()

# What the steps find out
CONTEXT='' STRIMZI='' KAFKA=missing BROKERS=0
LISTENER='' LISTENER_TLS='' LISTENER_AUTHENTICATION=none BOOTSTRAP_SERVERS='' AUTHORIZES=''
WORK='' HELM='' REFUSED=''
NEEDED_MS=0 KEEPING_TOPICS=() SHORT_TOPICS=()

usage() {
    cat <<'TEXT'
Usage: ./setup.sh [option ...]            on the Kubernetes cluster of the current kubectl context
       ./setup.sh --local [option ...]    on this machine, without Kubernetes

On a cluster: creates the topics and the apps' users in Strimzi's Kafka, installs a Helm release of each app, and
waits until all are Ready. Run again, it changes only what is different. It needs kubectl, helm, and the apps'
images where the cluster's nodes can pull them (make images).

  --namespace NAME          Kafka's namespace, where the apps live too (kafka)
  --cluster-name NAME       name of the Kafka resource (data-on-eks)
  --with-kafka dev|eks      create that Kafka: dev has one node, eks three controllers and three brokers
  --install-operator        install Strimzi's operator first, into namespace strimzi
  --collector               install the collector too, which takes clicks from browsers
  --monitoring              install the Grafana dashboard, and the alert rules where the Prometheus operator is; without
                            this option both come where that operator is
  --image-registry NAME     where the images are (localhost)
  --image-tag TAG           their tag (the charts' version)
  --window-size DURATION    length of the windows, 1s to 1d (5m); topics keep their records as long as it needs
  --rate NUMBER             events per second of the producer (10)
  --values [RELEASE=]FILE   Helm values for all apps' releases, or for one release; may be given several times; the
                            options above win over these
  --timeout DURATION        how long each step may take (10m)
  --dry-run                 check everything, say what would be done, and change nothing in the cluster
  --help                    this text

Options are not remembered: what is left out is back at its default at the next run; only the number of replicas
stays as kubectl scale set it, and a collector that is there is left alone without --collector (likewise what
--monitoring installs). STRIMZI_CHART and STRIMZI_VERSION in the environment name a mirror of Strimzi's chart.

With --local: simulated users, a real Apache Kafka broker, the stream processor and the dashboard in this terminal;
--collector adds the collector and a demo shop to click on. Ctrl+C stops it and leaves nothing running. It needs
Python 3.11 or newer with venv, and make; the rest it fetches at the first start (into .venv and .local).
./setup.sh --local --help lists its options.
TEXT
}

run_local() {
    cd -- "$ROOT"
    make --no-print-directory --silent venv
    exec .venv/bin/python -m clickstream_local "$@"
}

parse_options() {
    local option
    while [ $# -gt 0 ]; do
        case $1 in
            --*=*)
                option=${1%%=*}
                set -- "$option" "${1#*=}" "${@:2}"
                ;;
        esac
        case $1 in
            --namespace | --cluster-name | --with-kafka | --image-registry | --image-tag | --window-size | --rate | --values | --timeout)
                needs_value "$@"
                take_value "$1" "$2"
                shift 2
                ;;
            --monitoring) MONITORING=yes && shift ;;
            --install-operator) INSTALL_OPERATOR=yes && shift ;;
            --dry-run) DRY_RUN=yes && shift ;;
            -h | --help)
                usage
                exit 0
                ;;
            --local) refuse "--local must come first (--help explains)" ;;
            --*)
                is_option "${1#--}" || refuse "unknown option $1 (--help lists them)"
                is_chosen "${1#--}" || PARTS="$PARTS ${1#--}"
                shift
                ;;
            -*) refuse "unknown option $1 (--help lists them)" ;;
            *) refuse "unexpected argument $1 (--help explains)" ;;
        esac
    done
    choose_releases
}

# take_value OPTION VALUE
take_value() {
    case $1 in
        --namespace) check_name "$@" && NAMESPACE=$2 ;;
        --cluster-name) check_name "$@" && CLUSTER_NAME=$2 ;;
        --with-kafka)
            case $2 in
                dev | eks) WITH_KAFKA=$2 ;;
                *) refuse "--with-kafka=$2: expected dev (one node) or eks (three controllers, three brokers)" ;;
            esac
            ;;
        --image-registry) check_registry "$2" && IMAGE_REGISTRY=$2 ;;
        --image-tag) check_tag "$2" && IMAGE_TAG=$2 ;;
        --window-size) check_window_size "$2" && WINDOW_SIZE=$2 ;;
        --rate) check_rate "$2" && RATE=$2 ;;
        --values) add_values "$2" ;;
        --timeout) check_timeout "$2" && TIMEOUT=$(seconds_of "$2") ;;
    esac
}

# Everything that can be known before anything is touched
check_all() {
    say "Checking the tools, the cluster, the charts and your rights"
    check_tools
    check_cluster
    check_strimzi
    check_operator_rights
    KAFKA=missing
    [ -z "$STRIMZI" ] || find_kafka
    choose_monitoring
    check_charts
    check_release_rights
    check_pending
    check_kafka
}

set_up() {
    install_operator
    [ -z "$WITH_KAFKA" ] || create_namespace "$NAMESPACE"
    [ -z "$INSTALL_OPERATOR" ] || [ -n "$DRY_RUN" ] || find_kafka
    create_kafka
    wait_for_kafka
    if [ "$KAFKA" = found ]; then
        choose_listener
        check_entity_operator
    fi
    create_topics
    create_users
    install_releases
    keep_others
}

say_what_next() {
    local cleanup=./cleanup.sh
    [ "$NAMESPACE" = kafka ] || cleanup="$cleanup --namespace $NAMESPACE"
    [ "$CLUSTER_NAME" = data-on-eks ] || cleanup="$cleanup --cluster-name $CLUSTER_NAME"
    cat <<TEXT

Clickstream runs in namespace $NAMESPACE. What to look at next:

  # The dashboard, once the first window is over; the simulated users; the processor
  kubectl logs -f deployment/clickstream-consumer -n $NAMESPACE
  kubectl logs -f deployment/clickstream-producer -n $NAMESPACE
  kubectl logs -f deployment/clickstream-streams-processor -n $NAMESPACE

  kubectl get pods -n $NAMESPACE | grep clickstream
  kubectl get kafkatopic -n $NAMESPACE | grep clickstream

  # More throughput: up to as many processors as clickstream-events has partitions
  kubectl scale deployment clickstream-streams-processor -n $NAMESPACE --replicas=3
TEXT
    ! is_chosen collector || say_how_to_collect
    cat <<TEXT

  # Remove it (--help says what stays)
  $cleanup
TEXT
}

say_how_to_collect() {
    cat <<TEXT

  # The collector: an event of your own, while the first command runs; and the line for your pages
  kubectl port-forward service/$COLLECTOR_RELEASE 8090:8080 -n $NAMESPACE
  curl -H 'Content-Type: application/json' -d '{"path": "/hello"}' http://localhost:8090/ingest
  helm get notes $COLLECTOR_RELEASE -n $NAMESPACE
TEXT
}

# However it ends
leave() {
    local status=$? failed=$BASH_COMMAND
    stop_helm
    rm -rf "$WORK"
    [ "$status" -eq 0 ] || [ -n "$REFUSED" ] ||
        echo "$PROGRAM: a command failed after ${SECONDS}s (see above; $failed). What was made so far stays: setup.sh with the same" \
            "options goes on from there." >&2
    exit "$status"
}

interrupted() {
    trap '' INT TERM
    REFUSED=yes
    stop_helm
    {
        echo
        echo "$PROGRAM: interrupted after ${SECONDS}s. What was made so far stays: setup.sh with the same options goes on" \
            "from there, cleanup.sh removes it."
    } >&2
    exit 130
}

main() {
    if [ "${1-}" = --local ]; then
        shift
        run_local "$@"
    fi
    export LC_ALL=C
    WORK=$(mktemp -d)
    trap leave EXIT
    trap interrupted INT TERM
    parse_options "$@"
    check_all
    set_up
    if [ -n "$DRY_RUN" ]; then
        say "Nothing was changed (--dry-run)"
    else
        say "All is Ready"
        say_what_next
    fi
}

main "$@"
