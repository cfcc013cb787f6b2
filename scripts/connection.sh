# shellcheck shell=bash
# A connection string, taken apart far enough to name another database in it. To be sourced.
# Knows both of libpq's forms: postgresql://… and "host=… dbname=…".

# read_connection STRING: sets what the other functions here use. Fails if it is of neither form.
read_connection() {
  password_read=''
  if [[ $1 =~ ^postgres(ql)?:// ]]; then
    connection_form=url
    read_url "$1"
  elif [[ $1 == *=* ]]; then
    connection_form=keywords
    read_keywords "$1"
  else
    return 1
  fi
}

# connection_to DATABASE [without_password]: the connection string with that database in it.
# Without its password it may stand on a command line, where other users of the machine see it.
connection_to() {
  if [[ $connection_form == url ]]; then
    url_to "$@"
  else
    keywords_to "$@"
  fi
}

# connection_database: the database that the string itself names, or nothing.
connection_database() {
  local index
  if [[ $connection_form == keywords ]]; then
    for index in "${!keywords[@]}"; do
      if [[ ${keywords[index]} == dbname ]]; then printf '%s\n' "${keyword_values[index]}"; fi
    done | tail -n 1
  else
    percent_decode "$url_database"
  fi
}

# connection_password: its password, decoded; nothing if it has none.
connection_password() { printf '%s\n' "$password_read"; }

# percent_encode STRING [KEEP]: everything but unreserved characters and those in KEEP.
percent_encode() {
  local LC_ALL=C string=$1 keep=${2:-} encoded='' character index
  for ((index = 0; index < ${#string}; index++)); do
    character=${string:index:1}
    if [[ $character == [A-Za-z0-9._~-] || ($keep && $keep == *"$character"*) ]]; then
      encoded+=$character
    else
      # A byte above 127 comes out of printf with its sign.
      encoded+=$(printf '%%%02X' "$(($(printf '%d' "'$character") & 255))")
    fi
  done
  printf '%s\n' "$encoded"
}

percent_decode() {
  local escaped=${1//\\/\\\\}
  printf '%b\n' "${escaped//%/\\x}"
}

# --- postgresql://[user[:password]@][host,…][/database][?key=value&…]

read_url() {
  # User and password end at the first @ before any /, as libpq has it: either may hold a "?".
  [[ $1 =~ ^(postgres(ql)?://)(([^@/]*)@)?([^/?]*)(/([^?]*))?(\?(.*))?$ ]]
  url_scheme=${BASH_REMATCH[1]} url_user=${BASH_REMATCH[4]} url_hosts=${BASH_REMATCH[5]}
  url_database=${BASH_REMATCH[7]}
  local parameter given=${BASH_REMATCH[9]}
  if [[ $url_user == *:* ]]; then
    password_read=$(percent_decode "${url_user#*:}")
  fi
  url_parameters=()
  while [[ $given ]]; do
    parameter=${given%%&*}
    given=${given:${#parameter}+1}
    case $parameter in
      dbname=*) url_database=${parameter#*=} ;; # overrides the path in libpq, so it must not stay
      password=*) password_read=$(percent_decode "${parameter#*=}") ;;
    esac
    if [[ $parameter && $parameter != dbname=* ]]; then url_parameters+=("$parameter"); fi
  done
}

url_to() {
  local database=$1 password=${2:-} parameter user=$url_user separator='?'
  if [[ $password == without_password ]]; then user=${user%%:*}; fi
  printf '%s' "$url_scheme" "${user:+$user@}" "$url_hosts" "/$(percent_encode "$database")"
  for parameter in "${url_parameters[@]}"; do
    if [[ $password == without_password && $parameter == password=* ]]; then continue; fi
    printf '%s' "$separator" "$parameter"
    separator='&'
  done
  printf '\n'
}

# --- key = value, or key = 'a value', with \ before a character that means itself

read_keywords() {
  local rest=$1 pair value
  pair="^[[:space:]]*([A-Za-z_]+)[[:space:]]*=[[:space:]]*('(([^'\\\\]|\\\\.)*)'|(([^'\\\\[:space:]]|\\\\.)*))"
  keywords=() keyword_values=()
  while [[ $rest =~ [^[:space:]] ]]; do
    [[ $rest =~ $pair ]] || return 1
    value=${BASH_REMATCH[3]}${BASH_REMATCH[5]}
    keywords+=("${BASH_REMATCH[1]}")
    rest=${rest:${#BASH_REMATCH[0]}}
    keyword_values+=("$(sed -z 's/\\\(.\)/\1/g' <<<"$value")")
    if [[ ${keywords[-1]} == password ]]; then password_read=${keyword_values[-1]}; fi
  done
}

keywords_to() {
  local index
  for index in "${!keywords[@]}"; do
    case ${keywords[index]} in
      dbname) continue ;;
      password) if [[ ${2:-} == without_password ]]; then continue; fi ;;
    esac
    printf '%s=%s ' "${keywords[index]}" "$(quote_keyword_value "${keyword_values[index]}")"
  done
  printf 'dbname=%s\n' "$(quote_keyword_value "$1")"
}

quote_keyword_value() {
  local value=${1//\\/\\\\}
  if [[ $value =~ ^[A-Za-z0-9_./:@%-]+$ ]]; then
    printf '%s\n' "$value"
  else
    printf "'%s'\n" "${value//\'/\\\'}"
  fi
}
