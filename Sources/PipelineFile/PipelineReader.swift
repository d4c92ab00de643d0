import Foundation
import PipelineKit

/// Reads the tree of a pipeline file into a checked `PipelineSpec`. Goes on after a mistake, so that all are reported.
struct PipelineReader {
    private static let operationsAddress = OptionType<String>.string.map(named: "address") { $0 }
    private static let name = Option(optional: "pipeline", .string, help: "the pipeline's name; else the file's")
    private static let lanes = Option(
        "lanes", .int(1...256), default: availableProcessors(), shown: "one for each processor",
        help: "serial queues that run filters and transforms side by side")
    private static let capacity = Option(
        "capacity", .int(1...1_000_000), default: 1024, help: "the most messages inside at once")
    private static let shutdownGrace = Option(
        "shutdownGrace", .duration, default: .seconds(20), shown: "20s",
        help: "how long what is inside may take to end after SIGTERM")
    private static let retryInitial = Option(
        "initial", .duration, default: .milliseconds(100), shown: "100ms",
        help: "the longest pause before the first retry")
    private static let retryMax = Option(
        "max", .duration, default: .seconds(10), shown: "10s", help: "the longest pause of all")
    private static let retryMaxElapsed = Option(
        optional: "maxElapsed", .duration,
        help: "how long a message is tried; else 8s where the sender sends again, and for ever where it does not")
    private static let retry = Option(
        "retry", .group("retry", [retryInitial, retryMax, retryMaxElapsed]), default: Options(), shown: "",
        help: "what is done about failures that may pass")
    private static let breakerRate = Option(
        "failureRate", .number(1...100), default: 50, help: "the percentage of failed writes at which it opens")
    private static let breakerMinimum = Option(
        "minimum", .int(1...1_000_000), default: 20, help: "how many writes have to have been seen")
    private static let breakerWindow = Option(
        "window", .duration, default: .seconds(10), shown: "10s", help: "over how long they are counted")
    private static let breakerPause = Option(
        "pause", .duration, default: .seconds(1), shown: "1s",
        help: "how long it stays open before one write is tried; doubles up to tenfold while that fails")
    private static let breaker = Option(
        "breaker", .group("breaker", [breakerRate, breakerMinimum, breakerWindow, breakerPause]), default: Options(),
        shown: "", help: "when the sink is left alone because most writes fail")
    private static let metrics = Option(
        optional: "metrics", operationsAddress, help: "address of /metrics, as in \":6701\"")
    private static let health = Option(
        optional: "health", operationsAddress, help: "address of /health and /ready, as in \":6702\"")
    private static let operations = Option(
        "operations", .group("operations", [metrics, health]), default: Options(), shown: "",
        help: "where metrics and health are served; nowhere if left out")

    enum Sync: String, CaseIterable { case full, normal }
    private static let spoolPath = Option("path", .path, help: "the file; each gateway needs one of its own")
    private static let spoolMaxBytes = Option(
        "maxBytes", .byteCount, default: 1 << 30, shown: "1GiB",
        help: "the most that may wait; more is told to come again")
    private static let spoolMaxAge = Option(
        optional: "maxAge", .duration,
        help: "how long a message may wait before it goes to the dead letters; else as long as it takes")
    private static let spoolSync = Option(
        "sync", OptionType<Sync>.choice, default: .full, shown: "full",
        help:
            "whether the disk has to say that a message is on it (full), or the operating system (normal: survives a crash of the process only)"
    )
    private static let spool = Option(
        optional: "spool", .group("spool", [spoolPath, spoolMaxBytes, spoolMaxAge, spoolSync]),
        help: "a durable queue: a message is answered when it is on disk, and carried on from there, also after a crash"
    )
    private static let deadLettersPath = Option("path", .path, help: "the file")
    private static let sqliteDeadLetters: [any OptionDeclaration] = [deadLettersPath]

    /// The options of a pipeline file beside its stages.
    static let settings: [any OptionDeclaration] = [
        name, lanes, capacity, shutdownGrace, retry, breaker, spool, operations,
    ]
    private static let stageKeys = ["source", "stages", "sink", "deadLetters"]

    let registry: StageRegistry
    let path: String
    private(set) var diagnostics = Diagnostics()

    init(registry: StageRegistry, path: String) {
        self.registry = registry
        self.path = path
    }

