import Testing

@testable import Arguments

@Suite struct HelpTextTests {
    private func help(_ words: String..., width: Int = 80) throws -> String {
        HelpText(try #require(CommandSpec(Tool.self).descendant(words))).text(width: width)
    }

    @Test func ofAProgram() throws {
        #expect(
            try help() == """
                OVERVIEW: Does things.

                USAGE: tool <subcommand>

                OPTIONS:
                  --version               Print the version.
                  --generate-completion-script <shell>
                                          Print completions for a shell; else for the one that
                                          is used. (values: zsh, bash, fish)
                  --generate-man-page <subcommand>
                                          Print the man page of a subcommand; without one that
                                          of the whole program.
                  -h, --help              Show help information.

                SUBCOMMANDS:
                  copy                    Copy files, one after the other, to where they are
                                          wanted by those who want them.
                  draw                    Draw a thing.
                  store                   Look into the store.
                  many                    Has many options.

                  See 'tool help <subcommand>' for detailed help.
                """)
    }

    @Test func ofACommand() throws {
        #expect(
            try help("copy") == #"""
                OVERVIEW: Copy files, one after the other, to where they are wanted by those
                who want them.

                A paragraph
                of two lines.

                  an example with -- and 'quotes'
                .begins with a point \ and has a backslash

                USAGE: tool copy <file> ... [--log-level <log-level>] [--output <output>] [--set <path=value> ...] [--dry-run]

                ARGUMENTS:
                  <file>                  The files.

                OPTIONS:
                  --log-level <log-level> How much is said. (values: low, high, one, two,
                                          three, four; default: low)
                  -o, --output <output>   Where to.
                  --set <path=value>      Sets something.
                  --dry-run               Only say it.
                  -h, --help              Show help information.

                """#)
    }

    @Test func ofACommandBelowACommand() throws {
        #expect(try help("store").hasSuffix("  See 'tool help store <subcommand>' for detailed help."))
        #expect(try help("store", "show").contains("USAGE: tool store show <file>\n"))
    }

    @Test func manyOptionsAreNotAllInTheUsage() throws {
        #expect(try help("many").contains("USAGE: tool many [<options>] --needed <needed>\n"))
        #expect(try help("many").contains("\n  --largest-ttl\n"))
    }

    @Test func asWideAsItIsRead() throws {
        for width in [40, 60, 100] {
            let lines = try help("copy", width: width).split(separator: "\n").filter { !$0.hasPrefix("USAGE") }
            #expect(lines.allSatisfy { $0.count <= width }, "\(width)")
        }
        #expect(
            HelpText.wrapped("a very-long-word-that-is-not-broken b", to: 10)
                == "a\nvery-long-word-that-is-not-broken\nb")
        #expect(HelpText.wrapped("12345 7890", to: 10) == "12345 7890")
        #expect(HelpText.wrapped("12345 78901", to: 10) == "12345\n78901")
    }
}
