# qmail-vrfy.bash - completes qmail-vrfy's options, and files where it takes one.
#
# To be put into /usr/share/bash-completion/completions as "qmail-vrfy", or read with
# "source". The options are those that "qmail-vrfy --help" lists.

_qmail_vrfy() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} options
  COMPREPLY=()
  if [[ $before == -f || $before == -[jnv]*f || $word != -* && $before == cdb ]]; then
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "$word")
  elif [[ $word == -* ]]; then
    options=$("$1" --help 2>/dev/null | sed -n 's/^  \(-[^ =[]*=\{0,1\}\).*/\1/p')
    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
    [[ ${COMPREPLY[0]} != *= ]] || compopt -o nospace 2>/dev/null
  fi
}
complete -F _qmail_vrfy qmail-vrfy
