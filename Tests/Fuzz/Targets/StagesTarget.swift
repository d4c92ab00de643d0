import Locking
import PipelineFile
import PipelineKit
import Stages
import Telemetry
import Wire

extension FuzzTarget {
    /// A record through filters in a row, which share one look at it, and into an item: the row has to say what its filters say one after
    /// the other.
    static let stages = FuzzTarget(
        name: "stages",
        corpus: [
            #"{"config":{"url":"http://one.a.example:8080/x","alt_urls":["https://two.b.example","c.example"]},"events":["online","test-1"],"duration":300,"until":"2026-01-01T00:05:00Z","registered_from_address":"192.0.2.7"}"#,
            #"{"CONFIG":{"Url":"HTTP://user:p@A.Example./?q#f","url":"http://[2001:db8::1]:80/"},"events":[],"duration":"5m","until":1767225900}"#,
            #"[{"config":{"url":"//sub.deep.below.b.example/","alt_urls":null},"events":["e"],"duration":300000000000,"registered_from_address":"2001:db8::9"}]"#,
        ]
    ) { bytes in
        let message = Message(
            id: "1", key: "k", payload: Bytes(bytes), attributes: ["scytale.env": "fuzz"], receivedAt: now)
        let first = chains.alone.lazy.map { stopped($0.evaluate(message)) }.first { $0 != nil } ?? nil
        let outcome = chains.group.evaluate(message)
        if let first {
            precondition(stopped(outcome) == first, "\(outcome) in a row, \(first) alone")
        } else if case .passes(let items) = outcome {
            for item in items {
                let body = item.payload.bytes(at: now)
                precondition((try? JSONReader.read(body) { try $0.skip() }) != nil, "the item is not JSON")
            }
        } else {
            precondition(
                stopped(outcome)?.hasSuffix("by item") == true, "\(outcome) though every filter lets it through")
        }
    }

    private static let now = Timestamp(seconds: 1_767_225_600)

    private static let filters = [
        #"{not: {field: config.url, host: [stop.example, "*.stop.example"]}}"#,
        #"{not: {field: "config.alt_urls[*]", host: ["*.b.example"]}}"#,
        #"{not: {field: "config.alt_urls[*]", host: [c.example, "2001:db8::1"]}}"#,
        #"{not: {field: "events[*]", elements: all, glob: "test-*"}}"#,
        #"{any: [{field: duration, above: 10}, {field: until, after: 1m}, {field: config.url, regex: "^h.*x$"}]}"#,
        #"{not: {registered_from_address: {cidr: "198.51.100.0/24"}}}"#,
        #"{attributes.scytale.env: {equals: fuzz}}"#,
        #"{field: config.url, host: ["*.a.example", b.example, "*.deep.below.b.example", "192.0.2.1"]}"#,
    ]

    /// All filters in a row with an item behind them, and each filter alone.
    private static let chains: (group: DryEvaluation, alone: [DryEvaluation]) = {
        let stages = filters.enumerated().map { "  - {name: filter-\($0), filter: {match: \($1)}}\n" }
        return (
            evaluation(stages.joined() + "  - {name: item, transform: {argus-item: {}}}\n"),
            stages.map { evaluation($0) }
        )
    }()

    private static func evaluation(_ stages: String) -> DryEvaluation {
        let path = "\(Files.temporaryDirectory)/fuzz-\(UInt64.random(in: 0 ... .max)).yaml"
        defer { try? Files.remove(path) }
        let text = "source: stdin\nstages:\n\(stages)sink: drop\n"
        guard (try? Files.write(Array(text.utf8), to: path)) != nil else {
            preconditionFailure("\(path) cannot be written")
        }
        var (files, report) = PipelineFile.load([path], registry: .standard)
        let logger = Logger(label: "fuzz") { _ in SilentLogHandler() }
        guard
            let evaluation = files.first?.pipeline.makeDryEvaluation(logger: logger, now: { now }, &report.diagnostics)
        else {
            preconditionFailure(report.description)
        }
        return evaluation
    }

    /// Where a message ends that does not pass; nil for one that does.
    private static func stopped(_ outcome: DryEvaluation.Outcome) -> String? {
        switch outcome {
        case .passes: nil
        case .filtered(let stage): "filtered by \(stage)"
        case .refused(let stage, _): "refused by \(stage)"
        }
    }
}
