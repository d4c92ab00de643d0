/// A binary min-heap. `insert` and `popMin` take logarithmic time, `min` constant time. Equal elements have no defined
/// order. A value type; not synchronized.
public struct Heap<Element: Comparable> {
    @usableFromInline var elements: [Element] = []

    @inlinable public init() {}

    @inlinable public var count: Int { elements.count }

    @inlinable public var isEmpty: Bool { elements.isEmpty }

    /// The smallest element; nil if empty.
    @inlinable public var min: Element? { elements.first }

    /// The elements in no defined order.
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

    /// Removes and returns the smallest element; nil if empty.
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

    @inlinable public mutating func removeAll() { elements.removeAll() }
}

extension Heap: Sendable where Element: Sendable {}
