import PipelineKit

/// `match` filters in a row, of which several ask for the host of the same field: the host is looked up once for all their lists.
struct MatchRow: FilterRow {
    /// One filter of the row.
    private enum Rule {
        /// It lets a message through where its list, this number of a column, holds the host, or holds it not.
        case host(column: Int, list: Int, passesWhereFound: Bool)
        case other(Condition)
    }

    /// The lists that are asked for the host of one field.
    private struct Column {
        let reference: Reference
        let index: HostIndex
        let count: Int
    }

    private let rules: [Rule]
    private let columns: [Column]

    /// - Returns: nil where no two filters ask for the host of the same field.
    init?(_ conditions: [Condition]) {
        var lists: [(reference: Reference, sets: [HostSet])] = []
        rules = conditions.map { condition in
            let (test, passesWhereFound): (HostTest, Bool)
            switch condition {
            case .host(let inner): (test, passesWhereFound) = (inner, true)
            case .not(.host(let inner)): (test, passesWhereFound) = (inner, false)
            default: return .other(condition)
            }
            guard test.elements == .any else { return .other(condition) }
            let column = lists.firstIndex { $0.reference == test.reference } ?? lists.count
            if column == lists.count { lists.append((test.reference, [])) }
            lists[column].sets.append(test.hosts)
            return .host(column: column, list: lists[column].sets.count - 1, passesWhereFound: passesWhereFound)
        }
        guard lists.contains(where: { $0.sets.count > 1 }) else { return nil }
        columns = lists.map { Column(reference: $0.reference, index: HostIndex($0.sets), count: $0.sets.count) }
    }

    func run(_ record: RecordView) -> FilterRowAnswer {
        // For each column in which a rule was asked, which lists hold the host.
        var found: [[Bool]?] = Array(repeating: nil, count: columns.count)
        for number in rules.indices {
            do {
                switch rules[number] {
                case .host(let column, let list, let passesWhereFound):
                    if found[column] == nil { found[column] = try lists(columns[column], record) }
                    guard found[column]?[list] == passesWhereFound else { return .stopped(by: number) }
                case .other(let condition):
                    guard try condition.holds(for: record) else { return .stopped(by: number) }
                }
            } catch {
                return .failed(by: number, error)
            }
        }
        return .passed
    }

    private func lists(_ column: Column, _ record: RecordView) throws -> [Bool] {
        var found = Array(repeating: false, count: column.count)
        for case let host? in try record.hosts(of: column.reference) {
            column.index.sets(holding: host) { found[$0] = true }
        }
        return found
    }
}
