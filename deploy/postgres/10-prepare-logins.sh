#!/bin/sh
# Run once by the database's image, on an empty data folder: the login of the pipelines, and
# Dagster's database. The schema and all other roles come from the service migrate.
set -eu

password=$(cat "$PIPELINES_PASSWORD_FILE")
[ "${#password}" -ge 24 ] || {
    echo "candela: the secret pipelines_password is shorter than 24 characters" >&2
    exit 78
}

# The password goes in by standard input: arguments of a process can be read by others.
{
    printf "\\\\set password '%s'\n" "$password"
    cat "${LOGINS_FILE:-/docker-entrypoint-initdb.d/logins.psql}"
} | psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB"
