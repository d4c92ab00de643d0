import PipelineKit
import Wire

/// Validates the tree of a pipeline file and makes a `PipelineSpec`. Continues after an error, so that all are
/// reported.
struct PipelineReader {
    private static let operationsAddress = OptionType<String>.string.map(named: "address") { $0 }
    private static let name = Option(optional: "pipeline", .string, help: "the pipeline's name; by default the file's")
    private static let lanes = Option(
        "lanes", .int(1...256), default: availableProcessors(), shown: "one for each processor",
        help: "serial queues that run filters and transforms in parallel")
    private static let capacity = Option(
        "capacity", .int(1...1_000_000), default: 1024, help: "the maximum number of messages in the pipeline")
    private static let shutdownGrace = Option(
        "shutdownGrace", .duration, default: .seconds(20), shown: "20s",
        help: "how long messages in the pipeline may take to end after SIGTERM")
    private static let retryInitial = Option(
        "initial", .duration, default: .milliseconds(100), shown: "100ms",
        help: "the maximum delay before the first retry")
    private static let retryMax = Option(
        "max", .duration, default: .seconds(10), shown: "10s", help: "the maximum delay")
    private static let retryMaxElapsed = Option(
        optional: "maxElapsed", .duration,
        help: "how long a message is retried; by default 8s if the sender redelivers, else without limit")
    private static let retry = Option(
        "retry", .group("retry", [retryInitial, retryMax, retryMaxElapsed]), default: Options(), shown: "",
        help: "how transient failures are retried")
    private static let breakerRate = Option(
        "failureRate", .number(1...100), default: 50, help: "the percentage of failed writes at which it opens")
    private static let breakerMinimum = Option(
        "minimum", .int(1...1_000_000), default: 20, help: "the minimum number of writes before it can open")
    private static let breakerWindow = Option(
        "window", .duration, default: .seconds(10), shown: "10s", help: "the period in which writes are counted")
    private static let breakerPause = Option(
        "pause", .duration, default: .seconds(1), shown: "1s",
        help: "how long it stays open before a write probes the sink; doubles up to tenfold with each failure")
    private static let breaker = Option(
        "breaker", .group("breaker", [breakerRate, breakerMinimum, breakerWindow, breakerPause]), default: Options(),
        shown: "", help: "the circuit breaker, which stops writes while most of them fail")
    private static let metrics = Option(
        optional: "metrics", operationsAddress, help: "address of /metrics, as in \":6701\"")
    private static let health = Option(
        optional: "health", operationsAddress,
        help: "address of /health, /ready and the status page at /, as in \":6702\"")
    private static let listName = Option("name", .string, help: "the name of the list's owner")
    private static let listURLType = OptionType<String>.string.map(named: "URL") { text in
        let example = "is no URL such as http://tr1d1um:6103/metrics"
        do {
            guard try WebURL(text).scheme != .unix else { throw OptionError("'\(text)' \(example)") }
        } catch let reason as WebURL.Invalid {
            // The part before an at sign may be a password.
            throw OptionError(
                text.utf8.contains(UInt8(ascii: "@")) ? "this \(example): \(reason)" : "'\(text)' \(example)")
        }
        return text
    }
    private static let listURL = Option(
        "url", listURLType, help: "the URL of its metrics, as in http://tr1d1um:6103/metrics")
    private static let listMetric = Option(
        "metric", .string, help: "the metric with its size, as in webpa_tr1d1um_webhook_list_size_value")
    private static let lists = Option(
        "lists", .list(of: .group("list", [listName, listURL, listMetric])), default: [], shown: "[]",
        help: "webhook lists whose sizes the status page compares with the number of items written")
    private static let operations = Option(
        "operations", .group("operations", [metrics, health, lists]), default: Options(), shown: "",
        help: "where metrics, health and the status page are served; by default nowhere")

    enum Sync: String, CaseIterable { case full, normal }
    private static let spoolPath = Option("path", .path, help: "the file; not shared between gateways")
    private static let spoolMaxBytes = Option(
        "maxBytes", .byteCount, default: 1 << 30, shown: "1GiB",
        help: "the maximum size; when it is full, sources that can wait do, other senders are told to retry"
    )
    private static let spoolMaxAge = Option(
        optional: "maxAge", .duration,
        help: "how long a message may wait before it goes to the dead letters; by default without limit")
    private static let spoolSync = Option(
        "sync", OptionType<Sync>.choice, default: .full, shown: "full",
        help:
            "when a message counts as stored: when it is on disk (full), or when the operating system has it (normal: survives only a crash of the process)"
    )
    private static let spool = Option(
        optional: "spool", .group("spool", [spoolPath, spoolMaxBytes, spoolMaxAge, spoolSync]),
        help: "a durable queue: a message is answered when it is on disk, and processed from there, even after a crash"
    )
    private static let deadLettersPath = Option("path", .path, help: "the file")
    private static let deadLetterFile = Option(
        "sqlite", .group("deadLetters sqlite", [deadLettersPath]), help: "a SQLite file")

