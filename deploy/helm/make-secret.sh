#!/bin/sh
# Prints a Secret with new passwords and keys for the chart. Keep its output in a safe place: without
# audit_key the audit trail cannot be verified, and this script never makes the same one twice.
#   make-secret.sh --database-host HOST --broker-host HOST     servers of your own
#   make-secret.sh --bundled RELEASE                           the chart's own (bundled.*.enabled)
# OWNER_PASSWORD and BROKER_PASSWORD are used where they are set, for servers that have theirs already.
set -eu

usage() {
    sed -n '4,5s/^#//p' "$0" >&2
    exit 2
}
random() {
    od -An -N32 -tx1 /dev/urandom | tr -d ' \n'
}

database=
broker=
while [ $# -gt 0 ]; do
    [ $# -ge 2 ] || usage
    case $1 in
    --database-host) database=$2 ;;
    --broker-host) broker=$2 ;;
    --bundled)
        case $2 in *chestline*) prefix=$2 ;; *) prefix=$2-chestline ;; esac
        database=$prefix-postgresql
        broker=$prefix-valkey
        ;;
    *) usage ;;
    esac
    shift 2
done
[ -n "$database" ] && [ -n "$broker" ] || usage

owner_password=${OWNER_PASSWORD:-$(random)}
broker_password=${BROKER_PASSWORD:-$(random)}
cat <<END
apiVersion: v1
kind: Secret
metadata:
  name: chestline
type: Opaque
stringData:
  database_owner_url: postgresql://chestline:$owner_password@$database:5432/chestline
  database_url: postgresql://chestline_app:$(random)@$database:5432/chestline
  broker_url: redis://:$broker_password@$broker:6379/0
  secret_key: $(random)
  audit_key: $(random)
  postgres_password: $owner_password
  valkey_password: $broker_password
END
