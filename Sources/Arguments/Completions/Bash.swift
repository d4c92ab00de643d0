extension CompletionScript {
    /// The script for bash 4 and later, without a completion package.
    var bash: String {
        """
        # Completions of \(program) for bash: source this, or save it as
        # ~/.local/share/bash-completion/completions/\(program).

        # What the command may be followed by.
        \(prefix)_command() {
            subcommands= once= repeated= valued=
            case $command in
        \(root.all.map(bashCommand).joined(separator: "\n"))
            esac
        }

        # The values of an option, or of the argument at a place.
        \(prefix)_values() {
            case "$command $1" in
        \(root.all.flatMap(bashValues).joined(separator: "\n"))
            esac
        }

        \(prefix)_words() { COMPREPLY+=($(compgen -W "$1" -- "$current")); }

        # Folders, and files with one of the endings; all files where there are none.
        \(prefix)_files() {
            local name ending
            compopt -o filenames 2>/dev/null
            while IFS= read -r name; do
                if [[ $# -eq 0 || -d ${name/#\\~/$HOME} ]]; then
                    COMPREPLY+=("$name")
                    continue
                fi
                for ending; do
                    [[ $name == *".$ending" ]] && COMPREPLY+=("$name")
                done
            done < <(compgen -f -- "$current")
        }

        \(prefix)_folders() {
            local name
            compopt -o filenames 2>/dev/null
            while IFS= read -r name; do COMPREPLY+=("$name"); done < <(compgen -d -- "$current")
        }

        \(prefix)() {
            local command=\(program) subcommands once repeated valued
            local current option= word used=' ' names=
            local -i index place=1 ended=0
            local -a words=()
            COMPREPLY=()
            # bash splits words at = and at colons.
            for ((index = 1; index <= COMP_CWORD; index++)); do
                word=${COMP_WORDS[index]}
                if [[ ${#words[@]} -gt 0 && ($word == [=:]* || ${words[-1]} == *[=:]) && $word != -* && ${words[-1]} != : ]]; then
                    words[-1]+=$word
                else
                    words+=("$word")
                fi
            done
            current=${words[-1]}
            unset 'words[-1]'
            \(prefix)_command
            for word in "${words[@]}"; do
                if [[ -n $option ]]; then
                    option=
                elif [[ $ended -eq 0 && $word == -- ]]; then
                    ended=1
                elif [[ $ended -eq 0 && $word == -?* ]]; then
                    used+="${word%%=*} "
                    if [[ $word == \(BuiltIn.manPage.names[0]) ]]; then
                        names=1
                    elif [[ " $valued " == *" $word "* ]]; then
                        option=$word
                    fi
                elif [[ " $subcommands " == *" $word "* ]]; then
                    if [[ $word == \(BuiltIn.helpCommand) ]]; then
                        names=1
                    else
                        command+=" $word"
                    fi
                    \(prefix)_command
                else
                    place+=1
                fi
            done
            if [[ -n $option ]]; then
                \(prefix)_values "$option"
            elif [[ $ended -eq 0 && -z $names && $current == --*=* ]]; then
                option=${current%%=*} current=${current#*=}
                \(prefix)_values "$option"
                [[ $COMP_WORDBREAKS == *=* ]] || COMPREPLY=("${COMPREPLY[@]/#/$option=}")
            elif [[ $ended -eq 0 && -z $names && $current == -* ]]; then
                for word in $once; do
                    [[ $used == *" $word "* ]] || repeated+=" $word"
                done
                \(prefix)_words "$repeated"
            elif [[ -n $subcommands ]]; then
                [[ -n $names ]] && subcommands=${subcommands/%\\ \(BuiltIn.helpCommand)/}
                \(prefix)_words "$subcommands"
            elif [[ -z $names ]]; then
                \(prefix)_values "$place"
            fi
        }

        complete -F \(prefix) \(program)

        """
    }

    private func bashCommand(_ command: CommandSpec) -> String {
        let options = command.arguments.filter { !$0.isPositional }
        func names(_ belongs: (ArgumentSpec) -> Bool) -> String {
            options.filter(belongs).flatMap(\.names).joined(separator: " ")
        }
        var lines = ["    \(Self.quoted(command.name)))"]
        let subcommands = subcommands(of: command).map(\.name).joined(separator: " ")
        for (name, words) in [
            ("subcommands", subcommands), ("once", names { !$0.isRepeated || $0 == BuiltIn.manPage }),
            ("repeated", names { $0.isRepeated && $0 != BuiltIn.manPage }), ("valued", names { !$0.isFlag }),
        ] where !words.isEmpty {
            lines.append("        \(name)=\(Self.quoted(words))")
        }
        return (lines + ["        ;;"]).joined(separator: "\n")
    }

    private func bashValues(_ command: CommandSpec) -> [String] {
        var place = 0
        return command.arguments.compactMap { argument in
            if argument.isPositional { place += 1 }
            guard let action = bashAction(argument) else { return nil }
            let patterns =
                argument.isPositional
                ? [Self.quoted("\(command.name) ") + (argument.isRepeated ? "[0-9]*" : "\(place)")]
                : argument.names.map { Self.quoted("\(command.name) \($0)") }
            return "    \(patterns.joined(separator: " | "))) \(action) ;;"
        }
    }

    private func bashAction(_ argument: ArgumentSpec) -> String? {
        switch argument.completion {
        case .values:
            argument.values.isEmpty ? nil : "\(prefix)_words \(Self.quoted(argument.values.joined(separator: " ")))"
        case .file(let extensions): (["\(prefix)_files"] + extensions).joined(separator: " ")
        case .directory: "\(prefix)_folders"
        }
    }
}
