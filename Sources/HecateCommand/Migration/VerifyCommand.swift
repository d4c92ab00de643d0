import Arguments
import Telemetry
import PipelineFile
import PipelineKit
import Stages
import Wire

/// `hecate verify`: compares a list of live webhooks, or another Argus, with Argus.
struct VerifyCommand: Command {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Compare the webhooks of a list with the items in Argus.",
        discussion: """
            Says which are missing, extra, different (field by field), another owner's, or end at another time; ends with 0 where both sides
            are equal, else with 1. With --pipeline the list is seen as that pipeline makes it: its filters say which are to be in
            Argus, its transforms with which owner and data, its sink where Argus is.

            While registrations go on, the two sides are never looked at in the same moment: a difference counts when three looks,
            --settle apart, have shown it.
            """)

    @Arguments.Option(
        help: "The list: a URL such as http://tr1d1um:6100/api/v2/hooks, a file, or - for standard input.",
        completion: .file())
    var from: String
    @OptionGroup var listAuthorization: ListAuthorization
    @OptionGroup var target: ArgusTarget
    @OptionGroup var attributeArguments: AttributeArguments
    @Arguments.Option(help: "The allowed difference between expiry times, as 5s.") var tolerance = "5s"
    @Arguments.Option(help: "The time between two comparisons, as 2s; 0s for only one.") var settle = "2s"
    @Flag(help: "Repeat until both sides are equal.") var watch = false
    @Arguments.Option(help: "End --watch with status 1 after this time, as 10m.") var timeout: String?
    @Flag(help: "Write what is missing, different or expires too early through the pipeline, and compare again.")
    var repair = false
    @Flag(help: "Print JSON.") var json = false
    @OptionGroup var log: QuietLogOptions

    func validate() throws {
        if repair, target.pipeline == nil { throw ValidationError("--repair needs --pipeline") }
        if from == "-", watch || repair { throw ValidationError("standard input can be read only once: name a file") }
        if timeout != nil, !watch { throw ValidationError("--timeout needs --watch") }
        for text in [tolerance, settle, timeout].compactMap({ $0 }) where GoDuration.parse(text) == nil {
            throw ValidationError("'\(text)' is no duration such as 5s")
        }
    }

    private func duration(_ text: String) -> Duration { GoDuration.parse(text) ?? .zero }

    func run() async throws {
        let logger = log.bootstrap()
        let sides = try ComparisonSides(
            from: from, authorization: listAuthorization, target: target, attributes: try attributeArguments.map(),
            tolerance: duration(tolerance))
        let deadline = timeout.map { ContinuousClock.now + duration($0) }
        var comparison = try await settledComparison(sides)
        if repair { comparison = try await repaired(comparison, sides, logger) }
        var isAnnounced = false
        while watch, !comparison.differences.isEmpty, deadline.map({ .now < $0 }) ?? true {
            if !isAnnounced { Console.error("\(comparison.summary); comparing again until both sides are equal") }
            isAnnounced = true
            try await Task.sleep(for: max(duration(settle), .milliseconds(500)))
            comparison = try await sides.compare()
        }
        print(json ? comparison.json.pretty : comparison.table)
        guard comparison.differences.isEmpty else { throw ExitCode.failure }
    }

    /// Compares up to three times, because both sides change meanwhile. Returns the first comparison without
    /// differences, or those that persist.
    private func settledComparison(_ sides: ComparisonSides) async throws -> Comparison {
        var comparison = try await sides.compare()
        guard duration(settle) > .zero, from != "-" else { return comparison }
        for _ in 0..<2 where !comparison.differences.isEmpty {
            try await Task.sleep(for: duration(settle))
            let next = try await sides.compare()
            let before = Set(comparison.differences.map { "\($0.kind) \($0.id)" })
            comparison = next
            comparison.differences.removeAll { !before.contains("\($0.kind) \($0.id)") }
        }
        return comparison
    }

    private func repaired(_ comparison: Comparison, _ sides: ComparisonSides, _ logger: Logger) async throws
        -> Comparison
    {
        let broken = comparison.differences.filter { [.missing, .different, .expires].contains($0.kind) }
        let entries = broken.compactMap(\.entry).filter { !$0.isObfuscated }
        guard !entries.isEmpty, let path = target.pipeline else { return comparison }
        let list = try await RegistrationList(from, authorization: listAuthorization)
        let source = RegistrationSource(list, entries: entries, attributes: sides.attributes, rate: 1000) { _, _ in }
        _ = try await MigrationPipeline(path, settings: target.set.settings, logger: logger).run(source)
        let written = source.outcomes.values.filter { $0 == .delivered }.count
        Console.error("repaired: \(written) of \(entries.count) were written")
        return try await settledComparison(sides)
    }
}

