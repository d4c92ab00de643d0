import PipelineKit
import Stages
import Webhooks
import Wire

/// What of a list of live webhooks is otherwise in Argus.
struct Comparison: Sendable {
    /// How one of them differs.
    enum Kind: String, CaseIterable, Sendable {
        /// It is live in the list, and not in Argus.
        case missing
        /// It is in Argus under an owner that was looked at, and not live in the list.
        case extra
        /// It is on both sides, but its data differs.
        case different
        /// It ends at another time.
        case expires
        /// It is in Argus, but another's.
        case owner
        /// It is live in the list, but could not be written as it is.
        case refused
    }

    /// One difference.
    struct Difference: Sendable {
        var kind: Kind
        var id: String
        var url: String
        /// What is otherwise: one text for each field, without the values of secrets.
        var details: [String]
        /// Where in the list it stands; nil where it does not.
        var entry: RegistrationList.Entry?
    }

    /// A webhook as it should be in Argus.
    struct Expected: Sendable {
        var entry: RegistrationList.Entry
        var url: String
        /// Whose it should be; nil where that is not known.
        var owner: String?
        /// The fields of its data, by their paths.
        var fields: [String: String]
        /// When the registration ends.
        var until: Timestamp
        /// The end that Argus may tell at the latest.
        var end: Timestamp
    }

    /// How a list is made comparable.
    struct ExpectedItems: Sendable {
        /// By id.
        var expected: [String: Expected] = [:]
        /// Those that a filter of the pipeline stops, by id.
        var filtered: Set<String> = []
        /// Those that have ended.
        var ended = 0
        /// Those that cannot be read or are refused by the pipeline.
        var refused: [Difference] = []
    }

    /// How many are live and wanted.
    var live = 0
    /// How many a filter stops.
    var filtered = 0
    /// The differences, in the order of their kinds and ids.
    var differences: [Difference] = []

    /// Reads a list as it should be in Argus.
    ///
    /// - Parameter trial: the filters and transforms of the pipeline; nil where records are to be taken as they are.
    static func read(
        _ list: RegistrationList, through evaluation: DryEvaluation?, attributes: [String: String], at now: Timestamp
    ) -> ExpectedItems {
        var expectedItems = ExpectedItems()
        for entry in list.entries {
            func refuse(_ reason: String) {
                let id = entry.url.map { ArgusItem.id(ofURL: $0) } ?? "\(list.origin):\(entry.position)"
                expectedItems.refused.append(
                    Difference(
                        kind: .refused, id: id, url: entry.url ?? "\(list.origin):\(entry.position)", details: [reason],
                        entry: entry))
            }
            let webhook: Webhook
            do {
                webhook = try Webhook(json: entry.record, publishedAt: now, rules: WebhookRules())
            } catch {
                refuse("\(error)")
                continue
            }
            let id = ArgusItem.id(ofURL: webhook.url)
            // The later of two registrations of one webhook counts, as for every reader.
            expectedItems.expected[id] = nil
            let until = webhook.until.timestamp
            guard until > now else {
                expectedItems.ended += 1
                continue
            }
            var expected = Expected(
                entry: entry, url: webhook.url, owner: nil,
                fields: fields(of: .members(["Webhook": record(webhook)])), until: until, end: until)
            if let evaluation {
                switch evaluation.evaluate(entry.message(of: list, attributes: attributes, at: now)) {
                case .filtered:
                    expectedItems.filtered.insert(id)
                    continue
                case .refused(let stage, let reason):
                    refuse("\(stage): \(reason)")
                    continue
                case .passes(let messages):
                    guard let item = messages.first?.payload as? ArgusItem, messages.count == 1 else {
                        refuse("the pipeline does not make one item of Argus of it")
                        continue
                    }
                    expected.owner = item.owner
                    expected.end = now + .seconds(item.lifetime.secondsLeft(at: now) + 1)
                    if let data = try? JSONTree(parsing: item.data) { expected.fields = fields(of: data) }
                }
            }
            expectedItems.expected[id] = expected
        }
        return expectedItems
    }

    private static func record(_ webhook: Webhook) -> JSONTree {
        (try? JSONTree(parsing: webhook.record(schema: .webhook))) ?? .null
    }

    /// The fields of an item's data that are compared: all but those that change with every renewal, and those that say nothing.
    private static func fields(of data: JSONTree) -> [String: String] {
        var fields: [String: String] = [:]
        func add(_ tree: JSONTree, _ path: String) {
            switch tree {
            case .object(let members):
                for member in members { add(member.value, path.isEmpty ? member.key : "\(path).\(member.key)") }
            case .array(let elements) where elements.isEmpty: break
            case .string(""), .null: break
            default: fields[path] = tree.canonical.bytes.text
            }
        }
        add(data, "")
        return fields.filter { !["until", "duration"].contains($0.key.split(separator: ".").last ?? "") }
    }

