import Arguments
import Cryptography
import Glibc
import Locking
import Telemetry
import PipelineFile
import PipelineKit
import Stages
import Wire

/// `hecate backfill`: imports the existing registrations once.
struct BackfillCommand: Command {
    static let configuration = CommandConfiguration(
        commandName: "backfill",
        abstract: "Import the registrations from before the gateway was started.",
        discussion: """
            SNS keeps nothing: what was published before the gateway subscribed is known only to the Tr1d1ums and Caduceuses that heard it.
            Start the gateway first, then run their list through the same pipeline with this. An item that is in Argus already and lives
            longer is left alone, so that what the gateway writes meanwhile is never replaced by what the list knew.

            Run it against a Tr1d1um of the SNS era: newer ones leave secrets out of their list, and such registrations are refused here.
            What was interrupted is gone on with by the same command.
            """)

    @Arguments.Option(
        help: "The list: a URL such as http://tr1d1um:6100/api/v2/hooks, a file, or - for standard input.",
        completion: .file())
    var from: String
    @OptionGroup var listAuthorization: ListAuthorization
    @Arguments.Option(help: "The pipeline file.", completion: .file(extensions: ["yaml"])) var pipeline: String
    @OptionGroup var set: SettingArguments
    @OptionGroup var attributeArguments: AttributeArguments
    @Arguments.Option(help: "The maximum number of registrations per second.") var rate = 100.0
    @Arguments.Option(
        help: ArgumentHelp(
            "The file that records the progress, for continuing after an interruption; by default below ~/.local/state/hecate.",
            valueName: "file"))
    var state: String?
    @Flag(help: "Print what would be written; write nothing.") var dryRun = false
    @OptionGroup var log: QuietLogOptions

    func validate() throws {
        guard rate > 0, rate <= 1_000_000 else { throw ValidationError("--rate: expected a number above 0") }
    }

    func run() async throws {
        let logger = log.bootstrap()
        let list = try await RegistrationList(from, authorization: listAuthorization)
        let run = try MigrationPipeline(pipeline, settings: set.settings, logger: logger, isDryRun: dryRun)
        let done = dryRun ? nil : try BackfillState(path: state, from: from, pipeline: pipeline)
        let summary = BackfillSummary(list, isDone: { done?.contains($0) ?? false })
        let progress = Progress("backfilled", total: summary.pending.count)
        let source = RegistrationSource(
            list, entries: summary.pending, attributes: try attributeArguments.map(), rate: rate
        ) { entry, settlement in
            progress.advance()
            // Filtered registrations are not remembered: the filter may change until the next run.
            if settlement.isSuccess, settlement.name != "filtered" { done?.add(entry) }
        }
        let startedAt = ContinuousClock.now
        let wasStopped = try await run.run(source)
        progress.end()
        print(summary.text(outcomes: source.outcomes, duration: .now - startedAt))
        let isComplete =
            source.outcomes.count == summary.pending.count && source.outcomes.values.allSatisfy(\.isSuccess)
        if isComplete { done?.remove() }
        if source.outcomes.count < summary.pending.count || wasStopped {
            Console.error(dryRun ? "interrupted" : "interrupted: run the same command to continue")
        }
        guard isComplete, summary.obfuscated.isEmpty else { throw ExitCode.failure }
    }
}

/// A pipeline that a migration command runs. Never replaces newer items.
struct MigrationPipeline {
    private let file: PipelineFile
    private let logger: Logger
    private let isDryRun: Bool

    /// - Throws: `ExitCode.badConfiguration` after reporting the errors of the file.
    init(_ path: String, settings: [String], logger: Logger, isDryRun: Bool = false) throws {
        var file = try PipelineFile.loadOne(path, settings: settings)
        if file.pipeline.sink.kind.declaration.name == ArgusSink.declaration.name {
            // The user's settings come later and take precedence.
            file = try PipelineFile.loadOne(path, settings: ["sink.argus.conflict=newest"] + settings)
        } else if !isDryRun {
            Console.error(
                "note: \(file.pipeline.sink.kind.title) is not Argus: whether it keeps newer items depends on it"
            )
        }
        self.file = file
        self.logger = logger
        self.isDryRun = isDryRun
    }

    /// Runs the pipeline with another source until it ends or a signal arrives.
    ///
    /// - Returns: whether a signal arrived.
    func run(_ source: any Source) async throws -> Bool {
        var diagnostics = Diagnostics()
        let dryRunSink: (any Sink)? = isDryRun ? DryRunSink() : nil
        guard
            let pipeline = file.pipeline.build(
                logger: logger, dryRunSink: dryRunSink, replacingSource: source, &diagnostics)
        else {
            for diagnostic in diagnostics.all { Console.error("error: \(diagnostic.message)") }
            throw ExitCode.badConfiguration
        }
        let wasStopped = StopFlag()
        let signals = ProcessSignals(
            logger: logger,
            stop: {
                wasStopped.set()
                await pipeline.stop()
            })
        defer { signals.cancel() }
        try await pipeline.run()
        return wasStopped.isSet
    }
}

