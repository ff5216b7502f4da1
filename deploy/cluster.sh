# shellcheck shell=bash disable=SC2034,SC2153 # the files of deploy/ share their variables
# The tools, the cluster they reach, and what this user may do there. Sourced, not run.

HELM_AT_LEAST=3.13
QUESTIONS_AT_ONCE=8

# kube_cluster ...: kubectl on the context that was current at the start
kube_cluster() {
    kubectl ${CONTEXT:+--context="$CONTEXT"} "$@"
}

# kube ...: the same, in the namespace
kube() {
    kube_cluster --namespace="$NAMESPACE" "$@"
}

# helm_in NAMESPACE ...: helm, likewise
helm_in() {
    local namespace=$1
    shift
    helm ${CONTEXT:+--kube-context="$CONTEXT"} --namespace="$namespace" "$@"
}

check_tools() {
    local version major minor
    command -v kubectl >/dev/null ||
        fail "there is no kubectl on the PATH: install it (https://kubernetes.io/docs/tasks/tools/)"
    command -v helm >/dev/null ||
        fail "there is no helm on the PATH: install helm $HELM_AT_LEAST or newer (https://helm.sh/docs/intro/install/)"
    version=$(helm version --short 2>/dev/null) || version=
    [[ $version =~ v([0-9]+)\.([0-9]+) ]] || fail "helm version says '$version': install helm $HELM_AT_LEAST or newer"
    major=${BASH_REMATCH[1]} minor=${BASH_REMATCH[2]}
    if [ "$major" -lt "${HELM_AT_LEAST%.*}" ] ||
        { [ "$major" -eq "${HELM_AT_LEAST%.*}" ] && [ "$minor" -lt "${HELM_AT_LEAST#*.}" ]; }; then
        fail "helm is $version: install helm $HELM_AT_LEAST or newer (https://helm.sh/docs/intro/install/)"
    fi
}

# The context is kept: what another terminal switches to meanwhile does not matter.
check_cluster() {
    local answer contexts
    CONTEXT=$(kubectl config current-context 2>/dev/null) || CONTEXT=
    if ! answer=$(kube get --raw=/version --request-timeout=10s 2>&1 >/dev/null); then
        if [ -n "$CONTEXT" ]; then
            fail "the cluster of context $CONTEXT does not answer ($(last_line "$answer")): check VPN and credentials," \
                "or choose another with kubectl config use-context"
        fi
        contexts=$(kubectl config get-contexts -o name 2>/dev/null | tr '\n' ' ') || contexts=
        [ -z "$contexts" ] ||
            fail "kubectl has no current context: choose one of ${contexts}with kubectl config use-context"
        fail "kubectl knows no cluster: set KUBECONFIG, or on EKS run aws eks update-kubeconfig --name CLUSTER"
    fi
    say "Cluster: ${CONTEXT:+context $CONTEXT, }$(kube config view --minify -o 'jsonpath={.clusters[0].cluster.server}' 2>/dev/null)"
}

# last_line TEXT: kubectl says the reason last
last_line() {
    sed -n '$p' <<<"$1"
}

# namespace_state: there, missing, or going
namespace_state() {
    local found
    # Who may only see inside the namespace is told so; then it is there.
    found=$(kube_cluster get namespace "$NAMESPACE" --ignore-not-found \
        -o 'jsonpath={.metadata.name}|{.metadata.deletionTimestamp}' 2>&1) || found="$NAMESPACE|"
    case $found in
        "") echo missing ;;
        *"|") echo there ;;
        *) echo going ;;
    esac
}

# check_rights WHAT [VERB RESOURCE]...: ends when this user may not do one of them in the namespace
check_rights() {
    local what=$1 missing
    shift
    missing=$(missing_rights "$@" | sort -n | sed 's/^[0-9]* //' | tr '\n' ',')
    missing=${missing%,}
    [ -z "$missing" ] || fail "to $what you need rights that you do not have in namespace $NAMESPACE: ${missing//,/, };" \
        "ask the cluster's administrator (kubectl auth can-i --list -n $NAMESPACE shows what you have)"
}

# missing_rights [VERB RESOURCE]...: those of them that this user has not, in any order, each after its number; several are
# asked for at once, because a question to a cluster that is far away, or whose credentials a program makes, takes long
missing_rights() {
    local number=0
    while [ $# -gt 0 ]; do
        number=$((number + 1))
        { kube auth can-i "$1" "$2" --quiet >/dev/null 2>&1 || echo "$number $1 $2"; } &
        [ $((number % QUESTIONS_AT_ONCE)) -ne 0 ] || wait
        shift 2
    done
    wait
}
