import Arguments
import Locking
import PipelineFile
import PipelineKit
import Spool
import Telemetry
import Wire

/// `hecate dead-letters`: lists, replays or deletes messages that can never succeed.
struct DeadLettersCommand: Command {
    static let configuration = CommandConfiguration(
        commandName: "dead-letters", abstract: "List, replay or delete the dead letters of a pipeline.",
        discussion:
            "Uses the SQLite file of 'deadLetters' in the pipeline file, even while the pipeline runs.",
        subcommands: [ListDeadLetters.self, ShowDeadLetter.self, ReplayDeadLetters.self, DropDeadLetters.self])
}

/// The arguments that select dead letters.
struct DeadLetterSelection: ArgumentGroup {
    @Argument(help: ArgumentHelp("The pipeline file.", valueName: "file")) var file: String

    @Arguments.Option(
        name: .customLong("where"),
        help: ArgumentHelp(
            "Select letters with this id or stage, or with this text in key, reason or topic. Several conditions must all match.",
            valueName: "field=text"))
    var conditions: [String] = []

    private static let fields: [String: @Sendable (DeadLetter, String) -> Bool] = [
        "id": { $0.message.id == $1 }, "stage": { $0.stage == $1 },
        "key": { $0.message.key.utf8.contains($1.utf8) }, "reason": { $0.reason.utf8.contains($1.utf8) },
        "topic": { $0.message.topic.utf8.contains($1.utf8) },
    ]

    /// Returns the conditions as a predicate.
    func filter() throws -> @Sendable (DeadLetter) -> Bool {
        let tests = try conditions.map { condition in
            let parts = condition.split(separator: "=", maxSplits: 1).map(String.init)
            guard parts.count == 2, let field = Self.fields[parts[0]] else {
                throw ValidationError(
                    "--where: '\(condition)' is no condition such as stage=argus; the fields are \(Self.fields.keys.sorted().joined(separator: ", "))"
                )
            }
            return (field, parts[1])
        }
        return { letter in tests.allSatisfy { $0.0(letter, $0.1) } }
    }

    /// Loads the pipeline file and opens its store.
    func open() async throws -> (PipelineFile, SQLiteDeadLetters) { try await Self.open(file) }

    static func open(_ file: String) async throws -> (PipelineFile, SQLiteDeadLetters) {
        let (files, report) = PipelineFile.load([file], registry: HecateCommand.registry)
        guard let file = files.first, !report.hasErrors else {
            Console.error(report.description)
            throw ExitCode.badConfiguration
        }
        guard case .sqlite(let path) = file.deadLetters else {
            Console.error(
                "\(file.path): error: only dead letters in a SQLite file can be listed: deadLetters: {sqlite: {path: ...}}"
            )
            throw ExitCode.badConfiguration
        }
        guard Files.exists(path) else {
            Console.error("there are no dead letters yet: '\(path)' does not exist")
            throw ExitCode.failure
        }
        let store = SQLiteDeadLetters(path: path)
        try await store.open()
        return (file, store)
    }

    /// Iterates over the selected dead letters, page by page.
    static func forEach(
        _ store: SQLiteDeadLetters, _ isSelected: (DeadLetter) -> Bool,
        _ body: (SQLiteDeadLetters.StoredDeadLetter) async throws -> Void
    ) async throws {
        var last: Int64 = 0
        while true {
            let page = try await store.letters(after: last, limit: 200)
            guard let end = page.last else { return }
            for stored in page where isSelected(stored.letter) { try await body(stored) }
            last = end.number
        }
    }
}

