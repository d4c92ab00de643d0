import Testing

@testable import Arguments

@Suite struct ParserTests {
    private func parsed<Wanted: Command>(_ words: String..., as type: Wanted.Type) throws -> Wanted {
        guard case .run(let command, _) = try Tool.parse(words) else { throw ValidationError("nothing to run") }
        return try #require(command as? Wanted)
    }

    private func mistake(_ words: [String]) throws -> UsageError {
        try #require(throws: UsageError.self) { try Tool.parse(words) }
    }

    @Test func optionsStandAnywhereAndTakeTheirValuesInEveryWay() throws {
        let copy = try parsed(
            "copy", "-o", "there", "a", "--set", "x=1", "--log-level=high", "-", "--set=y==2", as: Copy.self)
        #expect(copy.files == ["a", "-"])
        #expect(copy.output == "there")
        #expect(copy.settings == ["x=1", "y==2"])
        #expect(copy.logging.logLevel == .high)
        #expect(!copy.dryRun)
        #expect(try parsed("copy", "-o=x", "a", as: Copy.self).output == "x")
    }

    @Test func whatIsLeftOutHasItsDefault() throws {
        let draw = try parsed("draw", "12", as: Draw.self)
        #expect(draw.count == 12 && draw.name == nil && draw.format == .text && draw.scale == 1.5 && draw.pid == nil)
        let full = try parsed("draw", "--pid=-1", "+3", "n", "--scale", "2", "--format", "svg", as: Draw.self)
        #expect(full.count == 3 && full.name == "n" && full.format == .svg && full.scale == 2 && full.pid == -1)
    }

    @Test func twoDashesEndTheOptions() throws {
        let copy = try parsed("copy", "a", "--", "--dry-run", "--", "--help", as: Copy.self)
        #expect(copy.files == ["a", "--dry-run", "--", "--help"])
        #expect(!copy.dryRun)
    }

    @Test func theLastOfTwoCounts() throws {
        #expect(try parsed("draw", "5", "--format", "dot", "--format", "svg", as: Draw.self).format == .svg)
        #expect(try parsed("copy", "a", "--dry-run", "--dry-run", as: Copy.self).dryRun)
    }

    @Test func eachParseHasValuesOfItsOwn() throws {
        #expect(try parsed("copy", "a", "--set", "x=1", as: Copy.self).settings == ["x=1"])
        #expect(try parsed("copy", "b", as: Copy.self).settings == [])
    }

    @Test func anEmptyWordIsAValue() throws {
        #expect(try parsed("copy", "", "--output", "", as: Copy.self).output == "")
    }

    @Test(arguments: [
        (["copy"], "Missing expected argument '<file> ...'"),
        (["copy", "a", "--nope"], "Unknown option '--nope'"),
        (["copy", "--dry-rum"], "Unknown option '--dry-rum'. Did you mean '--dry-run'?"),
        (["copy", "--dryrun=1", "a"], "Unknown option '--dryrun'. Did you mean '--dry-run'?"),
        (["copy", "--log", "x"], "Unknown option '--log'. Did you mean '--log-level'?"),
        (["copy", "-x"], "Unknown option '-x'"),
        (["copy", "a", "-ofile"], "Unknown option '-ofile'. Did you mean '-o file'?"),
        (["copy", "a", "--set"], "Missing value for '--set <path=value>'"),
        (["copy", "a", "--set="], "Missing value for '--set <path=value>'"),
        (["copy", "a", "-o"], "Missing value for '-o <output>'"),
        (["copy", "a", "--set", "--dry-run"], "Missing value for '--set <path=value>'"),
        (["copy", "a", "--set", "--"], "Missing value for '--set <path=value>'"),
        (["copy", "a", "--dry-run=yes"], "The option '--dry-run' does not take any value, but 'yes' was specified."),
        (["draw", "x"], "The value 'x' is invalid for '<count>'"),
        (["draw", "99999999999999999999"], "The value '99999999999999999999' is invalid for '<count>'"),
        (["draw", "5", "--scale", "1,5"], "The value '1,5' is invalid for '--scale <scale>'"),
        (["draw", "5", "--pid", "99999999999"], "The value '99999999999' is invalid for '--pid <pid>'"),
        (
            ["draw", "5", "--format", "Dot"],
            "The value 'Dot' is invalid for '--format <format>'. Please provide one of 'text', 'dot' or 'svg'."
        ),
        (
            ["copy", "a", "--log-level", "x"],
            "The value 'x' is invalid for '--log-level <log-level>'. Please provide one of the following:\n  - low\n  - high\n  - one\n  - two\n  - three\n  - four"
        ),
        (["draw"], "Missing expected argument '<count>'"),
        (["draw", "5", "n", "x"], "Unexpected argument 'x'"),
        (["draw", "5", "n", "x", "y"], "2 unexpected arguments: 'x', 'y'"),
        (["many"], "Missing expected argument '--needed <needed>'"),
        (["copy", "a", "--dry-run", "-o", "x"], "--dry-run writes nothing: leave out --output"),
        (["copy", "a", "--dry-run", "-o", "x", "--log-level", "four"], "four is too much"),
        (["cpoy"], "Unknown subcommand 'cpoy'. Did you mean 'copy'?"),
        (["nonsense"], "Unknown subcommand 'nonsense'"),
        (["store", "shw"], "Unknown subcommand 'shw'. Did you mean 'show'?"),
        (["help", "store", "nonsense"], "Unknown subcommand 'nonsense'"),
        (["help", "copy", "x"], "Unexpected argument 'x'"),
        (["help", "--nope"], "Unknown option '--nope'"),
        (["--nope", "copy"], "Unknown option '--nope'"),
        (["--", "copy"], "Unexpected argument 'copy'"),
        (["--version", "x"], "Unexpected argument 'x'"),
        (["--version=1"], "The option '--version' does not take any value, but '1' was specified."),
        (["copy", "--version"], "Unknown option '--version'"),
        (["--generate-completion-script", "bash", "zsh"], "Unexpected argument 'zsh'"),
        (["--generate-man-page", "nope"], "Unknown subcommand 'nope'"),
        (
            ["--generate-completion-script=bosh"],
            "Can't generate completion scripts for 'bosh'.\nPlease use --generate-completion-script=<shell> with one of:\n    zsh bash fish"
        ),
    ])
    func mistakesAreSaid(words: [String], message: String) throws {
        #expect(try mistake(words).message == message)
    }

