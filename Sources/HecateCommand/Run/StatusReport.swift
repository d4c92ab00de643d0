import Locking
import Telemetry
import PipelineFile
import PipelineKit
import Spool
import Wire

/// The status page's content as JSON. Holds no option values, and of messages only what error reasons contain.
final class StatusReport: Sendable {
    /// How often dead letters are counted.
    private static let interval = Duration.seconds(2)

    private let supervisor: Supervisor
    private let registry: PrometheusRegistry
    private let lists: ListSizes
    private let deadLetterSummaries = Mutex<[String: SQLiteDeadLetters.Summary]>([:])
    private let startedAt = ContinuousClock.now

    init(_ supervisor: Supervisor, registry: PrometheusRegistry, lists: [PipelineFile.ListSize]) {
        self.supervisor = supervisor
        self.registry = registry
        self.lists = ListSizes(lists, registry: registry)
    }

    /// Updates the values that take time to compute, until cancelled.
    func run() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.lists.run() }
            group.addTask {
                while !Task.isCancelled {
                    await self.countDeadLetters()
                    try? await Task.sleep(for: Self.interval)
                }
            }
        }
    }

    private func countDeadLetters() async {
        for (pipeline, store) in supervisor.current.deadLetters {
            // A store that is not open is counted the next time.
            guard let summary = try? await store.summary() else { continue }
            deadLetterSummaries.withLock { $0[pipeline] = summary }
        }
    }

    /// Returns the status as one line of JSON.
    ///
    /// - Parameter withHistory: whether to include the history of list sizes, or only the last ones.
    func json(withHistory: Bool) -> [UInt8] {
        let statistics = StageStatistics(registry.samples)
        let loaded = supervisor.current
        let lists = self.lists.all
        return JSONTree.members([
            "time": .string("\(Timestamp.now())"), "version": .string(VersionCommand.version),
            "uptime": .integer((ContinuousClock.now - startedAt).components.seconds),
            "pipelines": .array(zip(loaded.files, loaded.pipelines).map { tree(of: $0, $1, statistics) }),
            "lists": .array(lists.map { Self.tree(of: $0, withHistory: withHistory) }),
        ]).bytes
    }

    private func tree(of file: PipelineFile, _ pipeline: Pipeline, _ statistics: StageStatistics) -> JSONTree {
        let graph = PipelineGraph(file.pipeline)
        var members: [JSONTree.Member] = [.init("name", .string(pipeline.name))]
        switch pipeline.readiness {
        case .ready: members.append(.init("state", .string("ready")))
        case .degraded(let reason):
            members += [.init("state", .string("degraded")), .init("reason", .string(reason))]
        case .notReady(let reason):
            members += [.init("state", .string("not ready")), .init("reason", .string(reason))]
        }
        let occupancy = pipeline.occupancy
        let ended = statistics.of(pipeline: pipeline.name, "xmidt_hecate_messages_total", by: "outcome")
        members += [
            .init("queue", .members(["depth": .integer(occupancy.count), "capacity": .integer(occupancy.capacity)])),
            .init("messages", Self.tree(of: ended)),
            .init(
                "nodes",
                .array(
                    graph.nodes.map { node in
                        node.role == .source
                            ? Self.tree(of: node, statistics.asSource(ended))
                            : Self.tree(of: node, statistics.of(stage: node.stage, in: pipeline.name))
                    })),
            .init(
                "edges",
                .array(
                    graph.edges.map { edge in
                        .members([
                            "from": .string(graph.nodes[edge.from].id), "to": .string(graph.nodes[edge.to].id),
                            "label": .string(edge.label),
                        ])
                    })),
            .init("spine", .array(graph.spine.map { .string(graph.nodes[$0].id) })),
        ]
        if let spool = file.spool {
            let waiting = statistics.of(pipeline: pipeline.name, "xmidt_hecate_spool_messages") ?? 0
            let bytes = statistics.of(pipeline: pipeline.name, "xmidt_hecate_spool_bytes") ?? 0
            members.append(
                .init(
                    "spool",
                    .members([
                        "messages": .integer(Int(waiting)), "bytes": .integer(Int(bytes)),
                        "maxBytes": .integer(spool.maxBytes),
                    ])))
        }
        if let summary = deadLetterSummaries.withLock({ $0[pipeline.name] }) {
            members.append(.init("deadLetters", Self.tree(of: summary)))
        }
        members.append(.init("troubles", .array(pipeline.recentErrors.map(Self.tree))))
        return .object(members)
    }

    private static func tree(of counts: [String: Double]) -> JSONTree {
        .object(counts.sorted { $0.key < $1.key }.map { .init($0.key, .integer(Int($0.value))) })
    }

    private static func tree(of node: PipelineGraph.Node, _ statistics: StageStatistics.Stage) -> JSONTree {
        var members: [JSONTree.Member] = [
            .init("id", .string(node.id)), .init("name", .string(node.name)),
            .init("role", .string(node.role.rawValue)),
            .init("kind", .string(node.kind)), .init("outcomes", tree(of: statistics.outcomes)),
        ]
        if let (sum, count) = statistics.seconds {
            members.append(.init("seconds", .members(["sum": .number("\(sum)"), "count": .integer(Int(count))])))
        }
        for (name, value) in [
            ("retries", statistics.retries), ("inFlight", statistics.inFlight), ("breaker", statistics.breaker),
        ] {
            if let value { members.append(.init(name, .integer(Int(value)))) }
        }
        return .object(members)
    }

    private static func tree(of summary: SQLiteDeadLetters.Summary) -> JSONTree {
        .members([
            "total": .integer(summary.total),
            "reasons": .array(
                summary.reasons.map {
                    .members([
                        "stage": .string($0.stage), "reason": .string($0.reason), "count": .integer($0.count),
                        "last": .string("\($0.last)"),
                    ])
                }),
        ])
    }

    private static func tree(of error: RecentError) -> JSONTree {
        .members([
            "stage": .string(error.stage), "outcome": .string(error.outcome), "reason": .string(error.reason),
            "count": .integer(error.count), "first": .string("\(error.first)"), "last": .string("\(error.last)"),
        ])
    }

    private static func tree(of list: ListSizes.List, withHistory: Bool) -> JSONTree {
        func size(_ size: Int?) -> JSONTree { size.map { .integer($0) } ?? .null }
        var members: [JSONTree.Member] = [.init("name", .string(list.name)), .init("size", size(list.size))]
        if let error = list.error { members.append(.init("error", .string(error))) }
        if withHistory {
            members.append(.init("points", .array(list.points.map { .array([.integer($0.time), size($0.size)]) })))
        }
        return .object(members)
    }
}

