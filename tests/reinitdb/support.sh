# shellcheck shell=bash
# What the tests of reinitdb.sh stand on: a copy of the checkout, running the script in it,
# expectations, and leaving nothing behind. To be sourced; wants `project` and `workspace`.

: "${project:?}" "${workspace:?}"

# A copy without the cluster and without what was built. Prints its path.
copy_checkout() {
  local copy=$1
  mkdir -p "$copy"
  cp -R "$project/reinitdb.sh" "$project/scripts" "$project/sql" "$copy/"
  printf '%s\n' "$copy" >>"$workspace/copies"
  printf '%s\n' "$copy"
}

# reinitdb CHECKOUT [ARGUMENT…]: runs it with no database named by the environment (put
# `env NAME=value` into `with` for one). Sets output, messages and status.
with=()
reinitdb() {
  local copy=$1 code=0
  shift
  env -u DATABASE_URL -u PGHOST -u PGHOSTADDR -u PGPORT -u PGUSER -u PGDATABASE -u PGSERVICE "${with[@]}" \
    "$copy/reinitdb.sh" "$@" >"$workspace/output" 2>"$workspace/messages" </dev/null || code=$?
  output=$(<"$workspace/output")
  messages=$(<"$workspace/messages")
  status=$code
}

broken() {
  printf 'expected: %s\n' "$*"
  printf 'exit code %s; stdout:\n%s\nstderr:\n%s\n' "${status:-}" "${output:-}" "${messages:-}"
  exit 1
}

# Success, with the URL as the last line; sets url.
expect_done() {
  [[ $status == 0 ]] || broken "success"
  url=$(tail -n 1 <<<"$output")
  [[ $url == DATABASE_URL=?* ]] || broken "DATABASE_URL=… as the last line"
  url=${url#DATABASE_URL=}
}

# expect_failure CODE TEXT: that exit code, and a sentence with that text as the last line.
expect_failure() {
  [[ $status == "$1" ]] || broken "exit code $1"
  [[ $(tail -n 1 <<<"$messages") == *"$2"* ]] || broken "a last sentence with: $2"
  [[ $output != *DATABASE_URL=* ]] || broken "no DATABASE_URL of a failed run"
}

expect_equal() {
  [[ $2 == "$3" ]] || broken "$1 to be '$2', found '$3'"
}

# sql URL STATEMENT: bare values.
sql() {
  PGCONNECT_TIMEOUT=10 "$psql" -X -q -A -t -w -v ON_ERROR_STOP=1 -d "$1" -c "$2"
}

# Where the cluster of a copy is, and its postmaster's id.
cluster_of() {
  if [[ -d $1/.postgres/cluster ]]; then
    printf '%s\n' "$1/.postgres/cluster"
  else
    printf '/var/lib/rowcast-%s\n' "$(printf '%s' "$1" | sha256sum | cut -c1-12)"
  fi
}

postmaster_of() { head -n 1 "$(cluster_of "$1")/data/postmaster.pid" 2>/dev/null; }

# As the OS user that a PostgreSQL server of the tests runs as.
as_server_user() {
  if ((EUID == 0)); then
    (cd / && runuser -u postgres -- "$@")
  else
    "$@"
  fi
}

# wait_until WHAT COMMAND…: at most ten seconds.
wait_until() {
  local what=$1 attempt
  shift
  for ((attempt = 0; attempt < 100; attempt++)); do
    if "$@"; then return; fi
    sleep 0.1
  done
  broken "$what within ten seconds"
}

# Ends the servers that the tests started, removes their data, the copies and the workspace.
remove_everything() {
  local copy cluster pid
  while IFS= read -r copy; do
    cluster=$(cluster_of "$copy")
    if pid=$(postmaster_of "$copy") && [[ /proc/$pid/cwd -ef $cluster/data ]]; then end_process "$pid"; fi
    if [[ -f $cluster/socket_directory ]]; then rm -rf "$(<"$cluster/socket_directory")"; fi
    rm -rf "$copy" "$cluster"
  done < <(sort -u "$workspace/copies" 2>/dev/null)
  while IFS= read -r pid; do end_process "$pid"; done < <(cat "$workspace/processes" 2>/dev/null)
  rm -rf "$workspace"
}

# SIGINT is PostgreSQL's fast shutdown.
end_process() {
  kill -INT "$1" 2>/dev/null || return 0
  local attempt
  for ((attempt = 0; attempt < 100; attempt++)); do
    if [[ ! -d /proc/$1 ]]; then return; fi
    sleep 0.1
  done
  kill -KILL "$1" 2>/dev/null || true
}
