# shellcheck shell=bash
# The private PostgreSQL cluster of this checkout: where it is, making, starting, stopping it.
# To be sourced after lib.sh and connection.sh; wants `checkout`, the checkout's path.
#
#   .postgres/                  in the checkout: what its own user reads
#     database_url              where the server finds its database, one line
#     lock                      held while a script is at work here
#     cluster/                  the cluster's user's, 0700; for root's checkout, where that user
#       data/                   may not enter, it is /var/lib/rowcast-<hash of the checkout's path>
#       socket/                 the only way in: no TCP
#       postgres.log
#
# Who gets in: the directory lets only the cluster's user and root through. The superuser is for
# the cluster's user alone (peer); any other role is open to whoever passed the directory.

readonly cluster_superuser=postgres
checkout=${checkout:?}

# locate_cluster: sets cluster_user, cluster_directory and state_directory; makes nothing.
locate_cluster() {
  state_directory=$checkout/.postgres
  cluster_directory=$state_directory/cluster
  if ((EUID == 0)); then
    # PostgreSQL refuses to run as root; Debian's package brings this user.
    cluster_user=postgres
    id "$cluster_user" >/dev/null 2>&1 ||
      fail "PostgreSQL does not run as root, and there is no OS user '$cluster_user' (Debian's package makes it): run this as an ordinary user."
    if ! as_cluster_user test -x "$checkout"; then
      cluster_directory=/var/lib/rowcast-$(printf '%s' "$checkout" | sha256sum | cut -c1-12)
    fi
  else
    cluster_user=$(id -un 2>/dev/null) ||
      fail "PostgreSQL needs its OS user to have a name, and user id $EUID has none: run this as a user that /etc/passwd knows."
  fi
  data_directory=$cluster_directory/data
}

# Runs a command as the cluster's OS user, without this script's lock: a server that inherited
# it would hold it for as long as it runs.
as_cluster_user() {
  if ((EUID == 0)); then
    runuser -u "$cluster_user" -- "$@" 9>&-
  else
    "$@" 9>&-
  fi
}

# pg_ctl and initdb hand paths to a shell: they must not hold the checkout's, which may have quotes.
in_cluster_directory() {
  # shellcheck disable=SC2016 # $1 is the inner shell's
  as_cluster_user bash -c 'cd "$1" && shift && exec "$@"' - "$cluster_directory" "$@"
}

# One script at a time in one checkout.
lock_cluster() {
  if [[ -L $state_directory ]]; then
    fail "$state_directory is a symbolic link: remove it, then run this again."
  fi
  # 0711: the cluster's user must get through to its own directory.
  if [[ ! -d $state_directory ]]; then mkdir -m 0711 "$state_directory" 2>/dev/null || true; fi
  if ! { [[ -O $state_directory ]] && exec 9>"$state_directory/lock"; }; then
    fail "$state_directory cannot be written by $(id -un): run this as the user whom the checkout belongs to ($(stat -c %U "$checkout"))."
  fi
  if ! flock --nonblock 9; then
    say "waiting for another reinitdb.sh that is at work in this checkout"
    flock --wait 300 9 || fail "it has been at work for five minutes: wait for it or end it, then run this again."
  fi
}

# ensure_cluster: makes the cluster if it is not there, starts it if it does not run. Idempotent.
ensure_cluster() {
  make_cluster_directory
  if [[ ! -e $data_directory ]]; then make_cluster; fi
  start_cluster
}

# start_cluster: starts what has been made, sets socket_directory; does nothing more if it runs.
start_cluster() {
  cluster_programs
  choose_socket_directory
  if cluster_runs; then
    if [[ -S $socket_directory/.s.PGSQL.5432 ]]; then
      say "the private PostgreSQL cluster in $cluster_directory is running"
      return
    fi
    say "the private PostgreSQL cluster runs, but its socket in $socket_directory is gone: restarting it"
    stop_cluster
  fi
  clear_stale_lock_files
  write_settings
  say "starting the private PostgreSQL cluster in $cluster_directory"
  local log=$cluster_directory/postgres.log
  if [[ -f $log && $(stat -c %s "$log") -gt 10000000 ]]; then
    as_cluster_user mv "$log" "$log.1"
  fi
  in_cluster_directory "$programs/pg_ctl" start --silent --wait --timeout=300 --pgdata=data --log=postgres.log >&2 </dev/null ||
    fail_with_log "$log" "PostgreSQL did not start"
}

