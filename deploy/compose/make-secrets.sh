#!/bin/sh
# Generates what compose.yaml reads as secrets, once; what is there already is kept.
#   make-secrets.sh --new-key audit_key|secret_key    makes another one, and keeps the present one
#                                                     among the old ones; docs/deployment/keys.md
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

# Another key; the present one becomes an old one first, so that none is lost if this is interrupted.
replace() {
    # Of an interrupted run; not even their owner can write to them.
    rm -f "secrets/$1.new" "secrets/$2.new"
    { cat "secrets/$1"; echo; cat "secrets/$2"; } > "secrets/$2.new"
    printf %s "$(random)" > "secrets/$1.new"
    chmod 444 "secrets/$1.new" "secrets/$2.new"
    mv -f "secrets/$2.new" "secrets/$2"
    mv -f "secrets/$1.new" "secrets/$1"
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
secret secret_key_fallbacks ""
secret audit_old_keys ""
secret runtime_password "$(random)"
# Where one role did everything, its address is kept as that of the owner, who migrates.
if [ -e secrets/database_url ] && [ ! -e secrets/database_owner_url ]; then
    mv secrets/database_url secrets/database_owner_url
fi
secret database_owner_url "postgresql://chestline:$(cat secrets/postgres_password)@postgres:5432/chestline"
secret database_url "postgresql://chestline_app:$(cat secrets/runtime_password)@postgres:5432/chestline"
secret broker_url "redis://:$(cat secrets/valkey_password)@valkey:6379/0"

case "${1-} ${2-}" in
" ") ;;
"--new-key audit_key") replace audit_key audit_old_keys ;;
"--new-key secret_key") replace secret_key secret_key_fallbacks ;;
*)
    sed -n '3,4s/^#//p' "$0" >&2
    exit 2
    ;;
esac