/// The Argus bucket and the owners.
struct ArgusTarget: ArgumentGroup {
    @Arguments.Option(
        help: "The pipeline that migrates: it determines the expected items, their owners, and the address of Argus.",
        completion: .file(extensions: ["yaml"]))
    var pipeline: String?
    @OptionGroup var set: SettingArguments
    @Arguments.Option(
        name: .customLong("to"),
        help: ArgumentHelp("Argus's URL, as http://argus:6600; by default that of the pipeline.", valueName: "URL"))
    var address: String?
    @Arguments.Option(
        name: .customLong("to-auth"),
        help: ArgumentHelp(
            "The authorization for Argus: user:password; better as '${VAR}' or '${file:PATH}'.", valueName: "auth"))
    var authorization: String?
    @Arguments.Option(help: "The bucket; by default that of the pipeline, or webhooks.") var bucket: String?
    @Arguments.Option(
        name: .customLong("owner"),
        help: "An owner of items; may be repeated. By default the owners in the pipeline.")
    var owners: [String] = []

    func validate() throws {
        if pipeline == nil {
            if address == nil {
                throw ValidationError("name Argus with --to http://argus:6600, or --pipeline FILE")
            }
            if owners.isEmpty {
                throw ValidationError(
                    "Argus lists one owner at a time: name owners with --owner NAME (\"\" for none), or --pipeline FILE"
                )
            }
        }
    }

    /// Returns the pipeline, if there is one, and the sink of kind `argus` with the address.
    func resolve() throws -> (file: PipelineFile?, sink: PipelineSpec.StageSpec) {
        let file = try pipeline.map { try PipelineFile.loadOne($0, settings: set.settings) }
        if let address { return (file, try sink(at: address)) }
        guard let file else { throw ExitCode.badConfiguration }
        let all = [file.pipeline.sink] + file.pipeline.sink.options.nestedStages
        guard let sink = all.first(where: { $0.kind.declaration.name == ArgusSink.declaration.name }) else {
            throw CommandFailure(
                "\(file.path) has no sink argus: name Argus with --to", status: .badConfiguration)
        }
        return (file, sink)
    }

    private func sink(at address: String) throws -> PipelineSpec.StageSpec {
        var members: [JSONTree.Member] = [.init("address", .string(address))]
        if let bucket { members.append(.init("bucket", .string(bucket))) }
        if let authorization { members.append(.init("auth", .members(["basic": .string(authorization)]))) }
        // JSON is YAML: parsed like a sink in a file, with secrets and validation.
        let text = JSONTree.members(["argus": .object(members)]).bytes
        let (root, report) = PipelineFile.tree(of: text, named: "--to", substitution: .system)
        var diagnostics = Diagnostics(registry: HecateCommand.registry)
        let sink = root.flatMap { PipelineSpec.StageSpec.read(.sink, $0, &diagnostics) }
        guard let sink, !report.hasErrors else {
            let reasons = (report.diagnostics.all + diagnostics.all).map(\.message).joined(separator: "; ")
            throw CommandFailure("--to, --to-auth, --bucket: \(reasons)", status: .badConfiguration)
        }
        return sink
    }
}

/// The two sides of the comparison.
private struct ComparisonSides: Sendable {
    let from: String
    let authorization: ListAuthorization
    let attributes: [String: String]
    let tolerance: Duration
    private let evaluation: @Sendable (Timestamp) -> DryEvaluation?
    private let isPipelined: Bool
    private let bucket: ArgusBucket
    private let owners: [String]

