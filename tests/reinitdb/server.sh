# shellcheck shell=bash
# The server beside reinitdb.sh: it finds what that made. To be sourced; wants `binary`.

: "${binary:?}"

server_tests=(
  the_server_finds_the_private_cluster
  of_a_stopped_cluster_the_server_says_what_to_run
)

the_server_finds_the_private_cluster() {
  local port server
  reinitdb "$checkout"
  expect_done
  port=$((20000 + RANDOM % 20000))
  server_in_checkout --port "$port" 2>"$workspace/server" &
  server=$!
  printf '%s\n' "$server" >>"$workspace/processes"
  (wait_until "the server to be ready" is_ready "$port") || broken "a ready server, which says: $(<"$workspace/server")"
  kill -TERM "$server"
  wait "$server" || broken "the server to end well: $(<"$workspace/server")"
}

of_a_stopped_cluster_the_server_says_what_to_run() {
  local said code=0
  reinitdb "$checkout"
  expect_done
  reinitdb "$checkout" --stop
  said=$(server_in_checkout --port 0 2>&1) || code=$?
  [[ $code != 0 && $code != 124 ]] || broken "an error of the server, found exit code $code: $said"
  [[ $said == *"reinitdb.sh --start"* ]] || broken "what to run, found: $said"
}

# At most a minute, so that a server which should have ended cannot hold the tests up.
server_in_checkout() {
  cd "$checkout"
  exec env -u DATABASE_URL -u PGHOST -u PGPORT -u PGUSER -u PGDATABASE timeout --foreground 60 "$project/$binary" serve "$@"
}

is_ready() {
  local answer
  { exec 3<>"/dev/tcp/127.0.0.1/$1"; } 2>/dev/null || return 1
  printf 'GET /readyz HTTP/1.1\r\nHost: localhost:%s\r\nConnection: close\r\n\r\n' "$1" >&3
  read -r answer <&3 || answer=''
  exec 3>&-
  [[ $answer == *" 200 "* ]]
}
