# SPDX-License-Identifier: Apache-2.0
# bash completion for quantoscope-cli. Commands, flags and ids are asked from the program, so they are never stale.

_quantoscope_cli() {
    local program=$1 current=$2 previous=$3 command="" word
    COMPREPLY=()
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        [[ $word != -* ]] && { command=$word; break; }
    done

    if [[ -z $command ]]; then
        word=$("$program" --help 2>/dev/null | sed -n '/^Subcommands:/,/^$/s/^  \([a-z]\{1,\}\) .*/\1/p')
        mapfile -t COMPREPLY < <(compgen -W "$word --help --version" -- "$current")
        return
    fi

    case $previous in
    --method | --codec | --transform | --format | -f)
        case $previous in
        --method) word=methods ;;
        --codec) word=codecs ;;
        --transform) word=transforms ;;
        *) word=exporters ;;
        esac
        word=$("$program" list $word 2>/dev/null | sed -n '3,$s/^\([^ ]*\) .*/\1/p')
        mapfile -t COMPREPLY < <(compgen -W "$word" -- "$current")
        return
        ;;
    --precision)
        mapfile -t COMPREPLY < <(compgen -W "f32 bf16" -- "$current")
        return
        ;;
    --device)
        mapfile -t COMPREPLY < <(compgen -W "auto cpu" -- "$current")
        return
        ;;
    esac

    if [[ $current == -* ]]; then
        word=$("$program" "$command" --help 2>/dev/null | awk '/^  -/ { gsub(",", "\n", $1); print $1 }' | grep '^--')
        mapfile -t COMPREPLY < <(compgen -W "$word" -- "$current")
    elif [[ $command == list ]]; then
        mapfile -t COMPREPLY < <(compgen -W "methods transforms codecs architectures readers exporters" -- "$current")
    else
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
    fi
}
complete -F _quantoscope_cli quantoscope-cli