    /// The pipeline, nil where there was an error.
    mutating func read(_ root: ConfigNode) -> PipelineFile? {
        guard case .map(let entries) = root.content else {
            diagnostics.error("a pipeline file is a map with 'source', 'stages' and 'sink'", at: root.location)
            return nil
        }
        let settings = readSettings(entries, at: root.location)
        let source = entries.first { $0.key == "source" }.map { readEdge(.source, $0) }
        let sink = entries.first { $0.key == "sink" }.map { readEdge(.sink, $0) }
        for (key, found) in [("source", source == nil), ("sink", sink == nil)] where found {
            diagnostics.error("the pipeline has no '\(key)'", at: root.location)
        }
        let stages = entries.first { $0.key == "stages" }.map { readStages($0.value) } ?? []
        let deadLetters = entries.first { $0.key == "deadLetters" }.map { readDeadLetters($0) } ?? nil
        guard !diagnostics.hasErrors, let settings, let source = source ?? nil, let sink = sink ?? nil else {
            return nil
        }
        checkPayloads(source, stages, sink)
        checkNames(stages, sink)
        let spool = readSpool(settings)
        if spool != nil, deadLetters == nil {
            diagnostics.error(
                "with a spool, messages are answered before it is known whether they can succeed, so 'deadLetters' is needed for those that cannot",
                at: settings.location(of: Self.spool))
        }
        guard !diagnostics.hasErrors else { return nil }
        let retry = settings[Self.retry]
        let breaker = settings[Self.breaker]
        let spec = PipelineSpec(
            name: settings[Self.name] ?? Self.stem(of: path), source: source, stages: stages, sink: sink,
            settings: RunnerSettings(
                lanes: settings[Self.lanes], capacity: settings[Self.capacity],
                retry: RetryPolicy(
                    initial: retry[Self.retryInitial], max: retry[Self.retryMax],
                    maxElapsed: retry[Self.retryMaxElapsed]),
                breaker: BreakerPolicy(
                    failureRate: breaker[Self.breakerRate] / 100, minimum: breaker[Self.breakerMinimum],
                    window: breaker[Self.breakerWindow], pause: breaker[Self.breakerPause]),
                shutdownGrace: settings[Self.shutdownGrace]))
        let operations = settings[Self.operations]
        return PipelineFile(
            path: path, pipeline: spec,
            operations: .init(metrics: operations[Self.metrics], health: operations[Self.health]), spool: spool,
            deadLetters: deadLetters)
    }

    private func readSpool(_ settings: Options) -> PipelineFile.Spool? {
        settings[Self.spool].map { spool in
            PipelineFile.Spool(
                path: spool[Self.spoolPath], maxBytes: spool[Self.spoolMaxBytes], maxAge: spool[Self.spoolMaxAge],
                isFullSync: spool[Self.spoolSync] == .full)
        }
    }

    /// `deadLetters: {sqlite: {path: ...}}`, or any sink.
    private mutating func readDeadLetters(_ entry: ConfigNode.Entry) -> PipelineFile.DeadLetters? {
        if case .map(let members) = entry.value.content, members.count == 1, members[0].key == "sqlite" {
            let options = Options.read(
                members[0].value, declarations: Self.sqliteDeadLetters, owner: "deadLetters sqlite",
                missingAt: members[0].keyLocation, &diagnostics)
            return options.map { .sqlite(path: $0[Self.deadLettersPath]) }
        }
        let sink = readEdge(.sink, entry)
        if let sink, sink.kind.declaration.takes ?? .bytes != .bytes {
            diagnostics.error("dead letters are bytes, which \(sink.kind.title) does not take", at: sink.location)
        }
        return sink.map { .sink($0) }
    }

    private mutating func readSettings(_ entries: [ConfigNode.Entry], at location: SourceLocation) -> Options? {
        let known = Self.settings.map(\.name) + Self.stageKeys
        let others = entries.filter { entry in
            if known.contains(entry.key) { return !Self.stageKeys.contains(entry.key) }
            let near = suggestion(for: entry.key, among: known)
            diagnostics.error("a pipeline has no '\(entry.key)'\(near)", at: entry.keyLocation)
            return false
        }
        return Options.read(
            ConfigNode(.map(others), at: location), declarations: Self.settings, owner: "a pipeline", &diagnostics)
    }

    /// `source: {KIND: {...}}` or, where a kind needs no options, `source: KIND`.
    private mutating func readEdge(
        _ role: StageRegistry.Role, _ entry: ConfigNode.Entry
    ) -> PipelineSpec.StageSpec? {
        switch entry.value.content {
        case .string(let kind):
            let options = ConfigNode(.null, at: entry.value.location)
            return readKind(role, kind, at: entry.value.location, options: options, name: nil)
        case .map(let members) where members.count == 1:
            return readKind(role, members[0].key, at: members[0].keyLocation, options: members[0].value, name: nil)
        default:
            diagnostics.error(
                "one kind of \(role.rawValue) with its options is expected here, as in '\(role.rawValue): {\(example(role)): {...}}'",
                at: entry.value.location)
            return nil
        }
    }

