extension CompletionScript {
    /// The script for fish 3 and later.
    var fish: String {
        let valued = root.all.compactMap { command -> String? in
            let names = command.arguments.filter { !$0.isFlag && !$0.isPositional }.flatMap(\.names)
            return names.isEmpty ? nil : fishCase(command, names)
        }
        let subcommands = root.all.compactMap { command -> String? in
            command.subcommands.isEmpty ? nil : fishCase(command, command.subcommands.compactMap(\.path.last))
        }
        return """
            # Completions of \(program) for fish: source this, or save it as ~/.config/fish/completions/\(program).fish.

            # The options of a command that are followed by a value.
            function _\(prefix)_valued -a command
                switch $command
            \(valued.joined(separator: "\n"))
                end
            end

            function _\(prefix)_subcommands -a command
                switch $command
            \(subcommands.joined(separator: "\n"))
                end
            end

            # The command that the words so far name, and how many arguments it has; behind 'help' in front of it.
            function _\(prefix)_state
                set -l words (commandline -opc)
                set -l command \(program)
                set -l place 0
                set -e words[1]
                if contains -- "$words[1]" \(BuiltIn.helpCommand) \(BuiltIn.manPage.names[0])
                    set command \(BuiltIn.helpCommand) \(program)
                    set -e words[1]
                end
                while set -q words[1]
                    set -l word $words[1]
                    set -e words[1]
                    switch $word
                        case --
                            set place (math $place + (count $words))
                            break
                        case '-?*'
                            if contains -- $word (_\(prefix)_valued "$command[-1]")
                                set -e words[1]
                            end
                        case '*'
                            if contains -- $word (_\(prefix)_subcommands "$command[-1]")
                                set command[-1] "$command[-1] $word"
                            else
                                set place (math $place + 1)
                            end
                    end
                end
                string join ' ' -- $command
                echo $place
            end

            # Whether this command is written, and, where that is asked for, so many of its arguments.
            function _\(prefix)_at -a command place
                set -l state (_\(prefix)_state)
                test "$state[1]" = "$command"; and test -z "$place" -o "$state[2]" = "$place"
            end

            complete -c \(program) -f
            \(root.all.flatMap(fishLines).joined(separator: "\n"))

            """
    }

    private func fishCase(_ command: CommandSpec, _ words: [String]) -> String {
        "        case \(Self.fishQuoted(command.name))\n            printf '%s\\n' \(words.joined(separator: " "))"
    }

    private func fishLines(_ command: CommandSpec) -> [String] {
        let head = "complete -c \(program) -n"
        func at(_ name: String, _ place: Int? = nil) -> String {
            Self.fishQuoted("_\(prefix)_at \"\(name)\"" + (place.map { " \($0)" } ?? ""))
        }
        var lines: [String] = []
        for (name, help) in subcommands(of: command) {
            lines.append("\(head) \(at(command.name, 0)) -a \(name) -d \(Self.fishQuoted(help))")
            if name == BuiltIn.helpCommand { continue }
            lines.append(
                "\(head) \(at("\(BuiltIn.helpCommand) \(command.name)")) -a \(name) -d \(Self.fishQuoted(help))")
        }
        var place = 0
        for argument in command.arguments {
            if argument.isPositional {
                if let action = fishAction(argument) {
                    lines.append("\(head) \(at(command.name, argument.isRepeated ? nil : place)) \(action)")
                }
                place += 1
            } else {
                let names = argument.names.map { $0.hasPrefix("--") ? "-l \($0.dropFirst(2))" : "-s \($0.dropFirst())" }
                let value = argument.isFlag ? "" : " \(fishAction(argument) ?? "-x")"
                lines.append(
                    "\(head) \(at(command.name)) \(names.joined(separator: " "))\(value) -d \(Self.fishQuoted(argument.help))"
                )
            }
        }
        return lines
    }

    private func fishAction(_ argument: ArgumentSpec) -> String? {
        let requires = argument.isPositional ? "" : "-r "
        switch argument.completion {
        case .values where argument.values.isEmpty: return nil
        case .values: return "\(requires)-f -a \(Self.fishQuoted(argument.values.joined(separator: " ")))"
        case .file(let extensions) where extensions.isEmpty: return "\(requires)-F"
        case .file(let extensions):
            // Files with these endings come first.
            let calls = extensions.map { "__fish_complete_suffix .\($0)" }.joined(separator: "; ")
            return "\(requires)-f -k -a \(Self.fishQuoted("(\(calls))"))"
        case .directory: return "\(requires)-f -a '(__fish_complete_directories)'"
        }
    }

    /// Quotes a word.
    private static func fishQuoted(_ text: String) -> String {
        "'" + text.map { "'\\".contains($0) ? "\\\($0)" : String($0) }.joined() + "'"
    }
}
