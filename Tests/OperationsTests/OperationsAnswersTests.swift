import HTTP
import PipelineKit
import Telemetry
import Testing

@testable import Operations

@Suite struct OperationsAnswersTests {
    private let metrics = ListenAddress("127.0.0.1:1")!
    private let health = ListenAddress("127.0.0.1:2")!

    private func answers(_ readiness: [(pipeline: String, readiness: Readiness)] = []) -> OperationsAnswers {
        let registry = PrometheusRegistry()
        Counter(label: "xmidt_hecate_retries_total", dimensions: [("pipeline", "p")], factory: registry).increment()
        return OperationsAnswers(
            metrics: [metrics], health: [health], registry: registry, readiness: { readiness },
            status: { Array("{\"history\":\($0)}".utf8) })
    }

    private func get(_ path: String, at address: ListenAddress, _ answers: OperationsAnswers) -> (Int, String) {
        let response = answers.answer(ServerRequest(method: "GET", path: path), at: address)
        return (response.status, String(decoding: response.body, as: UTF8.self))
    }

    @Test func eachAddressHasItsOwn() {
        let answers = answers()
        let (status, text) = get("/metrics", at: metrics, answers)
        #expect(status == 200 && text.contains("xmidt_hecate_retries_total{pipeline=\"p\"} 1\n"))
        for path in ["/health", "/ready", "/status.json", "/status/events", "/"] {
            #expect(get(path, at: metrics, answers).0 == 404)
            #expect(get(path, at: health, answers).0 == 200)
        }
        #expect(get("/metrics", at: health, answers).0 == 404)
        #expect(get("/health", at: health, answers).1 == "{\"status\":\"ok\"}\n")
        #expect(get("/status.json", at: health, answers).1 == "{\"history\":true}")
        answers.events.stop()
    }

    @Test func theKernelsFiguresAreNumbers() throws {
        let text = get("/metrics", at: metrics, answers()).1
        for (name, least) in [
            ("process_cpu_seconds_total", 0.0), ("process_open_fds", 3), ("process_resident_memory_bytes", 1e6),
            ("process_start_time_seconds", 1.7e9),
        ] {
            let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("\(name) ") })
            let value = try #require(Double(line.dropFirst(name.count + 1)))
            #expect(value >= least, "\(line)")
            #expect(text.contains("# HELP \(name) ") && text.contains("# TYPE \(name) "))
        }
    }

    @Test func onePipelineThatIsNotReadyIsEnough() {
        let good: [(pipeline: String, readiness: Readiness)] = [("a", .ready), ("b", .degraded("slow \"store\""))]
        #expect(
            get("/ready", at: health, answers(good))
                == (200, "{\"status\":\"ready\",\"pipelines\":{\"a\":\"ready\",\"b\":\"slow \\\"store\\\"\"}}\n"))
        let (status, text) = get("/ready", at: health, answers(good + [("c", .notReady("starting"))]))
        #expect(status == 503 && text.hasPrefix("{\"status\":\"not ready\"") && text.contains("\"c\":\"starting\""))
    }

    @Test func whatIsNotAskedForIsRefused() {
        let response = answers().answer(ServerRequest(method: "POST", path: "/health"), at: health)
        #expect(response.status == 405 && response.headers["Allow"] == "GET")
        let head = answers().answer(ServerRequest(method: "HEAD", path: "/status/events"), at: health)
        #expect(head.status == 404 && head.stream == nil)
    }

    @Test func manyMayLookAtOnceButNotAnyNumber() {
        let answers = answers()
        let open = (0..<StatusEvents.maximumWatchers).map { _ in
            answers.answer(ServerRequest(method: "GET", path: "/status/events"), at: health)
        }
        #expect(open.allSatisfy { $0.status == 200 && $0.stream != nil && $0.contentType == "text/event-stream" })
        let late = answers.answer(ServerRequest(method: "GET", path: "/status/events"), at: health)
        #expect(late.status == 503 && late.headers["Retry-After"] == "10")
        answers.events.stop()
    }

    @Test func thePageLoadsNothingFromElsewhere() {
        for path in ["/", "/status.css", "/status.js"] {
            let response = answers().answer(ServerRequest(method: "GET", path: path), at: health)
            #expect(response.status == 200 && !response.body.isEmpty)
            #expect(response.headers["Content-Security-Policy"]?.contains("default-src 'none'") ?? false)
        }
    }
}
