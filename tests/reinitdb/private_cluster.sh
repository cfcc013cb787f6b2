# shellcheck shell=bash
# Without DATABASE_URL: the private cluster. To be sourced; `checkout` is a copy that the tests share.

private_cluster_tests=(
  first_run_makes_cluster_and_database
  the_role_is_no_superuser_and_owns_the_database
  what_the_role_creates_is_in_public
  nobody_else_can_reach_the_cluster
  second_run_starts_anew
  any_legal_name_is_taken
  names_of_the_server_itself_are_refused
  what_it_did_not_make_is_dropped_only_by_force
  sessions_on_the_database_are_ended
  a_broken_file_leaves_nothing_half_loaded
  stop_and_start_keep_the_data
  a_killed_cluster_is_started_again
  a_lock_file_with_a_living_process_is_seen_through
  a_vanished_socket_directory_is_made_again
  a_long_checkout_path_gets_a_short_socket
  a_run_cut_off_while_making_the_cluster_is_made_good
  data_of_a_version_not_installed_is_told
  what_cannot_be_installed_is_said
)

first_run_makes_cluster_and_database() {
  reinitdb "$checkout"
  expect_done
  expect_equal "the database" helloworld "$(sql "$url" 'select current_database()')"
  expect_equal "the example's table" testtype "$(sql "$url" "select to_regclass('public.testtype')")"
  expect_equal "the file for the server" "$url" "$(<"$checkout/.postgres/database_url")"
  expect_equal "its mode" 600 "$(stat -c %a "$checkout/.postgres/database_url")"
}

the_role_is_no_superuser_and_owns_the_database() {
  reinitdb "$checkout"
  expect_done
  expect_equal "the role's rights" "rowcast|f|t|t" \
    "$(sql "$url" "select rolname, rolsuper, rolcreatedb, rolcreaterole from pg_roles where rolname = current_user")"
  expect_equal "the owner" rowcast \
    "$(sql "$url" "select pg_get_userbyid(datdba) from pg_database where datname = current_database()")"
}

what_the_role_creates_is_in_public() {
  reinitdb "$checkout"
  expect_done
  expect_equal "the schema" public "$(sql "$url" "create table mine (); select relnamespace::regnamespace from pg_class where relname = 'mine'")"
}

nobody_else_can_reach_the_cluster() {
  local cluster
  reinitdb "$checkout"
  expect_done
  cluster=$(cluster_of "$checkout")
  expect_equal "listen_addresses" '' "$(sql "$url" 'show listen_addresses')"
  expect_equal "the directory's mode" 700 "$(stat -c %a "$cluster")"
  expect_equal "the socket directory's mode" 700 "$(stat -c %a "$cluster/socket")"
  # The superuser is for the cluster's own OS user, which root is not.
  if ((EUID == 0)) && sql "${url/rowcast@/postgres@}" 'select 1' >/dev/null 2>&1; then broken "the superuser to be refused to root"; fi
}

second_run_starts_anew() {
  reinitdb "$checkout"
  expect_done
  sql "$url" "create table public.mine (id integer)"
  reinitdb "$checkout"
  expect_done
  expect_equal "what the first run's database held" '' "$(sql "$url" "select to_regclass('public.mine')")"
}

any_legal_name_is_taken() {
  local name
  for name in 'Hello World' "o'clock" 'quo"ted' '50%' 'größe' 'a/b?c#d&e=f' '-dash' 'back\slash' \
    "$(printf 'x%.0s' {1..63})"; do
    reinitdb "$checkout" -- "$name"
    expect_done
    expect_equal "the database" "$name" "$(sql "$url" 'select current_database()')"
    reinitdb "$checkout" -- "$name"
    expect_done
    sql "$(<"$checkout/.postgres/database_url")" 'select 1' >/dev/null
  done
}

names_of_the_server_itself_are_refused() {
  local name
  for name in postgres template0 template1 '' "$(printf 'x%.0s' {1..64})"; do
    reinitdb "$checkout" --force -- "$name"
    expect_failure 2 --help
  done
}

what_it_did_not_make_is_dropped_only_by_force() {
  reinitdb "$checkout"
  expect_done
  local helloworld=$url
  sql "$helloworld" "drop database if exists foreign_data"
  sql "$helloworld" "create database foreign_data"
  reinitdb "$checkout" foreign_data
  expect_failure 1 "was not made by reinitdb.sh"
  expect_equal "the database that stays" 1 "$(sql "$helloworld" "select count(*) from pg_database where datname = 'foreign_data'")"
  reinitdb "$checkout" --force foreign_data
  expect_done
  reinitdb "$checkout" foreign_data
  expect_done
}

sessions_on_the_database_are_ended() {
  reinitdb "$checkout"
  expect_done
  local session
  sql "$url" "set application_name = 'the_session'; select pg_sleep(120)" >/dev/null 2>&1 &
  session=$!
  wait_until "the session to be seen" session_is_seen
  reinitdb "$checkout"
  expect_done
  ! wait "$session" || broken "the session to have been ended"
}

session_is_seen() {
  [[ $(sql "$url" "select count(*) from pg_stat_activity where application_name = 'the_session'") == 1 ]]
}

