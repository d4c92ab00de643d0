import Arguments

/// A program for tests, with what programs have.
struct Tool: Command {
    static let configuration = CommandConfiguration(
        commandName: "tool", abstract: "Does things.", version: "tool 1.2.3",
        subcommands: [Copy.self, Draw.self, Store.self, Many.self])
}

struct Copy: Command {
    static let configuration = CommandConfiguration(
        commandName: "copy",
        abstract: "Copy files, one after the other, to where they are wanted by those who want them.",
        discussion: """
            A paragraph
            of two lines.

              an example with -- and 'quotes'
            .begins with a point \\ and has a backslash
            """)

    @Argument(help: ArgumentHelp("The files.", valueName: "file"), completion: .file(extensions: ["yaml", "yml"]))
    var files: [String]
    @OptionGroup var logging: Logging
    @Option(name: .shortAndLong, help: "Where to.", completion: .directory) var output: String?
    @Option(name: .customLong("set"), help: ArgumentHelp("Sets something.", valueName: "path=value"))
    var settings: [String] = []
    @Flag(help: "Only say it.") var dryRun = false

    func validate() throws {
        if dryRun, output != nil { throw ValidationError("--dry-run writes nothing: leave out --output") }
    }
}

struct Logging: ArgumentGroup {
    enum Level: String, CaseIterable, ArgumentValue { case low, high, one, two, three, four }

    @Option(help: "How much is said.") var logLevel = Level.low

    func validate() throws {
        if logLevel == .four { throw ValidationError("four is too much") }
    }
}

struct Draw: Command {
    enum Format: String, CaseIterable, ArgumentValue { case text, dot, svg }

    static let configuration = CommandConfiguration(commandName: "draw", abstract: "Draw a thing.")

    @Argument(help: "How often.") var count: Int
    @Argument(help: "What it is called.") var name: String?
    @Option(help: "How it is drawn.") var format = Format.text
    @Option(help: "How large.") var scale = 1.5
    @Option(help: "Of which process.") var pid: Int32?

    func run() async throws {
        switch count {
        case 1: throw ExitCode.failure
        case 2: throw ValidationError("2 is no number for this")
        case 3: throw CommandFailure("three cannot be drawn", status: ExitCode(7))
        case 4: throw Broken()
        default: break
        }
    }

    struct Broken: Error {}
}

struct Store: Command {
    static let configuration = CommandConfiguration(
        commandName: "store", abstract: "Look into the store.", subcommands: [Show.self, Drop.self])

    struct Show: Command {
        static let configuration = CommandConfiguration(commandName: "show", abstract: "Show a thing.")
        @Argument(help: "The thing.", completion: .file()) var file: String
    }

    struct Drop: Command {
        static let configuration = CommandConfiguration(commandName: "drop", abstract: "Drop it.")
        @Flag(help: "All of it.") var all = false
    }
}

/// More options than a line of usage names.
struct Many: Command {
    static let configuration = CommandConfiguration(commandName: "many", abstract: "Has many options.")
    @Option(help: "Needed.") var needed: String
    @Flag(help: "") var a1 = false
    @Flag(help: "") var a2 = false
    @Flag(help: "") var a3 = false
    @Flag(help: "") var a4 = false
    @Flag(help: "") var a5 = false
    @Flag(help: "") var a6 = false
    @Flag(help: "") var a7 = false
    @Flag(help: "") var a8 = false
    @Flag(help: "") var a9 = false
    @Flag(help: "") var aTen = false
    @Flag(help: "") var largestTTL = false
    @Flag(help: "") var urlPath = false
}