    private static let source = Option("source", stage(.source), help: "where messages come from")
    private static let sink = Option("sink", stage(.sink), help: "where messages go")
    private static let stages = Option(
        "stages",
        OptionType<[PipelineSpec.StageSpec]>("list of stages", shape: .list(StageEntry.shape)) {
            node, diagnostics in readStages(node, &diagnostics)
        }, default: [], shown: "",
        help: "filters and transforms in order, each {filter: {KIND: {...}}} or {transform: {KIND: {...}}}; see below")
    private static let deadLetters = Option(
        optional: "deadLetters",
        OptionType<PipelineFile.DeadLetters>(
            "sqlite or sink", shape: .oneOf([.group([deadLetterFile]), .stage(.sink)])
        ) { node, diagnostics in readDeadLetters(node, &diagnostics) },
        help:
            "where messages that can never succeed are stored: {sqlite: {path: ...}} or any sink; by default they are refused"
    )

    /// The options of a pipeline file.
    static let declarations: [any OptionDeclaration] = [
        name, source, stages, sink, deadLetters, spool, lanes, capacity, shutdownGrace, retry, breaker, operations,
    ]

    let path: String
    private(set) var diagnostics: Diagnostics

    init(registry: StageRegistry, path: String) {
        self.path = path
        diagnostics = Diagnostics(registry: registry)
    }

    /// Returns the pipeline; nil if there was an error.
    mutating func read(_ root: ConfigNode) -> PipelineFile? {
        guard case .map = root.content else {
            diagnostics.error("a pipeline file is a map with 'source', 'stages' and 'sink'", at: root.location)
            return nil
        }
        let read = Options.read(root, declarations: Self.declarations, owner: "a pipeline", &diagnostics)
        guard let options = read, !diagnostics.hasErrors else { return nil }
        let spool = readSpool(options)
        if spool != nil, options[Self.deadLetters] == nil {
            diagnostics.error(
                "with a spool, messages are answered before it is known whether they can succeed; add 'deadLetters' for those that cannot",
                at: options.location(of: Self.spool))
        }
        let retry = options[Self.retry]
        let breaker = options[Self.breaker]
        let spec = PipelineSpec(
            name: options[Self.name] ?? Self.stem(of: path), source: options[Self.source],
            stages: options[Self.stages], sink: options[Self.sink],
            settings: RunnerSettings(
                lanes: options[Self.lanes], capacity: options[Self.capacity],
                retry: RetryPolicy(
                    initial: retry[Self.retryInitial], max: retry[Self.retryMax],
                    maxElapsed: retry[Self.retryMaxElapsed]),
                breaker: BreakerPolicy(
                    failureRate: breaker[Self.breakerRate] / 100, minimum: breaker[Self.breakerMinimum],
                    window: breaker[Self.breakerWindow], pause: breaker[Self.breakerPause]),
                shutdownGrace: options[Self.shutdownGrace]))
        spec.check(&diagnostics)
        guard !diagnostics.hasErrors else { return nil }
        let operations = options[Self.operations]
        return PipelineFile(
            path: path, pipeline: spec,
            operations: .init(
                metrics: operations[Self.metrics], health: operations[Self.health],
                lists: operations[Self.lists].map {
                    .init(name: $0[Self.listName], url: $0[Self.listURL], metric: $0[Self.listMetric])
                }), spool: spool,
            deadLetters: options[Self.deadLetters])
    }

    private func readSpool(_ settings: Options) -> PipelineFile.Spool? {
        settings[Self.spool].map { spool in
            PipelineFile.Spool(
                path: spool[Self.spoolPath], maxBytes: spool[Self.spoolMaxBytes], maxAge: spool[Self.spoolMaxAge],
                isFullSync: spool[Self.spoolSync] == .full)
        }
    }

    private static func stage(_ role: StageRegistry.Role) -> OptionType<PipelineSpec.StageSpec> {
        OptionType(role.rawValue, shape: .stage(role)) { node, diagnostics in
            PipelineSpec.StageSpec.read(role, node, &diagnostics)
        }
    }

    /// Parses `{sqlite: {path: ...}}`, or any sink.
    private static func readDeadLetters(
        _ node: ConfigNode, _ diagnostics: inout Diagnostics
    ) -> PipelineFile.DeadLetters? {
        if case .map(let members) = node.content, members.count == 1, members[0].key == "sqlite" {
            let options = Options.read(
                node, declarations: [deadLetterFile], owner: "deadLetters", missingAt: members[0].keyLocation,
                &diagnostics)
            return options.map { .sqlite(path: $0[deadLetterFile][deadLettersPath]) }
        }
        guard let sink = PipelineSpec.StageSpec.read(.sink, node, &diagnostics) else { return nil }
        guard sink.kind.declaration.accepts ?? .bytes == .bytes else {
            diagnostics.error("dead letters are bytes, which \(sink.kind.title) does not accept", at: sink.location)
            return nil
        }
        return .sink(sink)
    }

    private static func readStages(
        _ node: ConfigNode, _ diagnostics: inout Diagnostics
    ) -> [PipelineSpec.StageSpec]? {
        switch node.content {
        case .null: return []
        case .list(let nodes):
            let stages = nodes.map { StageEntry.read($0, &diagnostics) }
            return stages.contains { $0 == nil } ? nil : stages.compactMap { $0 }
        default:
            diagnostics.error("expected a list of stages", at: node.location)
            return nil
        }
    }

    private static func stem(of path: String) -> String {
        let name = path.split(separator: "/").last ?? ""
        guard let dot = name.lastIndex(of: "."), dot > name.startIndex, name.index(after: dot) < name.endIndex else {
            return String(name)
        }
        return String(name[..<dot])
    }
}
