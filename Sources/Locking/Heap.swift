/// A binary heap whose smallest element is at hand. `insert` and `popMin` take logarithmic time, `min` constant time. Elements that
/// compare equal come out in no particular order. A value type; not synchronized.
public struct Heap<Element: Comparable> {
    @usableFromInline var elements: [Element] = []

    /// An empty heap.
    @inlinable public init() {}

    /// The number of elements.
    @inlinable public var count: Int { elements.count }

    /// Whether there is no element.
    @inlinable public var isEmpty: Bool { elements.isEmpty }

    /// The smallest element; nil where the heap is empty.
    @inlinable public var min: Element? { elements.first }

    /// The elements in no particular order.
    @inlinable public var unordered: [Element] { elements }

    /// Adds an element.
    @inlinable public mutating func insert(_ element: Element) {
        elements.append(element)
        var index = elements.count - 1
        while index > 0 {
            let parent = (index - 1) / 2
            guard elements[index] < elements[parent] else { break }
            elements.swapAt(index, parent)
            index = parent
        }
    }

    /// Removes the smallest element and returns it; nil where the heap is empty.
    @inlinable public mutating func popMin() -> Element? {
        guard let last = elements.popLast() else { return nil }
        guard let smallest = elements.first else { return last }
        elements[0] = last
        var index = 0
        while true {
            let left = 2 * index + 1
            guard left < elements.count else { break }
            let right = left + 1
            let child = right < elements.count && elements[right] < elements[left] ? right : left
            guard elements[child] < elements[index] else { break }
            elements.swapAt(index, child)
            index = child
        }
        return smallest
    }

    /// Removes everything.
    @inlinable public mutating func removeAll() { elements.removeAll() }
}

extension Heap: Sendable where Element: Sendable {}
