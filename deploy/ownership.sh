# shellcheck shell=bash disable=SC2034,SC2153 # the files of deploy/ share their variables
# The label by which cleanup.sh knows what setup.sh made. Sourced, not run.
#
# Only objects that somebody else might have made as well carry it: the namespace, the Kafka cluster, Strimzi's operator,
# and the topics, whose settings setup.sh changes only where it made them.
# Strimzi does not pass it on to what it makes: it leaves out labels of app.kubernetes.io but part-of.

MADE_BY=app.kubernetes.io/managed-by=setup.sh
MADE_BY_PATH='app\.kubernetes\.io/managed-by'

# mark [CLUSTER]: manifests on standard input, labelled, on standard output; also with the Kafka cluster that they are of
mark() {
    # As JSON: of several objects in YAML, kubectl leaves out what separates them.
    kubectl label --local --overwrite -f - -o json "$MADE_BY" ${1:+"app.kubernetes.io/instance=$1"}
}

# made_by_setup RESOURCE NAME: whether it carries the label
made_by_setup() {
    local label
    label=$(kube get "$1" "$2" --ignore-not-found -o "jsonpath={.metadata.labels.$MADE_BY_PATH}" 2>/dev/null) || return 1
    [ "$label" = "${MADE_BY#*=}" ]
}