# stop_cluster: ends its sessions and stops it; nothing to do is no error.
stop_cluster() {
  cluster_programs
  if ! cluster_runs; then
    say "the private PostgreSQL cluster in $cluster_directory is not running"
    return
  fi
  in_cluster_directory "$programs/pg_ctl" stop --silent --wait --timeout=300 --mode=fast --pgdata=data >&2 ||
    fail "PostgreSQL did not stop; $cluster_directory/postgres.log says more."
  say "stopped the private PostgreSQL cluster in $cluster_directory"
}

# --- making

make_cluster_directory() {
  if [[ ! -e $cluster_directory && ! -L $cluster_directory ]]; then
    if ((EUID == 0)); then
      install -d -m 0700 -o "$cluster_user" "$cluster_directory"
    else
      mkdir -m 0700 "$cluster_directory"
    fi || fail "cannot make $cluster_directory; the message above says why."
  fi
  is_private_directory "$cluster_directory" ||
    fail "$cluster_directory is not a directory of OS user '$cluster_user' alone (mode 0700): run this as its owner ($(stat -c %U "$cluster_directory")), or remove it."
}

is_private_directory() {
  # The 2 comes from a parent that hands on its group, and lets nobody in.
  [[ -d $1 && ! -L $1 && $(stat -c '%U %a' "$1") == "$cluster_user "?(2)700 ]]
}

# Made beside its place and moved there when it is whole, so that a run that was cut off leaves
# nothing that looks like a cluster.
make_cluster() {
  local new=$cluster_directory/data.new log=$cluster_directory/initdb.log
  programs=$(postgresql_programs newest) || fail "PostgreSQL's server programs are not to be found: install PostgreSQL 13 or later."
  say "making a private PostgreSQL $(postgresql_major "$programs") cluster in $cluster_directory, as OS user $cluster_user"
  as_cluster_user rm -rf "$new"
  in_cluster_directory "$programs/initdb" --pgdata=data.new --username="$cluster_superuser" --auth=peer \
    --encoding=UTF8 --locale="$(utf8_locale)" --data-checksums 2>&1 </dev/null | as_cluster_user tee "$log" >/dev/null ||
    fail_with_log "$log" "PostgreSQL's initdb failed"
  as_cluster_user tee "$new/pg_hba.conf" >/dev/null <<-HBA
	local all $cluster_superuser peer map=superuser
	local all all trust
	HBA
  as_cluster_user tee "$new/pg_ident.conf" >/dev/null <<-IDENT
	superuser "$cluster_user" $cluster_superuser
	IDENT
  printf '%s\n' "include 'rowcast.conf'" | as_cluster_user tee -a "$new/postgresql.conf" >/dev/null
  as_cluster_user mv "$new" "$data_directory"
}

# Sorting by code point and UTF-8 letters, where the C library has it; else bytes alone.
utf8_locale() {
  locale -a 2>/dev/null | grep -i -m 1 -x -E 'C\.utf-?8' || printf 'C\n'
}

# The role of the printed URL: it owns the databases, and is no superuser. PostgreSQL's own search
# path would put what it creates into the schema of its name, which is rowcast's.
ensure_role() {
  local role=$1
  as_cluster_user "$programs/psql" -X -q -w -v ON_ERROR_STOP=1 -v role="$role" \
    -d "dbname=postgres user=$cluster_superuser host=$(quote_keyword_value "$socket_directory")" >/dev/null <<-'SQL' ||
	select format('create role %I', :'role') where not exists (select from pg_roles where rolname = :'role') \gexec
	alter role :"role" login createdb createrole nosuperuser;
	alter role :"role" set search_path = public;
	SQL
    fail "the role '$role' could not be made in the private cluster; the message above says why."
}

# --- starting

