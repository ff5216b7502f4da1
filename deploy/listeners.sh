# shellcheck shell=bash disable=SC2034,SC2153 # the files of deploy/ share their variables
# Which of Kafka's listeners the apps use. Sourced, not run.
#
# Without authorization: TLS with a password (SCRAM) is best, then TLS, then no TLS, and client certificates when there
# is nothing else. With authorization a client needs a name, so listeners without authentication are of no use (unless
# the nameless are super users), and client certificates come before passwords without TLS.

# judge_listener TYPE TLS AUTHENTICATION NAMELESS: prints rank|words, the lowest rank is the best; "-|why" for useless ones
# NAMELESS says what becomes of clients without a name: free (no authorization), super or refused
judge_listener() {
    case $1 in
        internal | cluster-ip) ;;
        *)
            echo "-|type $1, for clients outside of the cluster"
            return
            ;;
    esac
    case "$2 $3 $4" in
        "true scram-sha-512 "*) echo "1|TLS with SCRAM-SHA-512" ;;
        "true none free") echo "2|TLS without authentication" ;;
        "true tls free") echo "6|TLS client certificates" ;;
        "true tls "*) echo "2|TLS client certificates" ;;
        *" scram-sha-512 "*) echo "3|SCRAM-SHA-512 without TLS" ;;
        *" none refused") echo "-|without authentication, which authorization refuses" ;;
        "true none "*) echo "4|TLS without authentication" ;;
        *" none "*) echo "5|neither TLS nor authentication" ;;
        *) echo "-|authentication $3, which the apps don't know" ;;
    esac
}

# read_listeners: name|port|type|tls|authentication|secret of its own certificate, one listener per line
read_listeners() {
    kube get "$KAFKAS" "$CLUSTER_NAME" -o 'jsonpath={range .spec.kafka.listeners[*]}{.name}|{.port}|{.type}|{.tls}|{.authentication.type}|{.configuration.brokerCertChainAndKey.secretName}{"\n"}{end}'
}

# nameless_clients: free, super or refused
nameless_clients() {
    local authorization super_users
    IFS='|' read -r authorization super_users < <(kube get "$KAFKAS" "$CLUSTER_NAME" \
        -o 'jsonpath={.spec.kafka.authorization.type}|{.spec.kafka.authorization.superUsers}{"\n"}')
    case $authorization:$super_users in
        :*) echo free ;;
        *ANONYMOUS*) echo super ;;
        *) echo refused ;;
    esac
}

# choose_listener: sets LISTENER, LISTENER_TLS (true or false), LISTENER_AUTHENTICATION (none, scram-sha-512 or tls),
# BOOTSTRAP_SERVERS, and AUTHORIZES (yes when users need ACLs); says which it is, and why not the others
choose_listener() {
    local name port type tls authentication certificate nameless verdict rank best=99 chosen='' others='' own_certificate=''
    nameless=$(nameless_clients)
    LISTENER=
    while IFS='|' read -r name port type tls authentication certificate; do
        [ -n "$name" ] || continue
        verdict=$(judge_listener "$type" "${tls:-false}" "${authentication:-none}" "$nameless")
        rank=${verdict%%|*}
        if [ "$rank" != - ] && [ "$rank" -lt "$best" ]; then
            [ -z "$LISTENER" ] || others="$others; $chosen"
            best=$rank chosen="$name ($port): ${verdict#*|}" own_certificate=$certificate
            LISTENER=$name LISTENER_TLS=${tls:-false} LISTENER_AUTHENTICATION=${authentication:-none}
            BOOTSTRAP_SERVERS=$(bootstrap_servers "$name" "$port")
        else
            others="$others; $name ($port): ${verdict#*|}"
        fi
    done < <(read_listeners)
    [ -n "$LISTENER" ] ||
        fail "Kafka $CLUSTER_NAME has no listener that the apps can use${others:+ (${others#; })}: add one of type internal" \
            "with tls: true and authentication scram-sha-512 (kubectl edit kafka $CLUSTER_NAME -n $NAMESPACE)"
    AUTHORIZES=
    [ "$nameless" = free ] || AUTHORIZES=yes
    say "Listener $chosen"
    [ -z "$others" ] || detail "not used: ${others#; }"
    [ -z "$own_certificate" ] ||
        detail "it presents its own certificate (Secret $own_certificate): name a Secret with its CA in kafka.tls.caSecret (--values)"
}

# bootstrap_servers NAME PORT: as the Kafka resource says; the short name of the service where that is the same
bootstrap_servers() {
    local address short=$CLUSTER_NAME-kafka-bootstrap
    address=$(kube get "$KAFKAS" "$CLUSTER_NAME" -o "jsonpath={.status.listeners[?(@.name==\"$1\")].bootstrapServers}")
    case $address in
        "" | "$short.$NAMESPACE.svc:$2") echo "$short:$2" ;;
        *) echo "$address" ;;
    esac
}
