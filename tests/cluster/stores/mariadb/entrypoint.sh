#!/usr/bin/env bash
# As the official image: the first start makes database and user, while the server listens on no port.
set -euo pipefail

data=/var/lib/mysql socket=/run/mysqld/mysqld.sock
server=(/usr/sbin/mariadbd --no-defaults "--datadir=$data" "--socket=$socket" --innodb-buffer-pool-size=64M)

if [ ! -d "$data/mysql" ]; then
    mariadb-install-db --no-defaults "--datadir=$data" --auth-root-authentication-method=normal --skip-test-db >/dev/null
    "${server[@]}" --skip-networking &
    until mariadb "--socket=$socket" --user=root -e 'SELECT 1' >/dev/null 2>&1; do sleep 0.2; done
    mariadb "--socket=$socket" --user=root <<SQL
CREATE DATABASE $MARIADB_DATABASE CHARACTER SET utf8mb4;
GRANT ALL ON $MARIADB_DATABASE.* TO '$MARIADB_USER'@'%' IDENTIFIED BY '$(cat "$MARIADB_PASSWORD_FILE")';
SET PASSWORD FOR root@localhost = PASSWORD('$(head -c 24 /dev/urandom | base64)');
SQL
    kill %1
    wait %1
fi
exec "${server[@]}" --bind-address=0.0.0.0 --skip-name-resolve
