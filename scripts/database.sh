# shellcheck shell=bash
# Drops, makes and fills one database of any server. To be sourced after lib.sh and connection.sh;
# wants `checkout`; `psql`, the program; a connection that was read; `name`, the database; and
# `force`, yes or no: whether to drop a database that is not known to be ours.

# The comment by which a database is known as one that may be dropped.
readonly mark='made by rowcast reinitdb.sh'
checkout=${checkout:?}

# run_psql DATABASE [ARGUMENT…]: fails at the first error, prints bare values.
run_psql() {
  local database=$1
  shift
  PGCLIENTENCODING=UTF8 "$psql" -X -q -A -t -w -v ON_ERROR_STOP=1 -v name="$name" -v mark="$mark" \
    -d "$(connection_to "$database" without_password)" "$@" 9>&-
}

# The database to work from is not the one to drop, even where the URL names that one.
find_maintenance_database() {
  local candidate version messages=''
  for candidate in postgres template1 "$(connection_database)" "${PGDATABASE:-}"; do
    if [[ -z $candidate || $candidate == "$name" ]]; then continue; fi
    if version=$(run_psql "$candidate" -c 'show server_version_num' 2>&1); then
      maintenance=$candidate
      version=${version##*$'\n'} # warnings may stand before it
      if ((version < 130000)); then
        fail "rowcast needs PostgreSQL 13 or later; this server is version $((version / 10000))."
      fi
      return
    fi
    messages+=$version$'\n'
  done
  printf '%s' "$messages" >&2
  fail "no database of this server could be connected to (tried postgres and template1); psql's message stands above."
}

recreate_database() {
  local found
  found=$(
    run_psql "$maintenance" <<-'SQL'
	select case
	  when shobj_description(oid, 'pg_database') is distinct from :'mark' then 'unmarked'
	  when pg_get_userbyid(datdba) <> current_user then 'another role''s'
	  else 'ours' end
	from pg_database where datname = :'name';
	SQL
  ) || fail "the server could not be asked for the database '$name'; its message stands above."
  case $force,$found in
    no,unmarked) fail "the database '$name' exists and was not made by reinitdb.sh, so nothing was touched: give another NAME, or --force to drop it." ;;
    no,another*) fail "the database '$name' was made by reinitdb.sh as another role, so nothing was touched: connect as that role, give another NAME, or --force to drop it." ;;
  esac
  if [[ $found ]]; then
    say "dropping the database '$name'"
    run_psql "$maintenance" <<<'drop database :"name" with (force);' ||
      fail "the database '$name' could not be dropped; the server's message stands above."
  fi
  say "making the database '$name'"
  run_psql "$maintenance" <<-'SQL' ||
	create database :"name" template template0 encoding 'UTF8';
	comment on database :"name" is :'mark';
	SQL
    fail "the database '$name' could not be made; the server's message stands above."
}

load_schema() {
  local file files=() arguments=()
  shopt -s nullglob
  files=("$checkout"/sql/*.sql "$checkout"/sql/example/*.sql)
  shopt -u nullglob
  if ((${#files[@]} == 0)); then fail "there are no SQL files in $checkout/sql: this checkout is not whole."; fi
  for file in "${files[@]}"; do
    say "loading ${file#"$checkout"/}"
    arguments+=(-f "$file")
  done
  run_psql "$name" --single-transaction "${arguments[@]}" -c "select rowcast.watch_all('public')" >/dev/null ||
    fail "the SQL files could not be loaded: the database '$name' is there, but empty. Correct what the message above says, then run this again."
}

# What the PG* variables and the service file came to, as libpq says it.
resolved_url() {
  local host port user authority separator='?' parameters=''
  { read -r host && read -r port && read -r user; } < <(run_psql "$name" <<<$'\\echo :HOST\n\\echo :PORT\n\\echo :USER') ||
    fail "psql did not tell which server the PG* variables come to."
  authority=$(percent_encode "$user")
  if [[ ${PGPASSWORD:-} ]]; then authority+=:$(percent_encode "$PGPASSWORD"); fi
  if [[ $host == /* ]]; then
    authority+=@
    parameters="?host=$(percent_encode "$host" /)&port=$port" separator='&'
  else
    if [[ $host == *:* ]]; then host="[$host]"; fi
    authority+=@$host:$port
  fi
  if [[ ${PGSSLMODE:-} ]]; then parameters+=${separator}sslmode=$PGSSLMODE; fi
  printf 'postgresql://%s/%s%s\n' "$authority" "$(percent_encode "$name")" "$parameters"
}
