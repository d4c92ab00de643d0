import Foundation
import Testing

@testable import Telemetry

@Suite struct MetricsTests {
    @Test func writesTheTextThatPrometheusReads() {
        let registry = PrometheusRegistry()
        let dimensions = [("pipeline", "a\"b\\c\nd\r\n")]
        let counter = Counter(label: "xmidt_hecate_retries_total", dimensions: dimensions, factory: registry)
        counter.increment(by: 3)
        Counter(label: "xmidt_hecate_retries_total", dimensions: dimensions, factory: registry).increment()
        Gauge(label: "xmidt_hecate_in_flight", factory: registry).record(2.5)
        let timer = Telemetry.Timer(label: "xmidt_hecate_message_seconds", factory: registry)
        timer.recordMilliseconds(3)
        timer.recordSeconds(100)
        let text = registry.text()
        #expect(text.contains("# TYPE xmidt_hecate_retries_total counter\n"))
        #expect(text.contains(#"xmidt_hecate_retries_total{pipeline="a\"b\\c\nd"# + "\r\\n\"} 4\n"))
        #expect(text.contains("# TYPE xmidt_hecate_in_flight gauge\nxmidt_hecate_in_flight 2.5\n"))
        #expect(text.contains("xmidt_hecate_message_seconds_bucket{le=\"0.0025\"} 0\n"))
        #expect(text.contains("xmidt_hecate_message_seconds_bucket{le=\"0.005\"} 1\n"))
        #expect(text.contains("xmidt_hecate_message_seconds_bucket{le=\"+Inf\"} 2\n"))
        #expect(text.contains("xmidt_hecate_message_seconds_sum 100.003\n"))
        #expect(text.contains("xmidt_hecate_message_seconds_count 2\n"))
        #expect(text.components(separatedBy: "# TYPE xmidt_hecate_retries_total").count == 2)
    }

    @Test func aCounterAndATimerOfOneNameAreDifferentThings() {
        let registry = PrometheusRegistry()
        let counter = Counter(label: "x", factory: registry)
        counter.increment(by: UInt8(7))
        Gauge(label: "g", factory: registry).record(UInt64(1) << 60)
        #expect(registry.samples.first { $0.name == "x" }?.value == 7)
        #expect(registry.text().contains("# TYPE g untyped\ng 1.152921504606847e+18\n"))
        counter.reset()
        #expect(Counter(label: "x", factory: registry).value == 0)
    }

    @Test func samplesTellTheNameTheLabelsAndOfATimerSumAndCount() {
        let registry = PrometheusRegistry()
        Telemetry.Timer(label: "t_seconds", dimensions: [("pipeline", "p")], factory: registry).record(.seconds(2))
        let samples = registry.samples.filter { $0.name == "t_seconds" }
        #expect(samples.map(\.part) == ["sum", "count"])
        #expect(samples.map(\.value) == [2, 1])
        #expect(samples.allSatisfy { $0.labels == ["pipeline": "p"] })
    }

    @Test func aDurationThatNoCountOfNanosecondsHoldsIsRecordedAsTheLongest() {
        let timer = Telemetry.Timer()
        timer.record(.seconds(Int64.max))
        timer.recordNanoseconds(.max)
        #expect(timer.count == 2)
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
