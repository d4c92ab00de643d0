import Wire

/// Remembers the version that was last written under each key, to tell a late update from a newer one: SNS redelivers
/// late and out of order.
///
/// Bounded: keys that were not written for long are forgotten; a late update of such a key is written.
struct WrittenVersions {
    /// The age of a message's content: its publication time, then the precedence of its payload.
    struct Version: Comparable {
        let published: Timestamp
        let precedence: Timestamp?

        init(_ message: Message) {
            published = message.originatedAt
            precedence = message.payload.precedence
        }

        static func < (left: Version, right: Version) -> Bool {
            if left.published != right.published { return left.published < right.published }
            guard let leftPrecedence = left.precedence, let rightPrecedence = right.precedence else { return false }
            return leftPrecedence < rightPrecedence
        }
    }

    private let generationCapacity: Int
    private var current: [String: Version] = [:]
    private var previous: [String: Version] = [:]

    init(capacity: Int) { generationCapacity = max(1, capacity / 2) }

    subscript(key: String) -> Version? {
        get { current[key] ?? previous[key] }
        set {
            if current.count >= generationCapacity, current[key] == nil {
                previous = current
                current = [:]
            }
            current[key] = newValue
        }
    }
}
