import Wire

/// What was written last under each key, as far as is remembered: what tells an update that comes late from a newer one. SNS
/// redelivers late and out of order.
///
/// Bounded: the keys written least recently are forgotten, and an old update of theirs would be written.
struct WrittenVersions {
    /// How new a message is: by its publication, then by its payload's own precedence.
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
