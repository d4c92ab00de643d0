/// A double-ended queue in a ring buffer that grows by doubling. `append`, `prepend`, `popFirst` and `popLast` take
/// amortized constant time. A value type; not synchronized.
public struct Deque<Element> {
    @usableFromInline var ring: [Element?] = []
    @usableFromInline var head = 0

    @inlinable public var count: Int { size }

    @usableFromInline var size = 0

    @inlinable public init() {}

    @inlinable public var isEmpty: Bool { count == 0 }

    /// The first element; nil if empty.
    @inlinable public var first: Element? { count == 0 ? nil : ring[head] }

    /// The last element; nil if empty.
    @inlinable public var last: Element? { count == 0 ? nil : ring[slot(count - 1)] }

    /// Adds an element at the back.
    @inlinable public mutating func append(_ element: Element) {
        growIfFull()
        ring[slot(count)] = element
        size += 1
    }

    /// Adds an element at the front.
    @inlinable public mutating func prepend(_ element: Element) {
        growIfFull()
        head = head == 0 ? ring.count - 1 : head - 1
        ring[head] = element
        size += 1
    }

    /// Removes and returns the first element; nil if empty.
    @inlinable public mutating func popFirst() -> Element? {
        guard count > 0 else { return nil }
        let element = ring[head].take()
        head = slot(1)
        size -= 1
        return element
    }

    /// Removes and returns the last element; nil if empty.
    @inlinable public mutating func popLast() -> Element? {
        guard count > 0 else { return nil }
        size -= 1
        return ring[slot(count)].take()
    }

    /// Removes the elements that satisfy a predicate, and keeps the order of the others. Takes linear time.
    @inlinable public mutating func removeAll(where shouldRemove: (Element) throws -> Bool) rethrows {
        self = Deque(try filter { try !shouldRemove($0) })
    }

    @inlinable func slot(_ offset: Int) -> Int {
        let index = head + offset
        return index < ring.count ? index : index - ring.count
    }

    @inlinable mutating func growIfFull() {
        guard count == ring.count else { return }
        var grown = [Element?]()
        grown.reserveCapacity(Swift.max(8, count * 2))
        for offset in 0..<count { grown.append(ring[slot(offset)]) }
        while grown.count < Swift.max(8, count * 2) { grown.append(nil) }
        (ring, head) = (grown, 0)
    }
}

extension Deque: Sendable where Element: Sendable {}

extension Deque: ExpressibleByArrayLiteral {
    @inlinable public init(arrayLiteral elements: Element...) { self.init(elements) }

    @inlinable public init(_ elements: some Sequence<Element>) {
        for element in elements { append(element) }
    }
}

extension Deque: RandomAccessCollection {
    @inlinable public var startIndex: Int { 0 }
    @inlinable public var endIndex: Int { count }
    /// Accesses an element by its offset from the front.
    @inlinable public subscript(position: Int) -> Element {
        precondition(position >= 0 && position < count, "index out of range")
        guard let element = ring[slot(position)] else { preconditionFailure("a slot within the queue is filled") }
        return element
    }
}
