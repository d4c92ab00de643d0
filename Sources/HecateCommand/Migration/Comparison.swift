import PipelineKit
import Stages
import Webhooks
import Wire

/// The differences between a list of live webhooks and Argus.
struct Comparison: Sendable {
    /// The kind of a difference.
    enum Kind: String, CaseIterable, Sendable {
        /// It is live in the list, but not in Argus.
        case missing
        /// It is in Argus with a checked owner, but not live in the list.
        case extra
        /// Its data differs.
        case different
        /// It expires at another time.
        case expires
        /// It is in Argus with another owner.
        case owner
        /// It is live in the list, but the pipeline refuses it.
        case refused
    }

    /// A difference.
    struct Difference: Sendable {
        var kind: Kind
        var id: String
        var url: String
        /// The differences by field, without the values of secrets.
        var details: [String]
        /// Its entry in the list, or nil.
        var entry: RegistrationList.Entry?
    }

    /// A webhook as Argus should hold it.
    struct Expected: Sendable {
        var entry: RegistrationList.Entry
        var url: String
        /// The expected owner; nil if unknown.
        var owner: String?
        /// The fields of its data by path.
        var fields: [String: String]
        /// When the registration expires.
        var until: Timestamp
        /// The latest expiry that Argus may report.
        var end: Timestamp
    }

    /// The items that a list leads to.
    struct ExpectedItems: Sendable {
        /// By id.
        var expected: [String: Expected] = [:]
        /// The ids of those that a filter stops.
        var filtered: Set<String> = []
        /// How many have expired.
        var ended = 0
        /// Those that cannot be parsed or that the pipeline refuses.
        var refused: [Difference] = []
    }

    /// How many are live and expected in Argus.
    var live = 0
    /// How many are filtered.
    var filtered = 0
    /// The differences, sorted by kind and id.
    var differences: [Difference] = []

    /// Computes the items that a list leads to.
    ///
    /// - Parameter evaluation: the filters and transforms of the pipeline; nil to use the records unchanged.
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
            // The last registration of a webhook wins, as for every reader.
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

    /// Returns the compared fields of an item's data: all but those that change with every renewal, and empty ones.
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

    /// Compares a list with Argus.
    ///
    /// - Parameters:
    ///   - items: the items in Argus, by owner.
    ///   - isOwnedByOther: returns whether an id that is in none of the lists exists with another owner.
    ///   - tolerance: the allowed difference between expiry times.
    ///   - isPipelined: whether the expected items are the output of a pipeline, not bare records.
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

    /// Returns only the record of an item's data, from any generation.
    private static func recordOnly(_ data: JSONTree) -> JSONTree {
        .members(["Webhook": data["Webhook"] ?? data[ItemSchema.wrpEventStream.rawValue] ?? .null])
    }

    private static func changes(_ expected: Expected, _ actual: [String: String]) -> [String] {
        Set(expected.fields.keys).union(actual.keys).sorted().compactMap { path in
            guard expected.fields[path] != actual[path] else { return nil }
            if path.split(separator: ".").last == "secret" {
                // A list without secrets cannot be compared by them.
                return expected.entry.isObfuscated ? nil : "\(path) differs"
            }
            func shown(_ value: String?) -> String { value.map { String($0.prefix(120)) } ?? "nothing" }
            return "\(path): \(shown(expected.fields[path])) in the list, \(shown(actual[path])) in Argus"
        }
    }

    /// Returns how the expiry times differ; nil if within the tolerance.
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
        // The pipeline shortened the lifetime. Its start is unknown, so any earlier expiry is possible.
        let isCut = expected.end < expected.until
        if !isCut, expected.end - end > tolerance + .seconds(1) {
            return "it ends \((expected.end - end).components.seconds) s too early in Argus"
        }
        return nil
    }
}
