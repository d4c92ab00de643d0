public import HTTP
public import PipelineKit
public import Telemetry
import Wire

/// Serves `/metrics`, `/health`, `/ready` and the status page on its own listeners.
public struct OperationsServer: Sendable {
    private let listeners: [HTTPListener]
    private let answers: OperationsAnswers

    /// - Parameters:
    ///   - readiness: called for each `/ready`; returns the readiness of every pipeline.
    ///   - status: returns the status page's data as one line of JSON, with its history if asked for.
    public init(
        metrics: Set<ListenAddress>, health: Set<ListenAddress>, registry: PrometheusRegistry, logger: Logger,
        readiness: @escaping @Sendable () -> [(pipeline: String, readiness: Readiness)],
        status: @escaping @Sendable (_ withHistory: Bool) -> [UInt8]
    ) {
        ProcessMetrics.start()
        let answers = OperationsAnswers(
            metrics: metrics, health: health, registry: registry, readiness: readiness, status: status)
        self.answers = answers
        var limits = HTTPLimits(bodyBytes: HTTPLimits.ignoredBody)
        // Health is answered when nothing else is.
        limits.reservedDescriptors = 16
        listeners = metrics.union(health).map { [limits] address in
            HTTPListener(
                address: address, limits: limits, logger: logger,
                handler: HTTPListener.asynchronous { request in answers.answer(request, at: address) })
        }
    }

    /// Listens until `stop`.
    ///
    /// - Throws: `HTTPListenerError` if it cannot listen at an address.
    public func run() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for listener in listeners { group.addTask { try await listener.run() } }
            do {
                // Not `waitForAll`, which throws only when all have ended.
                for try await _ in group {}
            } catch {
                for listener in listeners { await listener.stop() }
                throw error
            }
        }
    }

    /// Ends `run`.
    public func stop() async {
        answers.events.stop()
        for listener in listeners { await listener.stop() }
    }
}

/// The responses by address.
struct OperationsAnswers: Sendable {
    private let metrics: Set<ListenAddress>
    private let health: Set<ListenAddress>
    private let registry: PrometheusRegistry
    private let readiness: @Sendable () -> [(pipeline: String, readiness: Readiness)]
    private let status: @Sendable (_ withHistory: Bool) -> [UInt8]
    let events: StatusEvents

    init(
        metrics: Set<ListenAddress>, health: Set<ListenAddress>, registry: PrometheusRegistry,
        readiness: @escaping @Sendable () -> [(pipeline: String, readiness: Readiness)],
        status: @escaping @Sendable (_ withHistory: Bool) -> [UInt8]
    ) {
        self.metrics = metrics
        self.health = health
        self.registry = registry
        self.readiness = readiness
        self.status = status
        events = StatusEvents { status(false) }
    }

    func answer(_ request: ServerRequest, at address: ListenAddress) -> ServerResponse {
        guard ["GET", "HEAD"].contains(request.method) else {
            return .text(405, "only GET is supported", headers: ["Allow": "GET"])
        }
        switch request.path {
        case "/metrics" where metrics.contains(address):
            return ServerResponse(
                status: 200, contentType: "text/plain; version=0.0.4; charset=utf-8",
                body: Array((registry.text() + ProcessMetrics.text()).utf8))
        case "/health" where health.contains(address): return Self.answer(200, [("status", "\"ok\"")])
        case "/ready" where health.contains(address): return Self.ready(readiness())
        case "/status.json" where health.contains(address):
            return ServerResponse(
                status: 200, headers: ["Cache-Control": "no-store"], contentType: "application/json",
                body: status(true))
        case "/status/events" where health.contains(address) && request.method == "GET": return events.answer()
        default:
            let page = health.contains(address) ? StatusPage.answer(request.path) : nil
            return page ?? .text(404, "there is nothing at this path")
        }
    }

    private static func ready(_ pipelines: [(pipeline: String, readiness: Readiness)]) -> ServerResponse {
        let states = pipelines.map { pipeline, readiness in
            switch readiness {
            case .ready: (JSONWriter.quoted(pipeline), "\"ready\"")
            case .degraded(let reason), .notReady(let reason): (JSONWriter.quoted(pipeline), JSONWriter.quoted(reason))
            }
        }
        let isReady = pipelines.allSatisfy { if case .notReady = $0.readiness { false } else { true } }
        let details = states.map { "\($0):\($1)" }.joined(separator: ",")
        return answer(
            isReady ? 200 : 503, [("status", isReady ? "\"ready\"" : "\"not ready\""), ("pipelines", "{\(details)}")])
    }

    private static func answer(_ status: Int, _ members: [(String, String)]) -> ServerResponse {
        let body = "{" + members.map { "\"\($0)\":\($1)" }.joined(separator: ",") + "}\n"
        return ServerResponse(status: status, contentType: "application/json", body: Array(body.utf8))
    }
}