private struct ListDeadLetters: Command {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "List dead letters.")
    @OptionGroup var selection: DeadLetterSelection
    @Flag(help: "Print a line of JSON each, with the message; secrets of webhooks are hidden.") var json = false

    func run() async throws {
        let isSelected = try selection.filter()
        let (_, store) = try await selection.open()
        var count = 0
        try await DeadLetterSelection.forEach(store, isSelected) { stored in
            count += 1
            if json {
                var letter = stored.letter
                letter.message.payload = Bytes(SecretMask.masked(letter.message.payload.bytes(at: letter.first)))
                print(letter.json.text)
            } else {
                let letter = stored.letter
                print(
                    "\(stored.number)  \(letter.last)  \(letter.stage)  \(letter.attempts) tries  \(letter.message.key)  \(letter.reason)"
                )
            }
        }
        if !json { Console.error(count == 1 ? "1 dead letter" : "\(count) dead letters") }
        await store.close()
    }
}

private struct ShowDeadLetter: Command {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show one dead letter with its original message.",
        discussion: "The message is shown unchanged, including secrets.")
    @Argument(help: "The letter's number in 'list'.") var number: Int64
    @Argument(help: ArgumentHelp("The pipeline file.", valueName: "file")) var file: String

    func run() async throws {
        let (_, store) = try await DeadLetterSelection.open(file)
        guard let stored = try await store.letters(after: number - 1, limit: 1).first, stored.number == number else {
            Console.error("there is no dead letter \(number)")
            throw ExitCode.failure
        }
        let letter = stored.letter
        print("number     \(stored.number)")
        print("id         \(letter.message.id)")
        print("key        \(letter.message.key)")
        print("topic      \(letter.message.topic)")
        print("published  \(letter.message.publishedAt.map { "\($0)" } ?? "unknown")")
        print("taken      \(letter.first)")
        print("refused    \(letter.last) by \(letter.stage), after \(letter.attempts) tries")
        print("reason     \(letter.reason)")
        for (name, value) in letter.message.attributes.sorted(by: { $0.key < $1.key }) {
            print("attribute  \(name): \(value)")
        }
        print("\n\(letter.message.payload.bytes(at: letter.first).text)")
        await store.close()
    }
}

private struct DropDeadLetters: Command {
    static let configuration = CommandConfiguration(commandName: "drop", abstract: "Delete dead letters for good.")
    @OptionGroup var selection: DeadLetterSelection
    @Flag(help: "Required to delete all letters, without --where.") var all = false

    func run() async throws {
        guard all || !selection.conditions.isEmpty else {
            throw ValidationError("select letters with --where, or all of them with --all")
        }
        let isSelected = try selection.filter()
        let (_, store) = try await selection.open()
        var count = 0
        try await DeadLetterSelection.forEach(store, isSelected) { stored in
            try await store.remove(stored.number)
            count += 1
        }
        print("dropped \(count)")
        await store.close()
    }
}

private struct ReplayDeadLetters: Command {
    static let configuration = CommandConfiguration(
        commandName: "replay", abstract: "Replay dead letters through the pipeline.",
        discussion: """
            Letters that succeed are deleted; those that are refused again stay with their new reason. A letter is deleted only after it has
            succeeded, so replaying can be interrupted and repeated.
            """)
    @OptionGroup var selection: DeadLetterSelection
    @OptionGroup var log: LogOptions

    func run() async throws {
        let logger = log.bootstrap()
        let isSelected = try selection.filter()
        let (file, store) = try await selection.open()
        let progress = Progress("sent again")
        let source = DeadLetterSource(store: store, progress: progress, isSelected: isSelected)
        var report = Diagnostics()
        guard let pipeline = file.pipeline.build(logger: logger, replacingSource: source, &report) else {
            for diagnostic in report.all { Console.error("error: \(diagnostic.message)") }
            throw ExitCode.badConfiguration
        }
        let signals = ProcessSignals(logger: logger, stop: { await pipeline.stop() })
        defer { signals.cancel() }
        try await pipeline.run()
        progress.end()
        let (succeeded, refused, failed) = source.counts
        print("sent again: \(succeeded) succeeded, \(refused) refused again, \(failed) not finished")
        await store.close()
        if refused + failed > 0 { throw ExitCode.failure }
    }
}