# Sets `programs` to those of the version that made the data.
cluster_programs() {
  local major
  major=$(as_cluster_user cat "$data_directory/PG_VERSION" 2>/dev/null) ||
    fail "$data_directory holds no PostgreSQL cluster: move it away, then run ./reinitdb.sh."
  programs=$(postgresql_programs "$major") ||
    fail "$data_directory was made by PostgreSQL $major, which is not installed: install postgresql-$major, or move $cluster_directory away and run ./reinitdb.sh for a new one."
}

# A process id alone proves nothing: after a reboot another process may have the number.
# PostgreSQL's own works in its data directory.
cluster_runs() {
  local pid
  pid=$(as_cluster_user head -n 1 "$data_directory/postmaster.pid" 2>/dev/null) || return 1
  [[ $pid =~ ^[0-9]+$ ]] && as_cluster_user test "/proc/$pid/cwd" -ef "$data_directory"
}

# PostgreSQL clears the lock files of a killed server, unless a living process (or one that nobody
# has reaped) has its number now; then it refuses to start. What outlived a killed postmaster must
# be gone first.
clear_stale_lock_files() {
  local attempt
  for ((attempt = 0; attempt < 100; attempt++)); do
    if ! processes_in_data_directory; then
      as_cluster_user rm -f "$data_directory/postmaster.pid" "$socket_directory"/.s.PGSQL.5432{,.lock}
      return
    fi
    sleep 0.1
  done
  fail "processes of a PostgreSQL that was killed are still at work in $data_directory: end them, then run this again."
}

processes_in_data_directory() {
  # shellcheck disable=SC2016 # $1 is the inner shell's
  as_cluster_user bash -c 'for process in /proc/[0-9]*; do [[ $process/cwd -ef $1 ]] && exit 0; done; exit 1' - "$data_directory" 2>/dev/null
}

# A socket's path has at most 107 bytes, and a comma in it would separate two hosts. Where the
# checkout's path does not fit, a directory of a name that nobody can foresee; a reboot may take it.
choose_socket_directory() {
  local record=$cluster_directory/socket_directory socket_file=/.s.PGSQL.5432
  socket_directory=$cluster_directory/socket
  if ((${#socket_directory} + ${#socket_file} <= 107)) && [[ $socket_directory != *,* ]]; then
    if [[ ! -e $socket_directory ]]; then as_cluster_user mkdir -m 0700 "$socket_directory"; fi
  else
    socket_directory=$(as_cluster_user cat "$record" 2>/dev/null) || socket_directory=''
    if ! is_private_directory "$socket_directory" 2>/dev/null; then
      socket_directory=$(as_cluster_user mktemp -d /tmp/rowcast.XXXXXXXXXX) || fail "cannot make a directory for PostgreSQL's socket under /tmp."
      as_cluster_user tee "$record" >/dev/null <<<"$socket_directory"
    fi
  fi
  is_private_directory "$socket_directory" ||
    fail "$socket_directory is not a directory of OS user '$cluster_user' alone (mode 0700): remove it, then run this again."
}

write_settings() {
  # Within the setting's quotes the list has quotes of its own.
  local quoted=${socket_directory//\\/\\\\}
  quoted=${quoted//\"/\"\"}
  as_cluster_user tee "$data_directory/rowcast.conf" >/dev/null <<-CONF
	# Written by reinitdb.sh at each start; settings of your own belong in postgresql.conf, below the include.
	listen_addresses = ''
	port = 5432
	unix_socket_directories = '"${quoted//\'/\'\'}"'
	unix_socket_permissions = 0700
	cluster_name = 'rowcast'
	CONF
}

# fail_with_log LOG WHAT: shows the log's end and says what to do.
fail_with_log() {
  local end
  end=$(as_cluster_user tail -n 15 "$1" 2>/dev/null) || end=''
  printf '%s\n' "$end" >&2
  if [[ $end == *"No space left on device"* || $end == *"Disk quota exceeded"* ]]; then
    fail "$2: the disk of $cluster_directory is full. Free some space, then run this again."
  fi
  fail "$2. The end of its log ($1) stands above; put that right, then run this again."
}
