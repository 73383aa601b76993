"""The scripts that shells load to complete fastdl's command lines. Each asks fastdl itself and shows the answer.

The answer's first line says whether names of files fit (files, folders, none); each further one is a word, a tab and
its meaning.
"""

from __future__ import annotations

BASH = r"""# completion of fastdl for bash (3.2 and newer)
_fastdl_complete() {
  local IFS=$'\n' word="" cut="" kind="" row="" line="${COMP_LINE:0:COMP_POINT}"
  [ -n "$line" ] || line="${COMP_WORDS[*]:0:COMP_CWORD+1}" # who calls it by hand may give the words alone
  COMPREPLY=()
  # bash parts words at = and :, and replaces only what stands behind the last of them
  local whole="${line##*[[:space:]]}"
  case "$COMP_WORDBREAKS" in *=*) case "$whole" in *=*) cut="${whole%"${whole##*=}"}" ;; esac ;; esac
  case "$COMP_WORDBREAKS" in *:*) case "$whole" in *:*) cut="${whole%"${whole##*:}"}" ;; esac ;; esac
  while read -r row; do
    if [ -z "$kind" ]; then
      kind="$row"
      continue
    fi
    row="${row%%$'\t'*}"
    COMPREPLY[${#COMPREPLY[@]}]="${row#"$cut"}"
  done < <(_FASTDL_COMPLETE= _FASTDL_LINE="$line" "${1:-fastdl}" 2>/dev/null | tr -d '\r')
  word="${whole#"$cut"}"
  if [ "$kind" = folders ]; then
    compopt -o filenames 2>/dev/null
    while read -r row; do COMPREPLY[${#COMPREPLY[@]}]="$row"; done < <(compgen -d -- "$word")
  elif [ "$kind" != files ]; then
    compopt +o default 2>/dev/null # names of files would be wrong here
  fi
  if [ ${#COMPREPLY[@]} -eq 1 ]; then
    case "${COMPREPLY[0]}" in *: | *=) compopt -o nospace 2>/dev/null ;; esac
  fi
}
complete -o default -F _fastdl_complete fastdl
"""

ZSH = r"""#compdef fastdl
# completion of fastdl for zsh
_fastdl() {
  local -a rows found
  local row kind
  rows=("${(@f)$(_FASTDL_COMPLETE="${(Q)PREFIX}" "${(Q)words[1]}" "${(@Q)words[2,CURRENT-1]}" 2>/dev/null)}")
  kind="${rows[1]}"
  for row in "${(@)rows[2,-1]}"; do
    found+=("${${row%%$'\t'*}//:/\\:}:${row#*$'\t'}")
  done
  # what ends with a colon goes on: no blank behind it
  if [[ ${#found} -eq 1 && ${found[1]} == *\\:: ]]; then
    _describe fastdl found -S ''
  elif (( ${#found} )); then
    _describe fastdl found
  fi
  [[ "$PREFIX" == --*=* ]] && compset -P '*='
  case "$kind" in
    files) _files ;;
    folders) _files -/ ;;
  esac
}
if [[ "${funcstack[1]}" = _fastdl ]]; then
  _fastdl "$@"
else
  (( ${+functions[compdef]} )) || { autoload -Uz compinit && compinit; }
  compdef _fastdl fastdl
fi
"""

FISH = r"""# completion of fastdl for fish
function __fastdl_complete
    set -l before (commandline -opc)
    set -l current (commandline -ct)
    set -l rows (env _FASTDL_COMPLETE="$current" $before 2>/dev/null)
    test (count $rows) -gt 0; or return
    for row in $rows[2..-1]
        echo -- $row
    end
    set -l part (string replace -r -- '^--[^=]*=' '' $current)
    set -l head (string sub -l (math (string length -- "$current") - (string length -- "$part")) -- "$current")
    switch $rows[1]
        case files
            for name in (__fish_complete_path $part)
                echo -- $head$name
            end
        case folders
            for name in (__fish_complete_directories $part '')
                echo -- $head$name
            end
    end
end
complete -c fastdl -f -a '(__fastdl_complete)'
"""

POWERSHELL = r"""# completion of fastdl for PowerShell
Register-ArgumentCompleter -Native -CommandName fastdl, fastdl.exe -ScriptBlock {
    param($word, $ast, $cursor)
    $before = @($ast.CommandElements | Where-Object { $_.Extent.EndOffset -lt $cursor } | ForEach-Object {
            if ($_ -is [System.Management.Automation.Language.StringConstantExpressionAst]) { $_.Value } else { "$_" }
        })
    if ($before.Count -eq 0) { return }
    $program = $before[0]
    $given = @($before | Select-Object -Skip 1)
    $env:_FASTDL_COMPLETE = if ($word) { $word } else { ' ' }
    try { $rows = @(& $program @given 2>$null) } finally { Remove-Item Env:_FASTDL_COMPLETE }
    foreach ($row in ($rows | Select-Object -Skip 1)) {
        $name, $text = $row -split "`t", 2
        if (-not $text) { $text = $name }
        [System.Management.Automation.CompletionResult]::new($name, $name, 'ParameterValue', $text)
    }
}
"""

SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH, "powershell": POWERSHELL}
"""By shell. PowerShell completes names of files itself where a script gives nothing; it cannot hold an empty
environment variable, so a blank stands for no word."""
