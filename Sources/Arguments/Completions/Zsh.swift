extension CompletionScript {
    /// The script for zsh: sourced, or as `_PROGRAM` in a folder of `fpath`.
    var zsh: String {
        """
        #compdef \(program)
        # Completions of \(program) for zsh: source this after compinit, or save it as _\(program) in a folder of fpath.

        \(root.all.map(zshFunction).joined(separator: "\n\n"))

        \(zshHelp)
        if [[ $funcstack[1] == \(prefix) ]]; then
            \(prefix) "$@"
        else
            compdef \(prefix) \(program)
        fi

        """
    }

    private func name(ofFunctionFor command: CommandSpec) -> String {
        "_" + command.path.map(Self.identifier).joined(separator: "_")
    }

    private func zshFunction(_ command: CommandSpec) -> String {
        var specs = command.arguments.flatMap(zshSpecs)
        let subcommands = subcommands(of: command)
        if !subcommands.isEmpty { specs += ["'1: :->command'", "'*:: :->arguments'"] }
        let arguments = specs.map { "        \($0)" }.joined(separator: " \\\n")
        guard !subcommands.isEmpty else {
            return """
                \(name(ofFunctionFor: command))() {
                    _arguments -s -S : \\
                \(arguments)
                }
                """
        }
        let descriptions = subcommands.map { "            \(Self.quoted("\(Self.zshEscaped($0.name)):\($0.help)"))" }
        var cases = command.subcommands.map { subcommand in
            "            \(subcommand.path[subcommand.path.count - 1])) \(name(ofFunctionFor: subcommand)) ;;"
        }
        if command.path == root.path {
            cases.append("            \(BuiltIn.helpCommand)) \(prefix)__subcommands 2 ;;")
        }
        return """
            \(name(ofFunctionFor: command))() {
                local curcontext="$curcontext" state line
                local -A opt_args
                _arguments -C -s -S : \\
            \(arguments)
                case $state in
                command)
                    local -a commands=(
            \(descriptions.joined(separator: "\n"))
                    )
                    _describe -t commands command commands
                    ;;
                arguments)
                    case $words[1] in
            \(cases.joined(separator: "\n"))
                    esac
                    ;;
                esac
            }
            """
    }

    /// Completes command names after `help`, which is the first word, and `--generate-man-page`, which is not.
    private var zshHelp: String {
        guard !root.subcommands.isEmpty else { return "" }
        let cases = root.all.filter { !$0.subcommands.isEmpty }.map { command in
            let words = command.subcommands.compactMap(\.path.last).joined(separator: " ")
            return "        \(Self.quoted(command.path.dropFirst().joined(separator: " "))) ) compadd -- \(words) ;;"
        }
        return """
            \(prefix)__subcommands() {
                case "${(j: :)words[$1,CURRENT-1]}" in
            \(cases.joined(separator: "\n"))
                esac
            }

            """ + "\n"
    }

    private func zshSpecs(_ argument: ArgumentSpec) -> [String] {
        if argument == BuiltIn.manPage, !root.subcommands.isEmpty {
            return [
                Self.quoted("(- :)\(argument.names[0])[\(Self.zshText(argument.help))]:*:: :\(prefix)__subcommands 1")
            ]
        }
        let value = argument.valueName.map { ":\(Self.zshEscaped($0)):\(zshAction(argument))" } ?? ""
        if argument.isPositional {
            return [Self.quoted("\(argument.isRepeated ? "*" : argument.isRequired ? "" : ":")\(value)")]
        }
        let isAlone = argument == BuiltIn.help || argument == BuiltIn.version || argument == BuiltIn.completionScript
        // Excludes all names of an option that was given.
        let excluded = isAlone ? "(- :)" : argument.isRepeated ? "*" : "(\(argument.names.joined(separator: " ")))"
        return argument.names.map { name in
            let mark = argument.isFlag ? "" : name.hasPrefix("--") ? "=" : "+"
            return Self.quoted("\(excluded)\(name)\(mark)[\(Self.zshText(argument.help))]\(value)")
        }
    }

    private func zshAction(_ argument: ArgumentSpec) -> String {
        switch argument.completion {
        case .values: argument.values.isEmpty ? " " : "(\(argument.values.joined(separator: " ")))"
        case .file(let extensions):
            switch extensions.count {
            case 0: "_files"
            default: "_files -g \"*.(\(extensions.joined(separator: "|")))\""
            }
        case .directory: "_files -/"
        }
    }

    /// Escapes a text in brackets.
    private static func zshText(_ text: String) -> String {
        text.map { "[]\\".contains($0) ? "\\\($0)" : String($0) }.joined()
    }

    /// Escapes a text before a colon.
    private static func zshEscaped(_ text: String) -> String {
        text.map { ":\\".contains($0) ? "\\\($0)" : String($0) }.joined()
    }
}
