# shellcheck shell=bash disable=SC2034,SC2153 # the files of deploy/ share their variables
# Namespaces: made when they are missing, and removed by cleanup.sh when setup.sh made them. Sourced, not run.

# create_namespace NAME
create_namespace() {
    local there
    there=$(kube_cluster get namespace "$1" --ignore-not-found -o name 2>/dev/null) || there=$1
    [ -z "$there" ] || return 0
    if [ -n "$DRY_RUN" ]; then
        say "Would create namespace $1"
        return 0
    fi
    kubectl create namespace "$1" --dry-run=client -o yaml | mark | kube_cluster create -f - >/dev/null
    say "Namespace $1 created"
}
