# shellcheck shell=bash
# What reinitdb.sh and tests/run share: saying what is done, installing packages,
# finding PostgreSQL's programs. To be sourced; defines functions and one name.

program=${0##*/}

# Tells the person, on stderr, so that stdout stays free for a script's result.
say() { printf '%s: %s\n' "$program" "$*" >&2; }

# Ends the script with one plain sentence.
fail() {
  say "$*"
  exit 1
}

# Gives a sentence even to a failure that nobody foresaw; `set -e` alone ends in silence.
explain_unexpected_errors() {
  set -E
  trap 'say "stopped: this failed unexpectedly: $BASH_COMMAND (${BASH_SOURCE[0]##*/}, line $LINENO)"' ERR
}

have() { command -v "$1" >/dev/null 2>&1; }

# Whether as_root can work: root already, sudo without a password, or a terminal to type one at.
can_become_root() {
  ((EUID == 0)) && return
  have sudo || return
  sudo -n true 2>/dev/null || { : </dev/tty; } 2>/dev/null
}

as_root() {
  if ((EUID == 0)); then
    "$@"
  else
    sudo -- "$@"
  fi
}

# install_packages PURPOSE PACKAGE…: by apt-get, or ends with a sentence saying what to install.
install_packages() {
  local purpose=$1
  shift
  have apt-get ||
    fail "$purpose: install $* with this machine's package manager (there is no apt-get here), then run this again."
  can_become_root ||
    fail "$purpose: ask an administrator to run 'apt-get install $*' (you are not root, and sudo is not to be had), then run this again."
  say "$purpose: installing $* by apt-get$( ((EUID == 0)) || printf ' with sudo')"
  apt_get update || say "apt-get update failed; going on with the package lists that are there"
  apt_get install --yes --no-install-recommends "$@" ||
    fail "apt-get could not install $*; its own message stands above. Put that right, or install them by hand, then run this again."
}

apt_get() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 "$@" </dev/null >&2
}

# PostgreSQL's server, without the cluster "main" that Debian's package would make and start:
# nobody asked for it, and it would hold port 5432.
install_postgresql() {
  local no_main=/etc/postgresql-common/createcluster.d/rowcast.conf outcome=0
  if can_become_root && have apt-get; then
    say "PostgreSQL is missing: telling Debian's package to make no cluster of its own ($no_main)"
    as_root install -D -m 0644 /dev/stdin "$no_main" <<<"create_main_cluster = false"
  fi
  (install_packages "PostgreSQL is missing" postgresql) || outcome=$?
  if [[ -e $no_main ]]; then
    as_root rm -f "$no_main"
  fi
  if ((outcome != 0)); then exit "$outcome"; fi # the sentence has been said
}

# postgresql_programs newest|MAJOR: prints the directory of the newest PostgreSQL server's programs,
# or of that major version's. Fails when there is none.
postgresql_programs() {
  local wanted=$1 directory directories
  mapfile -t directories < <(
    printf '%s\n' /usr/lib/postgresql/*/bin | sort --version-sort --reverse
    if have pg_config; then pg_config --bindir 2>/dev/null || true; fi
    if have postgres; then dirname "$(readlink -f "$(command -v postgres)")"; fi
  )
  for directory in "${directories[@]}"; do
    if [[ -x $directory/postgres && -x $directory/initdb && -x $directory/pg_ctl && -x $directory/psql ]] &&
      [[ $wanted == newest || $(postgresql_major "$directory") == "$wanted" ]]; then
      printf '%s\n' "$directory"
      return
    fi
  done
  return 1
}

# postgresql_major DIRECTORY: the major version of the server whose programs are there.
postgresql_major() {
  local version
  version=$("$1/postgres" --version)
  [[ $version =~ \)\ ([0-9]+) ]] && printf '%s\n' "${BASH_REMATCH[1]}"
}

# Prints where psql is: PostgreSQL's own, rather than the distribution's wrapper around it.
find_psql() {
  local newest
  newest=$(printf '%s\n' /usr/lib/postgresql/*/bin/psql | sort --version-sort | tail -n 1)
  if [[ -x $newest ]]; then
    printf '%s\n' "$newest"
  else
    command -v psql
  fi
}