/// The process's metrics by stage.
private struct StageStatistics {
    struct Stage {
        var outcomes: [String: Double] = [:]
        var seconds: (sum: Double, count: Double)?
        var retries: Double?
        var inFlight: Double?
        var breaker: Double?
    }

    private var stages: [String: Stage] = [:]
    private let samples: [PrometheusRegistry.Sample]

    init(_ samples: [PrometheusRegistry.Sample]) {
        self.samples = samples
        for sample in samples {
            guard let pipeline = sample.labels["pipeline"], let name = sample.labels["stage"] else { continue }
            var stage = stages["\(pipeline)/\(name)"] ?? Stage()
            switch (sample.name, sample.part) {
            case ("xmidt_hecate_stage_messages_total", _): stage.outcomes[sample.labels["outcome"] ?? ""] = sample.value
            case ("xmidt_hecate_stage_seconds", "sum"): stage.seconds = (sample.value, stage.seconds?.count ?? 0)
            case ("xmidt_hecate_stage_seconds", "count"): stage.seconds = (stage.seconds?.sum ?? 0, sample.value)
            case ("xmidt_hecate_retries_total", _): stage.retries = sample.value
            case ("xmidt_hecate_in_flight", _): stage.inFlight = sample.value
            case ("xmidt_hecate_breaker_state", _): stage.breaker = sample.value
            default: break
            }
            stages["\(pipeline)/\(name)"] = stage
        }
    }

    func of(stage: String, in pipeline: String) -> Stage { stages["\(pipeline)/\(stage)"] ?? Stage() }

    /// Returns a source's outcomes, which are those of the messages it submitted.
    func asSource(_ ended: [String: Double]) -> Stage { Stage(outcomes: ended) }

    func of(pipeline: String, _ name: String) -> Double? {
        samples.first { $0.name == name && $0.labels["pipeline"] == pipeline }?.value
    }

    func of(pipeline: String, _ name: String, by label: String) -> [String: Double] {
        var found: [String: Double] = [:]
        for sample in samples where sample.name == name && sample.labels["pipeline"] == pipeline {
            found[sample.labels[label] ?? ""] = sample.value
        }
        return found
    }
}