    @Test func aMistakeShowsHowItIsWritten() throws {
        #expect(
            try mistake(["draw", "5", "--format"]).description == """
                Error: Missing value for '--format <format>'
                Help:  --format <format>  How it is drawn.
                Usage: tool draw <count> [<name>] [--format <format>] [--scale <scale>] [--pid <pid>]
                  See 'tool draw --help' for more information.
                """)
        #expect(
            try mistake(["store", "x"]).description == """
                Error: Unknown subcommand 'x'
                Usage: tool store <subcommand>
                  See 'tool store --help' for more information.
                """)
    }

    @Test(arguments: [
        ([], "tool"), (["--help"], "tool"), (["-h"], "tool"), (["--help", "copy"], "tool"), (["help"], "tool"),
        (["--"], "tool"), (["help", "--help"], "tool"), (["help", "copy"], "tool copy"), (["copy", "-h"], "tool copy"),
        (["copy", "--nope", "--help"], "tool copy"), (["copy", "--set", "--help"], "tool copy"),
        (["store"], "tool store"), (["help", "store", "show"], "tool store show"),
        (["store", "show", "--help"], "tool store show"), (["--nope", "--help"], "tool"),
    ])
    func helpIsAskedForInManyWays(words: [String], name: String) throws {
        guard case .help(let command) = try Tool.parse(words) else {
            Issue.record("no help")
            return
        }
        #expect(command.name == name)
    }

    @Test func theProgramAnswersForItself() throws {
        guard case .version("tool 1.2.3") = try Tool.parse(["--version"]),
            case .completionScript(.fish?, _) = try Tool.parse(["--generate-completion-script", "fish"]),
            case .completionScript(.zsh?, _) = try Tool.parse(["--generate-completion-script=zsh"]),
            case .completionScript(nil, _) = try Tool.parse(["--generate-completion-script"]),
            case .manPage(let whole) = try Tool.parse(["--generate-man-page"]),
            case .manPage(let page) = try Tool.parse(["--generate-man-page", "store", "drop"])
        else {
            Issue.record("not what was asked for")
            return
        }
        #expect(whole.name == "tool" && page.name == "tool store drop")
    }

    @Test func aProgramWithoutSubcommandsIsItsOwnCommand() throws {
        guard case .run(let command, let spec) = try Draw.parse(["5", "help"]),
            case .help = try Draw.parse(["5", "--help"]), case .manPage = try Draw.parse(["--generate-man-page"])
        else {
            Issue.record("not what was asked for")
            return
        }
        #expect((command as? Draw)?.name == "help" && spec.name == "draw")
        #expect(throws: UsageError.self) { try Draw.parse(["--version"]) }
    }

    @Test(arguments: [
        (["draw", "5"], 0), (["draw", "1"], 1), (["draw", "2"], 2), (["draw", "3"], 7), (["draw", "4"], 1),
        (["draw", "x"], 2),
    ])
    func theStatusSaysHowItWent(words: [String], status: Int) async {
        #expect(await Tool.run(words) == Int32(status))
    }

    @Test func propertiesAreSpeltAsOptionsAre() {
        #expect(ArgumentName.kebab("longestTTL") == "longest-ttl")
        #expect(ArgumentName.kebab("URLPath") == "url-path")
        #expect(ArgumentName.kebab("byOwner") == "by-owner")
        #expect(ArgumentName.kebab("json") == "json")
    }
}
