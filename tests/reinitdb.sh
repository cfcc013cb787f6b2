#!/usr/bin/env bash
# Tests of reinitdb.sh, each a promise: against real PostgreSQL servers, in copies of this checkout.
# As root all of them run twice, the second time as an ordinary user made for it.
#
#   tests/reinitdb.sh [TEST…]     all tests, or those named
set -euo pipefail

export LC_ALL=C
cd "$(dirname -- "${BASH_SOURCE[0]}")/.."
project=$PWD
binary=target/debug/rowcast # `cargo build` makes it
# /tmp, so that the ordinary user and PostgreSQL's may enter, and sockets have short paths.
workspace=$(mktemp -d /tmp/rowcast-tests.XXXXXX)
chmod 0755 "$workspace"
# shellcheck source=scripts/lib.sh
source scripts/lib.sh
# shellcheck source=tests/reinitdb/support.sh
source tests/reinitdb/support.sh
# shellcheck source=tests/reinitdb/private_cluster.sh
source tests/reinitdb/private_cluster.sh
# shellcheck source=tests/reinitdb/given_server.sh
source tests/reinitdb/given_server.sh
# shellcheck source=tests/reinitdb/server.sh
source tests/reinitdb/server.sh
# shellcheck source=tests/reinitdb/root.sh
source tests/reinitdb/root.sh

passed=0 failed=0 temporary_user=''
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

main() {
  local selected=("$@")
  if ((EUID == 0)); then make_ordinary_user; fi
  if ((${#selected[@]} == 0)); then
    selected=("${private_cluster_tests[@]}" "${given_server_tests[@]}" "${server_tests[@]}")
    if ((EUID == 0)); then selected+=("${root_tests[@]}"); fi
  fi
  psql=$(find_psql) || fail "psql is missing: tests/run installs what the tests need."
  checkout=$(copy_checkout "$workspace/checkout")
  say "as $(id -un):"
  for name in "${selected[@]}"; do
    declare -F "$name" >/dev/null || fail "there is no test '$name'."
    run_test "$name"
  done
  if ((EUID == 0)); then run_as_ordinary_user "$@"; fi
  printf '%s passed, %s failed\n' "$passed" "$failed"
  if ((failed > 0)); then exit 1; fi
}

run_test() {
  local began=$EPOCHREALTIME code=0
  # A subshell of its own, so that a test's failed command ends that test (not so under `if`).
  set +e
  (
    set -e
    "$1"
  ) >"$workspace/log" 2>&1
  code=$?
  set -e
  if ((code == 0)); then
    passed=$((passed + 1))
    printf 'ok      %s (%s ms)\n' "$1" "$(((${EPOCHREALTIME/./} - ${began/./}) / 1000))"
  else
    failed=$((failed + 1))
    printf 'FAILED  %s\n' "$1"
    sed 's/^/        /' "$workspace/log"
  fi
}

make_ordinary_user() {
  temporary_user=rowcast-test-$$
  useradd --system --no-create-home --home-dir "$workspace/home" --shell /usr/sbin/nologin "$temporary_user"
}

# In a copy of the project that belongs to that user.
run_as_ordinary_user() {
  local home=$workspace/home summary
  mkdir "$home"
  cp -R reinitdb.sh scripts sql "$home/"
  mkdir "$home/tests"
  cp -R tests/reinitdb tests/reinitdb.sh "$home/tests/"
  if [[ -x $binary ]]; then install -D "$binary" "$home/$binary"; fi
  chown -R "$temporary_user" "$home"
  runuser -u "$temporary_user" -- env HOME="$home" bash "$home/tests/reinitdb.sh" "$@" | tee "$workspace/ordinary" || true
  summary=$(tail -n 1 "$workspace/ordinary")
  if [[ $summary =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
    passed=$((passed + BASH_REMATCH[1])) failed=$((failed + BASH_REMATCH[2]))
  else
    failed=$((failed + 1))
  fi
}

clean_up() {
  set +e # the rest is cleaned up even where one thing fails
  remove_everything
  if [[ $temporary_user ]]; then userdel "$temporary_user"; fi
}

main "$@"
