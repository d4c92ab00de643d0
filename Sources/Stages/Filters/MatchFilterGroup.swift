import PipelineKit

/// Consecutive `match` filters of which several test the host of the same field: the host is looked up once for all
/// their lists.
struct MatchFilterGroup: FilterGroup {
    /// One filter of the group.
    private enum Rule {
        /// Passes a message if a list, by its index for the field, contains the host, or if it does not.
        case host(hostField: Int, list: Int, passesWhereFound: Bool)
        case other(Condition)
    }

    /// The lists that are tested with the host of one field.
    private struct HostField {
        let reference: FieldReference
        let index: HostIndex
        let count: Int
    }

    private let rules: [Rule]
    private let hostFields: [HostField]

    /// - Returns: nil if no two filters test the host of the same field.
    init?(_ conditions: [Condition]) {
        var lists: [(reference: FieldReference, sets: [HostSet])] = []
        rules = conditions.map { condition in
            let (test, passesWhereFound): (HostTest, Bool)
            switch condition {
            case .host(let inner): (test, passesWhereFound) = (inner, true)
            case .not(.host(let inner)): (test, passesWhereFound) = (inner, false)
            default: return .other(condition)
            }
            guard test.elements == .any else { return .other(condition) }
            let hostField = lists.firstIndex { $0.reference == test.reference } ?? lists.count
            if hostField == lists.count { lists.append((test.reference, [])) }
            lists[hostField].sets.append(test.hosts)
            return .host(
                hostField: hostField, list: lists[hostField].sets.count - 1, passesWhereFound: passesWhereFound)
        }
        guard lists.contains(where: { $0.sets.count > 1 }) else { return nil }
        hostFields = lists.map { HostField(reference: $0.reference, index: HostIndex($0.sets), count: $0.sets.count) }
    }

    func run(_ record: RecordView) -> FilterGroupResult {
        // For each field that was looked up, which lists contain the host.
        var found: [[Bool]?] = Array(repeating: nil, count: hostFields.count)
        for number in rules.indices {
            do {
                switch rules[number] {
                case .host(let hostField, let list, let passesWhereFound):
                    if found[hostField] == nil { found[hostField] = try lists(hostFields[hostField], record) }
                    guard found[hostField]?[list] == passesWhereFound else { return .stopped(by: number) }
                case .other(let condition):
                    guard try condition.holds(for: record) else { return .stopped(by: number) }
                }
            } catch {
                return .failed(by: number, error)
            }
        }
        return .passed
    }

    private func lists(_ hostField: HostField, _ record: RecordView) throws -> [Bool] {
        var found = Array(repeating: false, count: hostField.count)
        for case let host? in try record.hosts(of: hostField.reference) {
            hostField.index.sets(holding: host) { found[$0] = true }
        }
        return found
    }
}