a_broken_file_leaves_nothing_half_loaded() {
  printf '%s\n' 'create table public.half (id integer);' 'selec 1;' >"$checkout/sql/example/99_broken.sql"
  reinitdb "$checkout"
  rm "$checkout/sql/example/99_broken.sql"
  expect_failure 1 "could not be loaded"
  [[ $messages == *"99_broken.sql:2"* ]] || broken "the file and line of the error"
  expect_equal "schemas and tables" "|" \
    "$(sql "$(<"$checkout/.postgres/database_url")" "select to_regclass('public.half'), to_regnamespace('rowcast')")"
  reinitdb "$checkout"
  expect_done
}

stop_and_start_keep_the_data() {
  reinitdb "$checkout" kept
  expect_done
  sql "$url" "create table public.mine (id integer)"
  reinitdb "$checkout" --stop
  expect_equal "the exit code of --stop" 0 "$status"
  ! sql "$url" 'select 1' >/dev/null 2>&1 || broken "the cluster to be stopped"
  reinitdb "$checkout" --stop
  expect_equal "the exit code of a second --stop" 0 "$status"
  reinitdb "$checkout" --start
  expect_done
  expect_equal "what the database held" mine "$(sql "$url" "select to_regclass('public.mine')")"
  reinitdb "$checkout" --start
  expect_done
}

a_killed_cluster_is_started_again() {
  reinitdb "$checkout"
  expect_done
  sql "$url" "create table public.mine (id integer)"
  kill -KILL "$(postmaster_of "$checkout")"
  reinitdb "$checkout" --start
  expect_done
  expect_equal "what the database held" mine "$(sql "$url" "select to_regclass('public.mine')")"
}

a_lock_file_with_a_living_process_is_seen_through() {
  local lock_file
  reinitdb "$checkout"
  expect_done
  lock_file=$(cluster_of "$checkout")/data/postmaster.pid
  cp -p "$lock_file" "$workspace/lock_file"
  reinitdb "$checkout" --stop
  # As after a reboot: the number in the file is another process's of the same user now.
  # shellcheck disable=SC2016 # $$ and $1 are the inner shell's
  as_server_user bash -c 'echo $$ >"$1"; exec sleep 120' - "$lock_file" &
  local sleeper=$!
  wait_until "the lock file" test -s "$lock_file"
  local process
  process=$(<"$lock_file")
  tail -n +2 "$workspace/lock_file" >>"$lock_file"
  reinitdb "$checkout" --start
  kill "$process"
  wait "$sleeper" || true
  expect_done
  sql "$url" 'select 1' >/dev/null
}

a_vanished_socket_directory_is_made_again() {
  reinitdb "$checkout"
  expect_done
  rm -rf "$(cluster_of "$checkout")/socket"
  reinitdb "$checkout" --start
  expect_done
  sql "$url" 'select 1' >/dev/null
}

a_long_checkout_path_gets_a_short_socket() {
  local path copy before
  for path in "$(printf 'long%.0s' {1..30})/with space and 'quote\"" 'with, comma'; do
    copy=$(copy_checkout "$workspace/$path")
    reinitdb "$copy"
    expect_done
    [[ $url == *host=/tmp/rowcast.?????????? ]] || broken "a socket directory of its own in /tmp"
    expect_equal "the socket directory's mode" 700 "$(stat -c %a "${url#*host=}")"
    sql "$url" 'select 1' >/dev/null
    before=$url
    reinitdb "$copy"
    expect_done
    expect_equal "the second run's URL" "$before" "$url"
    # As a reboot does.
    rm -rf "${url#*host=}"
    reinitdb "$copy" --start
    expect_done
    [[ $url != "$before" ]] || broken "a new socket directory"
    sql "$url" 'select 1' >/dev/null
    reinitdb "$copy" --stop
  done
}

a_run_cut_off_while_making_the_cluster_is_made_good() {
  local fresh cut
  fresh=$(copy_checkout "$workspace/cut off")
  reinitdb "$fresh" --start
  expect_failure 1 "no private PostgreSQL cluster yet"
  set -m # a process group of its own, to end it whole
  reinitdb "$fresh" &
  cut=$!
  set +m
  wait_until "the cluster to be half made" cluster_is_half_made
  kill -KILL -- "-$cut"
  wait "$cut" || true
  reinitdb "$fresh"
  expect_done
  reinitdb "$fresh" --stop
}

cluster_is_half_made() { compgen -G "$fresh/.postgres/cluster/data*/base/1/*" >/dev/null; }

data_of_a_version_not_installed_is_told() {
  local version_file version
  reinitdb "$checkout"
  expect_done
  reinitdb "$checkout" --stop
  version_file=$(cluster_of "$checkout")/data/PG_VERSION
  version=$(<"$version_file")
  echo 9 >"$version_file"
  reinitdb "$checkout"
  echo "$version" >"$version_file"
  expect_failure 1 "was made by PostgreSQL 9, which is not installed"
}

what_cannot_be_installed_is_said() {
  if ((EUID == 0)); then return; fi # root can install
  local tools=$workspace/tools code=0 said tool
  mkdir "$tools"
  for tool in bash apt-get; do ln -s "$(command -v "$tool" || echo /bin/true)" "$tools/$tool"; done
  # shellcheck disable=SC2016 # $1 is the inner shell's
  said=$(PATH=$tools bash -c 'source "$1"; install_packages "psql is missing" postgresql-client' - "$checkout/scripts/lib.sh" 2>&1) || code=$?
  expect_equal "the exit code" 1 "$code"
  [[ $said == *"psql is missing"*"apt-get install postgresql-client"* ]] || broken "what to install, found: $said"
}
