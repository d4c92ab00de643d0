/// A queue with two ends, in a ring of memory that grows by doubling. `append`, `prepend`, `popFirst` and `popLast` take constant
/// time, amortized. A value type; not synchronized.
public struct Deque<Element> {
    @usableFromInline var ring: [Element?] = []
    @usableFromInline var head = 0

    /// The number of elements.
    @inlinable public var count: Int { size }

    @usableFromInline var size = 0

    /// An empty queue.
    @inlinable public init() {}

    /// Whether there is no element.
    @inlinable public var isEmpty: Bool { count == 0 }

    /// The element at the front; nil where the queue is empty.
    @inlinable public var first: Element? { count == 0 ? nil : ring[head] }

    /// The element at the back; nil where the queue is empty.
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

    /// Removes the element at the front and returns it; nil where the queue is empty.
    @inlinable public mutating func popFirst() -> Element? {
        guard count > 0 else { return nil }
        let element = ring[head].take()
        head = slot(1)
        size -= 1
        return element
    }

    /// Removes the element at the back and returns it; nil where the queue is empty.
    @inlinable public mutating func popLast() -> Element? {
        guard count > 0 else { return nil }
        size -= 1
        return ring[slot(count)].take()
    }

    /// Removes the elements that satisfy a predicate; the order of the others stays. Takes time in proportion to `count`.
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
    /// A queue of these elements, the first in front.
    @inlinable public init(arrayLiteral elements: Element...) { self.init(elements) }

    /// A queue of the elements of a sequence, the first in front.
    @inlinable public init(_ elements: some Sequence<Element>) {
        for element in elements { append(element) }
    }
}

extension Deque: RandomAccessCollection {
    /// Always 0.
    @inlinable public var startIndex: Int { 0 }
    /// `count`.
    @inlinable public var endIndex: Int { count }
    /// The element so many places behind the front. The index has to be valid.
    @inlinable public subscript(position: Int) -> Element {
        precondition(position >= 0 && position < count, "index out of range")
        guard let element = ring[slot(position)] else { preconditionFailure("a slot within the queue is filled") }
        return element
    }
}
