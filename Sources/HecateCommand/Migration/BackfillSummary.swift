import PipelineKit
import Telemetry
import Wire

/// The results of a backfill.
struct BackfillSummary {
    private let list: RegistrationList
    /// How many were imported by an earlier run.
    private let doneBefore: Int
    /// Registrations that cannot be imported, because the list does not hold their secrets.
    let obfuscated: [RegistrationList.Entry]
    /// Registrations to import.
    let pending: [RegistrationList.Entry]

    init(_ list: RegistrationList, isDone: (RegistrationList.Entry) -> Bool) {
        self.list = list
        let notDone = list.entries.filter { !isDone($0) }
        doneBefore = list.entries.count - notDone.count
        obfuscated = notDone.filter(\.isObfuscated)
        pending = notDone.filter { !$0.isObfuscated }
    }

    /// The maximum number of reasons shown of each kind.
    private static let maximumProblems = 20

    func text(outcomes: [Int: Settlement], duration time: Duration) -> String {
        var counts: [(name: String, count: Int)] = []
        func count(_ name: String, _ belongs: (Settlement) -> Bool) {
            counts.append((name, outcomes.values.filter(belongs).count))
        }
        count("written") { if case .delivered = $0 { true } else { false } }
        count("kept: the items in Argus expire later") { if case .superseded = $0 { true } else { false } }
        count("stay: stopped by a filter") { if case .filtered = $0 { true } else { false } }
        count("have ended already") { if case .expired = $0 { true } else { false } }
        count("refused") { if case .refused = $0 { true } else { false } }
        count("not finished") { if case .failed = $0 { true } else { false } }
        counts.append(("not begun", pending.count - outcomes.count))
        counts.append(("refused: the list hides their secrets", obfuscated.count))
        counts.append(("were done before", doneBefore))
        var lines = ["\(list.entries.count) registrations in \((time.inSeconds * 10).rounded() / 10) s"]
        let width = counts.map { "\($0.count)".count }.max() ?? 1
        for (name, count) in counts where count > 0 {
            lines.append("  \(String(repeating: " ", count: width - "\(count)".count))\(count)  \(name)")
        }
        let problems = pending.compactMap { entry -> String? in
            switch outcomes[entry.position] {
            case .refused(let stage, let reason, _): "\(position(entry)): \(stage): \(reason)"
            case .failed(let reason, _): "\(position(entry)): \(reason)"
            default: nil
            }
        }
        lines += problems.prefix(Self.maximumProblems)
        if problems.count > Self.maximumProblems {
            lines.append("... and \(problems.count - Self.maximumProblems) more")
        }
        if !obfuscated.isEmpty {
            lines.append(
                "\(obfuscated.count) have the secret '<obfuscated>', as in lists of newer Tr1d1um versions: use the list of one of the SNS era"
            )
        }
        return lines.joined(separator: "\n")
    }

    private func position(_ entry: RegistrationList.Entry) -> String {
        Console.printable("\(list.origin):\(entry.position) \(entry.url ?? "(no config.url)")")
    }
}
