#!/bin/sh
# Run once by the database's image, on an empty data folder: the logins of pipelines, executors and
# the API, and Dagster's database. The schema and all other roles come from the service migrate.
set -eu

# The passwords go in by standard input: arguments of a process can be read by others.
variable() {
    value=$(cat "$2")
    [ "${#value}" -ge 24 ] || {
        echo "candela: the secret $3 is shorter than 24 characters" >&2
        exit 78
    }
    printf "\\\\set %s '%s'\n" "$1" "$value"
}

password=$(variable password "$PIPELINES_PASSWORD_FILE" pipelines_password)
live_password=$(variable live_password "$LIVE_PASSWORD_FILE" live_password)
web_password=$(variable web_password "$WEB_PASSWORD_FILE" web_password)
{
    printf '%s\n%s\n%s\n' "$password" "$live_password" "$web_password"
    cat "${LOGINS_FILE:-/docker-entrypoint-initdb.d/logins.psql}"
} | psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB"
