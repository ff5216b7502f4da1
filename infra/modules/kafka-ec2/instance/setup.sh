#!/bin/bash
# Makes a new instance a Kafka broker with Kafka Connect: setup.sh FOLDER, with what user-data.sh.tftpl put there.
#
# What Kafka keeps, its certificates and passwords are on the data volume. They outlive the instance, and a new instance
# goes on with them. Every step may be repeated. ROOT is a folder in which a test lets it write, "" on the instance.
set -euo pipefail

files=$1
home=$ROOT/opt/clickstream
data=$ROOT/var/lib/clickstream
secrets=$data/secrets

fail() {
    echo "setup.sh: $*" >&2
    exit 1
}

retried() {
    for pause in 2 5 10 20 30; do
        if "$@"; then return; fi
        sleep "$pause"
    done
    "$@" || fail "failed six times: $*"
}

install_packages() {
    retried dnf install --quiet --assumeyes java-17-amazon-corretto-headless openssl xfsprogs awscli-2
    id clickstream >/dev/null 2>&1 || useradd --system --home-dir "$data" --shell /sbin/nologin clickstream
}

mount_data() {
    # Terraform attaches the volume once the instance runs.
    for _ in {1..150}; do
        if [ -e "$DEVICE" ]; then break; fi
        sleep 2
    done
    [ -e "$DEVICE" ] || fail "the data volume $DEVICE was not attached within 5 minutes"
    # mkfs.xfs refuses a volume on which it finds anything.
    blkid --label cs-data >/dev/null || mkfs.xfs -q -L cs-data "$DEVICE"
    mkdir -p "$data"
    if ! grep -q " $data " "$ROOT/etc/fstab"; then
        echo "LABEL=cs-data $data xfs defaults,nofail 0 2" >>"$ROOT/etc/fstab"
    fi
    mountpoint -q "$data" || mount "$data"
}

jars_match() {
    (cd "$home" && cut -d' ' -f1-3 "$files/jars.lock" | sha256sum --check --strict --quiet >/dev/null 2>&1)
}

fetch_jars() {
    mkdir -p "$home"
    if jars_match; then return; fi
    while read -r _ jar folder; do
        printf 'url = "%s/%s/%s"\noutput = "%s/%s"\n' "$MAVEN" "$folder" "${jar##*/}" "$home" "$jar"
    done <"$files/jars.lock" >"$files/downloads"
    retried curl --config "$files/downloads" --silent --show-error --fail --fail-early --location --create-dirs \
        --parallel --parallel-max 8
    jars_match || fail "jars from $MAVEN do not match jars.lock; none of them is run"
}

make_certificates() {
    mkdir -p "$secrets"
    chmod 700 "$secrets"
    cd "$secrets"
    if [ ! -e ca.crt ]; then
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -days 3650 -subj "/CN=Clickstream Kafka CA" \
            -keyout ca.key -out ca.crt.new
        mv ca.crt.new ca.crt
    fi
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -subj "/CN=$ADDRESS" -keyout server.key -out server.csr
    printf 'subjectAltName=IP:%s\nextendedKeyUsage=serverAuth\n' "$ADDRESS" >server.ext
    openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 3650 -extfile server.ext -out server.crt
    cat server.key server.crt ca.crt >server.pem
    rm server.key server.csr server.ext server.crt
}

# What the collector has to know, as its SECRET_ARNS expects it. It goes to Secrets Manager, never into user data.
make_secret() {
    cd "$secrets"
    if [ ! -e password ]; then
        openssl rand -hex 32 >visitor_secret
        openssl rand -hex 32 >password.new
        mv password.new password
    fi
    printf '{"username": "clickstream-collector", "password": "%s", "visitor_secret": "%s", "ca_certificate": "%s"}\n' \
        "$(cat password)" "$(cat visitor_secret)" "$(sed 's/$/\\n/' ca.crt | tr -d '\n')" >collector.json
    retried aws secretsmanager put-secret-value --region "$REGION" --secret-id "$SECRET_ARN" \
        --secret-string "file://$secrets/collector.json" --query VersionId --output text
}

write_files() {
    mkdir -p "$home/bin" "$home/etc" "$data/staging" "$ROOT/etc/systemd/system"
    cp "$files/topics" "$files/connector.json" "$home/etc"
    for file in bin etc units; do
        for source in "$files/$file"/*; do
            sed -e "s|@ROOT@|$ROOT|g; s|@ADDRESS@|$ADDRESS|g; s|@REGION@|$REGION|g; s|@WAREHOUSE@|$WAREHOUSE|g" \
                -e "s|@PORT@|$PORT|g; s|@LOCAL_PORT@|$LOCAL_PORT|g; s|@CONTROLLER_PORT@|$CONTROLLER_PORT|g" \
                -e "s|@CONNECT_PORT@|$CONNECT_PORT|g" "$source" >"$files/filled"
            case $file in
            units) cp "$files/filled" "$ROOT/etc/systemd/system/${source##*/}" ;;
            *) cp "$files/filled" "$home/$file/${source##*/}" ;;
            esac
        done
    done
    chmod 755 "$home/bin"/*
}

format_data() {
    if [ -e "$data/kafka/meta.properties" ]; then return; fi
    # What it prints has the password's hash in it.
    java -cp "$home/libs/*" "-Dlog4j2.configurationFile=$home/etc/log4j2.properties" kafka.tools.StorageTool format \
        --standalone --cluster-id "$(head -c 16 /dev/urandom | basenc --base64url | tr -d '=')" \
        --config "$home/etc/server.properties" \
        --add-scram "SCRAM-SHA-512=[name=clickstream-collector,password=$(cat "$secrets/password")]" >/dev/null
}

install_packages
mount_data
fetch_jars
make_certificates
make_secret
write_files
format_data
chown -R clickstream:clickstream "$data"
systemctl daemon-reload
systemctl enable --now clickstream-kafka clickstream-topics clickstream-connect clickstream-connector
echo "setup.sh: done; journalctl -u 'clickstream-*' shows what runs"
