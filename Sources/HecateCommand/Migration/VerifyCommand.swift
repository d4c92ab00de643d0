import Arguments
import PipelineFile
import PipelineKit
import Stages
import Telemetry
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
    var title: String {
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
