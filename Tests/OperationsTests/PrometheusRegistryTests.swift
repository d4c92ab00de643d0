import Foundation
import HTTP
import Logging
import Metrics
import Testing
import Wire

@testable import Operations

@Suite struct PrometheusRegistryTests {
    @Test func writesTheTextThatPrometheusReads() {
        let registry = PrometheusRegistry()
        let dimensions = [("pipeline", "a\"b\\c\nd")]
        let counter = Counter(label: "xmidt_hecate_retries_total", dimensions: dimensions, factory: registry)
        counter.increment(by: 3)
        Counter(label: "xmidt_hecate_retries_total", dimensions: dimensions, factory: registry).increment()
        Gauge(label: "xmidt_hecate_in_flight", factory: registry).record(2.5)
        let timer = Metrics.Timer(label: "xmidt_hecate_message_seconds", factory: registry)
        timer.recordMilliseconds(3)
        timer.recordSeconds(100)
        let text = registry.text()
        #expect(text.contains("# TYPE xmidt_hecate_retries_total counter\n"))
        #expect(text.contains(#"xmidt_hecate_retries_total{pipeline="a\"b\\c\nd"} 4"#))
        #expect(text.contains("# TYPE xmidt_hecate_in_flight gauge\nxmidt_hecate_in_flight 2.5\n"))
        #expect(text.contains("xmidt_hecate_message_seconds_bucket{le=\"0.0025\"} 0\n"))
        #expect(text.contains("xmidt_hecate_message_seconds_bucket{le=\"0.005\"} 1\n"))
        #expect(text.contains("xmidt_hecate_message_seconds_bucket{le=\"+Inf\"} 2\n"))
        #expect(text.contains("xmidt_hecate_message_seconds_count 2\n"))
        #expect(text.components(separatedBy: "# TYPE xmidt_hecate_retries_total").count == 2)
    }

    @Test func everyMetricOfTheCodeIsInTheCatalog() throws {
        let sources = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("Sources")
        let files = try FileManager.default.subpathsOfDirectory(atPath: sources.path).filter { $0.hasSuffix(".swift") }
        var named: Set<String> = []
        for file in files where !file.hasSuffix("MetricCatalog.swift") {
            let text = try String(contentsOf: sources.appendingPathComponent(file), encoding: .utf8)
            for match in text.matches(of: /"(xmidt_hecate_[a-z_]+)"/) { named.insert(String(match.1)) }
        }
        let described = Set(MetricCatalog.entries.keys.filter { $0.hasPrefix("xmidt_hecate_") })
        #expect(named == described)
    }
}

@Suite struct JSONLogHandlerTests {
    @Test func aLevelAndMetadataAreTakenOver() {
        var handler = JSONLogHandler(label: "x", level: .warning)
        handler[metadataKey: "a"] = "b"
        #expect(handler[metadataKey: "a"] == "b")
        #expect(handler.logLevel == .warning)
    }
}
