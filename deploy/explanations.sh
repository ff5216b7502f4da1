# shellcheck shell=bash disable=SC2034,SC2153 # the files of deploy/ share their variables
# What there is to see when something does not come up: conditions, events, logs. Sourced, not run.

# explain_object RESOURCE NAME STATE: to standard error
explain_object() {
    {
        echo
        echo "$(kind_of "$1") $2 in namespace $NAMESPACE: $(in_words "$3")"
        explain_conditions "$1" "$2"
        explain_events "$NAMESPACE" "$(kind_of "$1")" "$2"
        if [ "$1" = "$KAFKAS" ]; then
            explain_pods "$NAMESPACE" "strimzi.io/cluster=$2"
        else
            explain_entity_operator
        fi
        echo
    } >&2
}

# explain_silence RESOURCE NAME: nobody has looked at the object
explain_silence() {
    local operators
    {
        echo
        echo "$(kind_of "$1") $2 in namespace $NAMESPACE was created ${LONGEST_SILENCE}s ago or more, and has no status for it:"
        operators=$(running_operators 2>/dev/null) || operators=
        if [ -z "$operators" ]; then
            echo "  no Deployment of Strimzi's operator is to be seen in this cluster. Start it again, or install it"
            echo "  (./setup.sh --install-operator), then run setup.sh again."
        elif [ "$1" = "$KAFKAS" ]; then
            echo "  Strimzi's operator (${operators//$'\n'/, }) does not run, or does not watch this namespace"
            echo "  (watchAnyNamespace or watchNamespaces in its Helm values). Its log:"
            kube_cluster logs "deployment/${operators##*/}" --namespace="${operators%%/*}" --tail=5 2>&1 | indent
        else
            explain_entity_operator
        fi
        echo
    } >&2
}

explain_conditions() {
    kube get "$1" "$2" -o \
        'jsonpath={range .status.conditions[*]}condition {.type}={.status} {.reason} {.message}{"\n"}{end}' 2>/dev/null | indent
}

# explain_events NAMESPACE KIND NAME: the last ones
explain_events() {
    kube_cluster get events --namespace="$1" --field-selector "involvedObject.kind=$2,involvedObject.name=$3" \
        --sort-by=.lastTimestamp -o 'jsonpath={range .items[*]}event {.type} {.reason}: {.message}{"\n"}{end}' \
        2>/dev/null | tail -n 6 | indent
}

# explain_entity_operator: topics and users are served by a pod of the Kafka cluster
explain_entity_operator() {
    local deployment=$CLUSTER_NAME-entity-operator
    if [ -n "$(kube get deployment "$deployment" --ignore-not-found -o name 2>/dev/null)" ]; then
        echo "  Deployment $deployment serves topics and users; its log:"
        kube logs "deployment/$deployment" --all-containers --tail=5 2>&1 | indent
    else
        echo "  Deployment $deployment, which serves topics and users, is not there:"
        echo "  kubectl describe kafka $CLUSTER_NAME -n $NAMESPACE"
    fi
}

# explain_pods NAMESPACE SELECTOR: those that are not Ready, with their events and logs
explain_pods() {
    local pod ready
    while IFS='|' read -r pod ready; do
        [ -n "$pod" ] && [ "$ready" != True ] || continue
        echo "  Pod $pod is not Ready:"
        explain_pod "$1" "$pod"
    done < <(kube_cluster get pods --namespace="$1" -l "$2" \
        -o 'jsonpath={range .items[*]}{.metadata.name}|{.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}')
}

# explain_pod NAMESPACE NAME: events and the last lines of its log, of the run before when it restarts
explain_pod() {
    local log
    explain_events "$1" Pod "$2"
    explain_claims "$1" "$2"
    log=$(kube_cluster logs "$2" --namespace="$1" --all-containers --tail=15 2>/dev/null) || log=
    [ -n "$log" ] || log=$(kube_cluster logs "$2" --namespace="$1" --all-containers --previous --tail=15 2>/dev/null) || log=
    [ -z "$log" ] || indent <<<"log of $2:
$log"
}

# explain_claims NAMESPACE POD: the events of claims of its volumes that are not bound
explain_claims() {
    local claim phase
    for claim in $(kube_cluster get pod "$2" --namespace="$1" -o 'jsonpath={.spec.volumes[*].persistentVolumeClaim.claimName}' 2>/dev/null); do
        phase=$(kube_cluster get persistentvolumeclaim "$claim" --namespace="$1" --ignore-not-found -o 'jsonpath={.status.phase}' 2>/dev/null) || continue
        [ "$phase" != Bound ] || continue
        echo "  PersistentVolumeClaim $claim is ${phase:-not there}:"
        explain_events "$1" PersistentVolumeClaim "$claim"
    done
}