    /// Compares.
    ///
    /// - Parameters:
    ///   - items: what Argus holds, by owner.
    ///   - looksAt: tells of an id that is in none of the listings whether it is there under another owner.
    ///   - tolerance: how far apart two ends may lie.
    ///   - isPipelined: whether the expectation is what a pipeline makes, not the bare record.
    init(
        _ expectedItems: ExpectedItems, with items: [String: [ArgusBucket.Item]], tolerance: Duration,
        isPipelined: Bool,
        at now: Timestamp, isOwnedByOther: (_ id: String, _ owner: String) async throws -> Bool
    ) async throws {
        live = expectedItems.expected.count
        filtered = expectedItems.filtered.count
        var found: [String: (owner: String, item: ArgusBucket.Item)] = [:]
        for (owner, list) in items.sorted(by: { $0.key < $1.key }) {
            for item in list where found[item.id] == nil || expectedItems.expected[item.id]?.owner == owner {
                found[item.id] = (owner, item)
            }
        }
        differences = expectedItems.refused
        for (id, expected) in expectedItems.expected {
            func add(_ kind: Kind, _ details: [String]) {
                differences.append(
                    Difference(kind: kind, id: id, url: expected.url, details: details, entry: expected.entry))
            }
            guard let (owner, item) = found[id] else {
                let isOtherOwner = try await isOwnedByOther(id, expected.owner ?? items.keys.sorted().first ?? "")
                add(isOtherOwner ? .owner : .missing, isOtherOwner ? ["it is another owner's"] : [])
                continue
            }
            if let wanted = expected.owner, wanted != owner {
                add(.owner, ["'\(owner)' has it, '\(wanted)' should"])
                continue
            }
            let data = isPipelined ? item.data : Self.recordOnly(item.data)
            let changed = Self.changes(expected, Self.fields(of: data))
            if !changed.isEmpty { add(.different, changed) }
            if let late = Self.endDifference(expected, item, data, tolerance, now) { add(.expires, [late]) }
        }
        for (id, (owner, item)) in found where expectedItems.expected[id] == nil {
            let reason =
                expectedItems.filtered.contains(id) ? "a filter of the pipeline stops it" : "it is not live in the list"
            let url = item.data["Webhook"]?["config"]?["url"]?.text ?? ""
            differences.append(
                Difference(kind: .extra, id: id, url: url, details: ["\(reason); its owner is '\(owner)'"], entry: nil))
        }
        let order = Kind.allCases
        differences.sort {
            (order.firstIndex(of: $0.kind)!, $0.url, $0.id) < (order.firstIndex(of: $1.kind)!, $1.url, $1.id)
        }
    }

    /// Only the record of an item's data, whichever generation wrote it.
    private static func recordOnly(_ data: JSONTree) -> JSONTree {
        .members(["Webhook": data["Webhook"] ?? data[ItemSchema.wrpEventStream.rawValue] ?? .null])
    }

    private static func changes(_ expected: Expected, _ actual: [String: String]) -> [String] {
        Set(expected.fields.keys).union(actual.keys).sorted().compactMap { path in
            guard expected.fields[path] != actual[path] else { return nil }
            if path.split(separator: ".").last == "secret" {
                // A list that leaves secrets out says nothing about them.
                return expected.entry.isObfuscated ? nil : "\(path) differs"
            }
            func shown(_ value: String?) -> String { value.map { String($0.prefix(120)) } ?? "nothing" }
            return "\(path): \(shown(expected.fields[path])) in the list, \(shown(actual[path])) in Argus"
        }
    }

    /// How the ends differ; nil where they do not by more than the tolerance.
    private static func endDifference(
        _ expected: Expected, _ item: ArgusBucket.Item, _ data: JSONTree, _ tolerance: Duration, _ now: Timestamp
    ) -> String? {
        let record = data["Webhook"] ?? data[ItemSchema.wrpEventStream.rawValue]
        if let text = record?["until"]?.text, let until = RFC3339.parse(text)?.timestamp {
            let apart = until - expected.until
            if apart > tolerance || apart < .zero - tolerance {
                return "until: \(RFC3339.format(.init(expected.until))) in the list, \(text) in Argus"
            }
        }
        guard let ttl = item.ttl else { return nil }
        let end = now + .seconds(ttl)
        if end - expected.end > tolerance + .seconds(1) {
            return "it lives \((end - expected.end).components.seconds) s too long in Argus"
        }
        // Where the pipeline cuts a life short, when it began is not known, and so any end before is possible.
        let isCut = expected.end < expected.until
        if !isCut, expected.end - end > tolerance + .seconds(1) {
            return "it ends \((expected.end - end).components.seconds) s too early in Argus"
        }
        return nil
    }
}
