#!/usr/bin/env bash
# Drops and makes rowcast's database, in a private PostgreSQL cluster of this checkout or on the
# server that DATABASE_URL names. `--help` says how.
set -euo pipefail

export LC_ALL=C # lengths in bytes, files in the order of their names' bytes, messages in one language
checkout=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=scripts/lib.sh
source "$checkout/scripts/lib.sh"
# shellcheck source=scripts/connection.sh
source "$checkout/scripts/connection.sh"
# shellcheck source=scripts/cluster.sh
source "$checkout/scripts/cluster.sh"
# shellcheck source=scripts/database.sh
source "$checkout/scripts/database.sh"
explain_unexpected_errors

readonly private_role=rowcast

usage() {
  cat <<'HELP'
Usage: ./reinitdb.sh [--force] [NAME]     drop and make the database NAME (default: helloworld)
       ./reinitdb.sh --start | --stop     start or stop the private cluster; data stays as it is

Drops the database NAME, makes it anew and loads sql/*.sql, then sql/example/*.sql, all in one
transaction. Only a database that this script made itself is dropped; --force drops any.
The sessions on it are ended.

Where: on the server that DATABASE_URL (postgresql://… or "host=… user=…") or the variables
PGHOST, PGHOSTADDR, PGPORT, PGUSER, PGDATABASE or PGSERVICE name, with the role that they name.
NAME says which database, whatever the URL says. With none of them set: in a private PostgreSQL
cluster of this checkout, which is made and started as needed (a unix socket, no TCP; data in
.postgres/, or under /var/lib for root where PostgreSQL's user may not enter the checkout).

Installs what is missing (PostgreSQL) by apt-get, as root or with sudo.

Says on stderr what it does. The last line on stdout is DATABASE_URL=…, so this works:
    export "$(./reinitdb.sh | tail -n 1)"
Exit code: 0 done, 1 failed, 2 not understood.
HELP
}

main() {
  parse_arguments "$@"
  case $action in
    start | stop)
      enter_private_cluster "$@"
      "$action"_private_cluster
      ;;
    reinit)
      if server_is_given; then
        use_given_server
      else
        use_private_cluster "$@"
      fi
      find_maintenance_database
      recreate_database
      load_schema
      report
      ;;
  esac
}

parse_arguments() {
  action=reinit force=no name=helloworld
  local names=()
  while (($#)); do
    case $1 in
      -h | --help)
        usage
        exit 0
        ;;
      --force) force=yes ;;
      --start) action=start ;;
      --stop) action=stop ;;
      --)
        shift
        names+=("$@")
        break
        ;;
      -*) misunderstood "there is no option '$1'" ;;
      *) names+=("$1") ;;
    esac
    shift
  done
  if ((${#names[@]} > 1)); then misunderstood "one NAME at most, not ${#names[@]}"; fi
  if ((${#names[@]} == 1)); then name=${names[0]}; fi
  if [[ $action != reinit && (${#names[@]} -gt 0 || $force == yes) ]]; then
    misunderstood "--$action goes alone"
  fi
  if [[ -z $name ]]; then misunderstood "NAME is empty"; fi
  if ((${#name} > 63)); then misunderstood "NAME has ${#name} bytes; PostgreSQL allows 63"; fi
  case $name in
    postgres | template0 | template1) misunderstood "'$name' belongs to the PostgreSQL server itself; choose another NAME" ;;
  esac
}

misunderstood() {
  say "$1 (./reinitdb.sh --help says how)"
  exit 2
}

# --- which server

server_is_given() {
  [[ ${DATABASE_URL:-}${PGHOST:-}${PGHOSTADDR:-}${PGPORT:-}${PGUSER:-}${PGDATABASE:-}${PGSERVICE:-} ]]
}

use_given_server() {
  local password
  find_psql >/dev/null || install_packages "psql is missing" postgresql-client
  psql=$(find_psql) || fail "psql is not to be found: install PostgreSQL's client, then run this again."
  if [[ ${DATABASE_URL:-} ]]; then
    say "using the server that DATABASE_URL names"
    read_connection "$DATABASE_URL" ||
      fail "DATABASE_URL is neither postgresql://[user[:password]@][host][:port][/database] nor 'host=… user=…': correct it, then run this again."
  else
    say "using the server that the PG* variables name"
    read_connection postgresql://
  fi
  password=$(connection_password)
  if [[ $password ]]; then export PGPASSWORD=$password; fi
  export PGCONNECT_TIMEOUT=${PGCONNECT_TIMEOUT:-10}
}

use_private_cluster() {
  postgresql_programs newest >/dev/null || install_postgresql
  enter_private_cluster "$@"
  ensure_cluster
  ensure_role "$private_role"
  psql=$programs/psql
  read_connection "$(private_url "$name")"
}

# In a checkout of somebody else's, root only installs; the rest runs as that somebody, who will
# start the server and must find the files and the socket his own.
enter_private_cluster() {
  local variable owner
  owner=$(stat -c %U "$checkout")
  if ((EUID == 0)) && [[ $owner != root && $owner != UNKNOWN ]] &&
    runuser -u "$owner" -- test -w "$checkout" -a -x "$checkout"; then
    say "going on as $owner, whom this checkout belongs to"
    exec runuser -u "$owner" -- "$checkout/reinitdb.sh" "$@"
  fi
  # What the environment says of other servers must not reach the private one.
  for variable in "${!PG@}"; do unset "$variable"; done
  locate_cluster
  cd / # PostgreSQL's user may not enter the checkout
  umask 077
  lock_cluster
}

private_url() {
  printf 'postgresql://%s@/%s?host=%s\n' "$private_role" "$(percent_encode "$1")" "$(percent_encode "$socket_directory" /)"
}

start_private_cluster() {
  local url
  require_private_cluster
  start_cluster
  if url=$(cat "$state_directory/database_url" 2>/dev/null); then
    # The socket may have moved.
    read_connection "$url"
    write_database_url "$(private_url "$(connection_database)")"
  else
    say "it has no database yet: ./reinitdb.sh makes one"
  fi
}

stop_private_cluster() {
  require_private_cluster
  stop_cluster
}

require_private_cluster() {
  if [[ ! -d $data_directory ]]; then
    fail "this checkout has no private PostgreSQL cluster yet: ./reinitdb.sh makes one."
  fi
}

# --- the result

report() {
  if server_is_given; then
    local superuser
    superuser=$(run_psql "$name" -c "select rolsuper from pg_roles where rolname = current_user")
    if [[ $superuser == t ]]; then
      say "the role is a superuser: the server refuses to run as one unless it is told to"
    fi
    say "done: give the server the DATABASE_URL below"
    if [[ ${DATABASE_URL:-} ]]; then
      printf 'DATABASE_URL=%s\n' "$(connection_to "$name")"
    else
      printf 'DATABASE_URL=%s\n' "$(resolved_url)"
    fi
  else
    say "done: 'cargo run --release' starts the server on it"
    write_database_url "$(private_url "$name")"
  fi
}

write_database_url() {
  local new
  if ! { new=$(mktemp "$state_directory/database_url.XXXXXX") && printf '%s\n' "$1" >"$new" && mv "$new" "$state_directory/database_url"; }; then
    fail "$state_directory/database_url could not be written; the message above says why."
  fi
  printf 'DATABASE_URL=%s\n' "$1"
}

main "$@"