    init(
        from: String, authorization: ListAuthorization, target: ArgusTarget, attributes: [String: String],
        tolerance: Duration
    ) throws {
        self.from = from
        self.authorization = authorization
        self.attributes = attributes
        self.tolerance = tolerance
        owners = target.owners
        let (file, sink) = try target.resolve()
        do {
            bucket = try ArgusBucket(of: sink)
        } catch {
            throw CommandFailure("sink argus: \(error)", status: .badConfiguration)
        }
        isPipelined = file != nil
        evaluation = { now in
            guard let file else { return nil }
            var diagnostics = Diagnostics()
            let logger = Logger(label: "hecate") { _ in SilentLogHandler() }
            return file.pipeline.makeDryEvaluation(logger: logger, now: { now }, &diagnostics)
        }
        if let file {
            var diagnostics = Diagnostics()
            let logger = Logger(label: "hecate") { _ in SilentLogHandler() }
            guard file.pipeline.makeDryEvaluation(logger: logger, now: { .now() }, &diagnostics) != nil else {
                throw CommandFailure(diagnostics.all.map(\.message).joined(separator: "\n"), status: .badConfiguration)
            }
        }
    }

    /// Reads both sides once and compares them.
    func compare() async throws -> Comparison {
        let list = try await RegistrationList(from, authorization: authorization)
        do {
            return try await bucket.connected { bucket in
                let read = Timestamp.now()
                let expectedItems = Comparison.read(list, through: evaluation(read), attributes: attributes, at: read)
                let ownersToCompare = Set(owners).union(
                    owners.isEmpty ? expectedItems.expected.values.compactMap(\.owner) : [])
                var items: [String: [ArgusBucket.Item]] = [:]
                for owner in ownersToCompare { items[owner] = try await bucket.items(of: owner).items }
                return try await Comparison(
                    expectedItems, with: items, tolerance: tolerance, isPipelined: isPipelined, at: .now()
                ) { id, owner in
                    if case .otherOwner = try await bucket.lookUp(id, as: owner) { true } else { false }
                }
            }
        } catch let error as StageError {
            throw CommandFailure(error.description)
        } catch let error as CommandFailure {
            throw error
        } catch {
            throw CommandFailure("Argus does not answer: \(error)")
        }
    }
}

extension Comparison {
    /// The counts in one line.
    var summary: String {
        let counts = Kind.allCases.compactMap { kind -> String? in
            let count = differences.filter { $0.kind == kind }.count
            return count > 0 ? "\(count) \(kind.title)" : nil
        }
        let base =
            "\(live) live \(live == 1 ? "webhook" : "webhooks")"
            + (filtered > 0 ? " (and \(filtered) that a filter stops)" : "")
        return "\(base): " + (counts.isEmpty ? "both sides are equal" : counts.joined(separator: ", "))
    }

    /// A table for people.
    var table: String {
        let lines = differences.map { difference in
            let details = difference.details.isEmpty ? "" : "  " + difference.details.joined(separator: "; ")
            let kind = difference.kind.rawValue.padded(to: 9)
            return "\(kind)  \(Console.printable(difference.url.isEmpty ? difference.id : difference.url))"
                + Console.printable(details)
        }
        return (lines + [summary]).joined(separator: "\n")
    }

    /// JSON for programs.
    var json: JSONTree {
        .members([
            "equal": .bool(differences.isEmpty), "live": .integer(live), "stay": .integer(filtered),
            "differences": .array(
                differences.map { difference in
                    .members([
                        "kind": .string(difference.kind.rawValue), "id": .string(difference.id),
                        "url": .string(difference.url), "details": .array(difference.details.map { .string($0) }),
                    ])
                }),
        ])
    }
}

extension Comparison.Kind {
    fileprivate var title: String {
        switch self {
        case .missing: "missing in Argus"
        case .extra: "only in Argus"
        case .different: "different"
        case .expires: "ending at another time"
        case .owner: "another owner's"
        case .refused: "refused"
        }
    }
}