    private mutating func readStages(_ node: ConfigNode) -> [PipelineSpec.StageSpec] {
        switch node.content {
        case .null: return []
        case .list(let nodes): return nodes.compactMap { readStage($0) }
        default:
            diagnostics.error("a list of stages is expected here", at: node.location)
            return []
        }
    }

    /// `{name: ..., filter: {KIND: {...}}}` or the same with `transform`.
    private mutating func readStage(_ node: ConfigNode) -> PipelineSpec.StageSpec? {
        guard case .map(let members) = node.content else {
            diagnostics.error(
                "a stage is a map with 'filter' or 'transform', and 'name' if you like", at: node.location)
            return nil
        }
        var name: String?
        var work: [(StageRegistry.Role, ConfigNode.Entry)] = []
        for member in members {
            switch member.key {
            case "name": name = OptionType<String>.string.value(of: member.value, &diagnostics)
            case "filter": work.append((.filter, member))
            case "transform": work.append((.transform, member))
            default:
                let near = suggestion(for: member.key, among: ["name", "filter", "transform"])
                diagnostics.error("a stage has no '\(member.key)'\(near)", at: member.keyLocation)
            }
        }
        guard work.count == 1 else {
            if work.count > 1 || !members.contains(where: { !["name"].contains($0.key) }) {
                diagnostics.error("a stage has exactly one of 'filter' and 'transform'", at: node.location)
            }
            return nil
        }
        var stage = readEdge(work[0].0, work[0].1)
        if let name { stage?.name = name }
        return stage
    }

    private mutating func readKind(
        _ role: StageRegistry.Role, _ name: String, at location: SourceLocation, options: ConfigNode,
        name stage: String?
    ) -> PipelineSpec.StageSpec? {
        guard let kind = registry.kind(role, name) else {
            let all = registry.kinds(role).map(\.declaration.name)
            let near = suggestion(for: name, among: all)
            let known = near.isEmpty ? "; there are \(all.joined(separator: ", "))" : near
            diagnostics.error("there is no \(role.rawValue) '\(name)'\(known)", at: location)
            return nil
        }
        var options = options
        if let shorthand = kind.declaration.shorthand {
            switch options.content {
            case .map, .null: break
            default:
                let entry = ConfigNode.Entry(key: shorthand, keyLocation: options.location, value: options)
                options = ConfigNode(.map([entry]), at: options.location)
            }
        }
        // What is missing is missing of the stage, so that is the place to point at.
        if case .null = options.content { options.location = location }
        let read = Options.read(
            options, declarations: kind.declaration.options, owner: kind.title, missingAt: location, &diagnostics)
        return read.map { .init(name: name, kind: kind, options: $0, location: location) }
    }

    /// Whether each stage takes what the one before makes.
    private mutating func checkPayloads(
        _ source: PipelineSpec.StageSpec, _ stages: [PipelineSpec.StageSpec], _ sink: PipelineSpec.StageSpec
    ) {
        var carried = source.kind.declaration.makes ?? .bytes
        for stage in stages + [sink] {
            if let taken = stage.kind.declaration.takes, taken != carried {
                let makers = StageRegistry.Role.allCases.flatMap { registry.kinds($0) }
                    .filter { $0.declaration.makes == taken }.map { "'\($0.title)'" }
                let advice = makers.isEmpty ? "" : "; put \(makers.joined(separator: " or ")) in front of it"
                diagnostics.error(
                    "\(stage.kind.title) takes \(taken), but what comes here is \(carried)\(advice)", at: stage.location
                )
            }
            carried = stage.kind.declaration.makes ?? carried
        }
    }

    private mutating func checkNames(_ stages: [PipelineSpec.StageSpec], _ sink: PipelineSpec.StageSpec) {
        var seen: Set<String> = [sink.name]
        for stage in stages where !seen.insert(stage.name).inserted {
            diagnostics.error(
                "another stage is called '\(stage.name)' too; give this one a 'name' of its own", at: stage.location)
        }
    }

    private func example(_ role: StageRegistry.Role) -> String {
        registry.kinds(role).first?.declaration.name ?? "KIND"
    }

    private static func stem(of path: String) -> String {
        URL(fileURLWithPath: path).deletingPathExtension().lastPathComponent
    }
}
