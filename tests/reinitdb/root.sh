# shellcheck shell=bash
# What only root meets. To be sourced; `temporary_user` is an ordinary user made for the tests.

root_tests=(
  where_postgres_may_not_enter_the_data_is_under_var_lib
  in_somebodys_checkout_root_goes_on_as_its_owner
)

where_postgres_may_not_enter_the_data_is_under_var_lib() {
  local closed
  mkdir -m 0700 "$workspace/closed"
  closed=$(copy_checkout "$workspace/closed/checkout")
  reinitdb "$closed"
  expect_done
  [[ $url == *host=/var/lib/rowcast-*/socket ]] || broken "a socket under /var/lib"
  [[ ! -e $closed/.postgres/cluster ]] || broken "no data in the checkout"
  sql "$url" 'select 1' >/dev/null
  reinitdb "$closed" --stop
  expect_equal "the exit code of --stop" 0 "$status"
}

in_somebodys_checkout_root_goes_on_as_its_owner() {
  local theirs
  theirs=$(copy_checkout "$workspace/theirs")
  chown -R "$temporary_user" "$theirs"
  reinitdb "$theirs"
  expect_done
  expect_equal "the owner of the URL's file" "$temporary_user" "$(stat -c %U "$theirs/.postgres/database_url")"
  (cd / && runuser -u "$temporary_user" -- "$psql" -X -q -d "$url" -c 'create table public.mine (id integer)')
  reinitdb "$theirs" --stop
  expect_equal "the exit code of --stop" 0 "$status"
}
