#!/bin/sh
# Generates what compose.yaml reads as secrets, once; what is there already is kept.
set -eu
cd "$(dirname "$0")"
mkdir -p secrets
# The folder is closed to others; the files in it are read inside the containers by another user.
chmod 700 secrets

secret() {
    [ -e "secrets/$1" ] || printf %s "$2" > "secrets/$1"
    chmod 444 "secrets/$1"
}
random() {
    od -An -N32 -tx1 /dev/urandom | tr -d ' \n'
}

secret postgres_password "$(random)"
secret valkey_password "$(random)"
secret valkey_configuration "requirepass $(cat secrets/valkey_password)
appendonly yes
save \"\"
maxmemory-policy noeviction
dir /data"
secret secret_key "$(random)"
secret audit_key "$(random)"
secret runtime_password "$(random)"
# Where one role did everything, its address is kept as that of the owner, who migrates.
if [ -e secrets/database_url ] && [ ! -e secrets/database_owner_url ]; then
    mv secrets/database_url secrets/database_owner_url
fi
secret database_owner_url "postgresql://chestline:$(cat secrets/postgres_password)@postgres:5432/chestline"
secret database_url "postgresql://chestline_app:$(cat secrets/runtime_password)@postgres:5432/chestline"
secret broker_url "redis://:$(cat secrets/valkey_password)@valkey:6379/0"
