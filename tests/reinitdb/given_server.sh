# shellcheck shell=bash
# With DATABASE_URL or PG* variables: a server that is there already. To be sourced; `checkout` is a
# copy whose private cluster serves as such a server, by its socket; another listens on loopback.

given_server_tests=(
  connection_strings_name_another_database
  the_url_may_name_the_very_database
  a_socket_is_found_in_every_form
  a_password_is_used_kept_and_not_shown
  variables_name_the_server
  another_roles_database_is_left_alone
  an_unreachable_server_is_told
)

readonly strange_password='p@s:s/w?r%d '\''"\&='
readonly strange_password_encoded='p%40s%3As%2Fw%3Fr%25d%20%27%22%5C%26%3D'

# use SERVER…: runs reinitdb with these variables.
use() { with=("$@"); }

# string|database|the string with that database|and without its password
connection_strings_name_another_database() {
  local string name expected hidden
  while IFS='|' read -r string name expected hidden; do
    expect_equal "$string with $name" "$expected" "$(connection_string "$string" "$name")"
    expect_equal "$string without its password" "${hidden:-$expected}" "$(connection_string "$string" "$name" without_password)"
  done <<'STRINGS'
postgresql://|new|postgresql:///new
postgres://localhost|new|postgres://localhost/new
postgresql:///old|new|postgresql:///new
postgresql://u:p@h:5433/old?sslmode=require|new|postgresql://u:p@h:5433/new?sslmode=require|postgresql://u@h:5433/new?sslmode=require
postgresql://u:p%3F?x@h/old|new|postgresql://u:p%3F?x@h/new|postgresql://u@h/new
postgresql://h1:1,h2:2/old?target_session_attrs=read-write|new|postgresql://h1:1,h2:2/new?target_session_attrs=read-write
postgresql://u@%2Frun%2Fpostgresql/old|a/b c|postgresql://u@%2Frun%2Fpostgresql/a%2Fb%20c
postgresql://u@[::1]:5433/old|new|postgresql://u@[::1]:5433/new
postgresql:///?host=/run/x&dbname=old&user=u|new|postgresql:///new?host=/run/x&user=u
postgresql://h?password=s%20t&user=u|größe|postgresql://h/gr%C3%B6%C3%9Fe?password=s%20t&user=u|postgresql://h/gr%C3%B6%C3%9Fe?user=u
host=/run/x dbname=old user=u|new|host=/run/x user=u dbname=new
 host = 'a b' password='it\'s' dbname = 'old'|o'clock|host='a b' password='it\'s' dbname='o\'clock'|host='a b' dbname='o\'clock'
dbname=old password=a\ b\\c port=1|new|password='a b\\c' port=1 dbname=new|port=1 dbname=new
host=h password='' dbname=old|back\slash|host=h password='' dbname='back\\slash'|host=h dbname='back\\slash'
STRINGS
}

connection_string() (
  # shellcheck source=scripts/connection.sh
  source "$checkout/scripts/connection.sh"
  read_connection "$1"
  shift
  connection_to "$@"
)

the_url_may_name_the_very_database() {
  local named
  private_url
  for named in helloworld postgres template1 not_there; do
    use DATABASE_URL="postgresql://rowcast@/$named?host=$socket"
    reinitdb "$checkout"
    expect_done
    expect_equal "the URL" "postgresql://rowcast@/helloworld?host=$socket" "$url"
  done
}

a_socket_is_found_in_every_form() {
  local string
  private_url
  for string in "postgres://rowcast@${socket//\//%2F}/x" "postgresql:///?user=rowcast&host=$socket" \
    "host=$socket user=rowcast" "user = 'rowcast' host='$socket' dbname=x"; do
    use DATABASE_URL="$string"
    reinitdb "$checkout" 'by any form'
    expect_done
    expect_equal "the database" "by any form" "$(sql "$url" 'select current_database()')"
  done
}