/// The progress of a backfill in a file: one line with the hash of each registration that succeeded.
private final class BackfillState: Sendable {
    /// The maximum size of the file, enough for millions of lines.
    private static let maximumBytes = 1 << 30

    private let path: String
    private let completed: Set<String>
    private let file: OpenFile
    private let cannotBeKept = StopFlag()

    init(path: String?, from: String, pipeline: String) throws {
        self.path = path ?? Self.defaultPath(of: "\(from)\n\(Files.absolute(pipeline))")
        do {
            try Files.makeDirectory(Files.parent(of: self.path), intermediate: true)
            file = try OpenFile(updating: self.path)
            let lines = try file.readToEnd(atMost: Self.maximumBytes).split(separator: UInt8(ascii: "\n"))
            completed = Set(lines.map { String(decoding: $0, as: UTF8.self) })
        } catch {
            throw CommandFailure(
                "'\(self.path)' cannot be used to record the progress: \(error); name another file with --state")
        }
    }

    private static func defaultPath(of what: String) -> String {
        // An empty value counts as unset (XDG Base Directory Specification).
        let named = environment("XDG_STATE_HOME").flatMap { $0.isEmpty ? nil : $0 }
        let base = named ?? "\(Self.home)/.local/state"
        return "\(base)/hecate/backfill-\(hash(Array(what.utf8)).prefix(16)).done"
    }

    /// The user's home folder.
    private static var home: String {
        if let home = environment("HOME"), !home.isEmpty { return home }
        return getpwuid(getuid()).map { String(cString: $0.pointee.pw_dir) } ?? "/"
    }

    private static func hash(_ bytes: [UInt8]) -> String { Hex.encode(Digest.sha256(bytes)) }

    func contains(_ entry: RegistrationList.Entry) -> Bool { completed.contains(Self.hash(entry.record)) }

    /// Records a success. Thread-safe; each line is one write, so that lines never mix.
    func add(_ entry: RegistrationList.Entry) {
        do {
            try file.write("\(Self.hash(entry.record))\n".utf8)
        } catch {
            guard !cannotBeKept.isSet else { return }
            cannotBeKept.set()
            Console.error("the progress cannot be recorded any more; another run would repeat it: \(error)")
        }
    }

    func remove() {
        file.close()
        unlink(path)
    }
}

/// The results of a backfill.
struct BackfillSummary {
    private let list: RegistrationList
    /// How many were imported by an earlier run.
    private let doneBefore: Int
    /// Registrations that cannot be imported, because the list does not hold their secrets.
    let obfuscated: [RegistrationList.Entry]
    /// Registrations to import.
    let pending: [RegistrationList.Entry]

    init(_ list: RegistrationList, isDone: (RegistrationList.Entry) -> Bool) {
        self.list = list
        let notDone = list.entries.filter { !isDone($0) }
        doneBefore = list.entries.count - notDone.count
        obfuscated = notDone.filter(\.isObfuscated)
        pending = notDone.filter { !$0.isObfuscated }
    }

    /// The maximum number of reasons shown of each kind.
    private static let maximumProblems = 20

    func text(outcomes: [Int: Settlement], duration time: Duration) -> String {
        var counts: [(name: String, count: Int)] = []
        func count(_ name: String, _ belongs: (Settlement) -> Bool) {
            counts.append((name, outcomes.values.filter(belongs).count))
        }
        count("written") { if case .delivered = $0 { true } else { false } }
        count("kept: the items in Argus expire later") { if case .superseded = $0 { true } else { false } }
        count("stay: stopped by a filter") { if case .filtered = $0 { true } else { false } }
        count("have ended already") { if case .expired = $0 { true } else { false } }
        count("refused") { if case .refused = $0 { true } else { false } }
        count("not finished") { if case .failed = $0 { true } else { false } }
        counts.append(("not begun", pending.count - outcomes.count))
        counts.append(("refused: the list hides their secrets", obfuscated.count))
        counts.append(("were done before", doneBefore))
        var lines = ["\(list.entries.count) registrations in \((time.inSeconds * 10).rounded() / 10) s"]
        let width = counts.map { "\($0.count)".count }.max() ?? 1
        for (name, count) in counts where count > 0 {
            lines.append("  \(String(repeating: " ", count: width - "\(count)".count))\(count)  \(name)")
        }
        let problems = pending.compactMap { entry -> String? in
            switch outcomes[entry.position] {
            case .refused(let stage, let reason, _): "\(position(entry)): \(stage): \(reason)"
            case .failed(let reason, _): "\(position(entry)): \(reason)"
            default: nil
            }
        }
        lines += problems.prefix(Self.maximumProblems)
        if problems.count > Self.maximumProblems {
            lines.append("... and \(problems.count - Self.maximumProblems) more")
        }
        if !obfuscated.isEmpty {
            lines.append(
                "\(obfuscated.count) have the secret '<obfuscated>', as in lists of newer Tr1d1um versions: use the list of one of the SNS era"
            )
        }
        return lines.joined(separator: "\n")
    }

    private func position(_ entry: RegistrationList.Entry) -> String {
        Console.printable("\(list.origin):\(entry.position) \(entry.url ?? "(no config.url)")")
    }
}
