# shellcheck shell=bash disable=SC2034,SC2153 # the files of deploy/ share their variables
# Strimzi itself: its resource definitions and, when asked for, its operator. Sourced, not run.

# A mirror, where the cluster has no way out, is named by the environment.
STRIMZI_CHART=${STRIMZI_CHART:-oci://quay.io/strimzi-helm/strimzi-kafka-operator}
STRIMZI_VERSION=${STRIMZI_VERSION:-1.2.0}
OPERATOR_NAMESPACE=strimzi
OPERATOR=strimzi-cluster-operator

# served_versions: of Strimzi's API, "v1" or "v1beta2 v1"; nothing when there is no Strimzi
served_versions() {
    kube api-versions | sed -n "s|^$STRIMZI_API/||p" | tr '\n' ' '
}

# missing_definitions: those of the four kinds that the cluster does not serve in v1
missing_definitions() {
    local served kind missing=
    served=$(kube get --raw="/apis/$STRIMZI_API/v1" 2>/dev/null) || served=
    for kind in Kafka KafkaNodePool KafkaTopic KafkaUser; do
        case $served in
            *"\"kind\":\"$kind\""*) ;;
            *) missing="$missing $kind" ;;
        esac
    done
    echo "${missing# }"
}

# check_strimzi: ends unless Strimzi's kinds are served, or are going to be installed; sets STRIMZI to yes when they are
check_strimzi() {
    local versions missing
    missing=$(missing_definitions)
    STRIMZI=
    if [ -z "$missing" ]; then
        STRIMZI=yes
        say "Strimzi: $STRIMZI_API/v1"
        return 0
    fi
    versions=$(served_versions)
    if [ -z "$INSTALL_OPERATOR" ]; then
        [ -n "$versions" ] ||
            fail "this cluster has no Strimzi: ./setup.sh --install-operator installs $STRIMZI_VERSION, or do it yourself:" \
                "helm install $OPERATOR $STRIMZI_CHART --version $STRIMZI_VERSION" \
                "--namespace $OPERATOR_NAMESPACE --create-namespace --set watchAnyNamespace=true"
        fail "this cluster's Strimzi serves $STRIMZI_API/${versions% } without v1 of $missing: upgrade Strimzi to" \
            "$STRIMZI_VERSION or newer (https://strimzi.io/docs/operators/latest/deploying#assembly-upgrade-str)"
    elif [ -n "$versions" ]; then
        fail "--install-operator: this cluster has definitions of another Strimzi ($STRIMZI_API/${versions% }), which helm" \
            "would leave as they are: upgrade that Strimzi to $STRIMZI_VERSION or newer instead" \
            "(https://strimzi.io/docs/operators/latest/deploying#assembly-upgrade-str)"
    fi
}

# running_operators: namespace/name of the operators' Deployments, one per line
running_operators() {
    kube get deployments.apps --all-namespaces \
        -o 'jsonpath={range .items[?(@.spec.template.metadata.labels.strimzi\.io/kind=="cluster-operator")]}{.metadata.namespace}/{.metadata.name}{"\n"}{end}'
}

# check_operator_rights: what its chart makes is not confined to a namespace
check_operator_rights() {
    [ -n "$INSTALL_OPERATOR" ] || return 0
    check_rights "install Strimzi's operator" create namespaces create customresourcedefinitions.apiextensions.k8s.io \
        create clusterroles.rbac.authorization.k8s.io create clusterrolebindings.rbac.authorization.k8s.io \
        list deployments.apps
}

# install_operator: unless one is there already
install_operator() {
    local operators new_definitions
    [ -n "$INSTALL_OPERATOR" ] || return 0
    operators=$(running_operators)
    if [ -n "$operators" ] && [ "$operators" != "$OPERATOR_NAMESPACE/$OPERATOR" ]; then
        say "Strimzi's operator is there already (${operators//$'\n'/, }): nothing to install"
        return 0
    fi
    if [ -n "$DRY_RUN" ]; then
        [ -n "$operators" ] || say "Would install Strimzi $STRIMZI_VERSION in namespace $OPERATOR_NAMESPACE ($STRIMZI_CHART)"
        return 0
    fi
    if [ -n "$operators" ] && kube rollout status deployment "$OPERATOR" -n "$OPERATOR_NAMESPACE" --timeout=1s >/dev/null 2>&1; then
        say "Strimzi's operator is there already ($operators): nothing to install"
        return 0
    fi
    new_definitions=$(missing_definitions)
    say "Installing Strimzi $STRIMZI_VERSION in namespace $OPERATOR_NAMESPACE"
    create_namespace "$OPERATOR_NAMESPACE"
    helm ${CONTEXT:+--kube-context="$CONTEXT"} --namespace="$OPERATOR_NAMESPACE" upgrade --install "$OPERATOR" "$STRIMZI_CHART" \
        --version "$STRIMZI_VERSION" --set watchAnyNamespace=true --set-string "labels.$MADE_BY_PATH=${MADE_BY#*=}" \
        --wait --timeout "${TIMEOUT}s" >"$WORK/helm.log" 2>&1 </dev/null &
    HELM=$!
    begin_watch "$OPERATOR" operator "$OPERATOR_NAMESPACE" "name=$OPERATOR"
    watch_helm "$OPERATOR" "its chart is fetched, and its pod made" ||
        fail "Strimzi's operator does not come up: see above, then run setup.sh again"
    if [ "$HELM_STATUS" -ne 0 ]; then
        {
            indent <"$WORK/helm.log"
            explain_pods "$OPERATOR_NAMESPACE" name="$OPERATOR"
            [ -z "$NOT_CREATED" ] || indent <<<"no pod is allowed: $NOT_CREATED"
        } >&2
        fail "Strimzi's operator could not be installed: see above, then run setup.sh again"
    fi
    [ -z "$new_definitions" ] ||
        kube_cluster label customresourcedefinitions -l app=strimzi "$MADE_BY" >/dev/null
    say "Strimzi's operator runs"
}