a_password_is_used_kept_and_not_shown() {
  local string quoted=${strange_password//\\/\\\\}
  tcp_server
  for string in "postgresql://stranger:$strange_password_encoded@127.0.0.1:$port/x" \
    "postgresql://127.0.0.1:$port?user=stranger&password=$strange_password_encoded" \
    "host=127.0.0.1 port=$port user=stranger password='${quoted//\'/\\\'}'"; do
    use DATABASE_URL="$string"
    # What other users see of psql is its command line; a file that is loaded shows it.
    # shellcheck disable=SC2016
    printf '%s\n' '\! tr "\\0" " " </proc/$PPID/cmdline >&2' >"$checkout/sql/example/98_show.sql"
    reinitdb "$checkout" strangers
    rm "$checkout/sql/example/98_show.sql"
    expect_done
    [[ $messages == *" -d "* && $messages != *'w?r'* && $messages != *w%3Fr* ]] || broken "the command line without the password"
    expect_equal "the role" stranger "$(sql "$url" 'select current_user')"
  done
  use DATABASE_URL="postgresql://stranger:wrong@127.0.0.1:$port/x"
  reinitdb "$checkout" strangers
  expect_failure 1 "no database of this server could be connected to"
}

variables_name_the_server() {
  private_url
  use PGHOST="$socket" PGUSER=rowcast
  reinitdb "$checkout" 'by variables'
  expect_done
  expect_equal "the database" "by variables" "$(sql "$url" 'select current_database()')"
  tcp_server
  use PGHOST=127.0.0.1 PGPORT="$port" PGUSER=stranger PGPASSWORD="$strange_password" PGDATABASE=x
  reinitdb "$checkout" strangers
  expect_done
  expect_equal "the database and role" "strangers|stranger" "$(sql "$url" 'select current_database(), current_user')"
  printf '%s\n' '[there]' "host=$socket" user=rowcast dbname=nowhere >"$workspace/services"
  use PGSERVICE=there PGSERVICEFILE="$workspace/services"
  reinitdb "$checkout" 'by service'
  expect_done
  expect_equal "the database" "by service" "$(sql "$url" 'select current_database()')"
}

another_roles_database_is_left_alone() {
  local guarded
  tcp_server
  use DATABASE_URL="postgresql://neighbour:$strange_password_encoded@127.0.0.1:$port/x"
  reinitdb "$checkout" guarded
  expect_done
  guarded=$url
  use DATABASE_URL="postgresql://stranger:$strange_password_encoded@127.0.0.1:$port/x"
  reinitdb "$checkout" guarded
  expect_failure 1 "as another role"
  reinitdb "$checkout" --force guarded
  expect_failure 1 "could not be dropped"
  sql "$guarded" 'select 1' >/dev/null
}

an_unreachable_server_is_told() {
  use DATABASE_URL="postgresql:///x?host=$workspace/nowhere"
  reinitdb "$checkout"
  expect_failure 1 "no database of this server could be connected to"
  use DATABASE_URL=helloworld
  reinitdb "$checkout"
  expect_failure 1 "DATABASE_URL is neither"
}

# Sets url and socket.
private_url() {
  use
  reinitdb "$checkout"
  expect_done
  socket=${url#*host=}
}

# Starts a server on loopback, with two roles that have a password. Sets port; once is enough.
tcp_server() {
  local data=$workspace/tcp/data programs attempt role
  port=$(cat "$workspace/tcp/port" 2>/dev/null) && return
  programs=$(postgresql_programs newest)
  mkdir -m 0700 "$workspace/tcp"
  if ((EUID == 0)); then chown postgres "$workspace/tcp"; fi
  as_server_user "$programs/initdb" -D "$data" -U postgres -A trust --no-sync >/dev/null
  printf '%s\n' 'local all all trust' 'host all all 127.0.0.1/32 scram-sha-256' | as_server_user tee "$data/pg_hba.conf" >/dev/null
  for ((attempt = 0; attempt < 10; attempt++)); do
    port=$((20000 + RANDOM % 20000))
    if as_server_user "$programs/pg_ctl" start -s -w -D "$data" -l "$workspace/tcp/log" \
      -o "-c listen_addresses=127.0.0.1 -c port=$port -c unix_socket_directories=$workspace/tcp -c fsync=off"; then break; fi
  done
  head -n 1 "$data/postmaster.pid" >>"$workspace/processes"
  for role in stranger neighbour; do
    "$psql" -X -q -v password="$strange_password" -d "postgresql://postgres@/postgres?host=$workspace/tcp&port=$port" \
      <<<"create role $role login createdb password :'password'"
  done
  printf '%s\n' "$port" >"$workspace/tcp/port"
}
