import Locking
import TestSupport
import Testing

@Suite struct DequeTests {
    /// A queue that does what is asked of it does the same as an array.
    @Test(arguments: 0..<20 as Range<UInt64>) func aDequeDoesAsAnArrayDoes(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var deque = Deque<Int>()
        var array: [Int] = []
        for step in 0..<500 {
            switch Int.random(in: 0..<10, using: &generator) {
            case 0...3:
                deque.append(step)
                array.append(step)
            case 4...5:
                deque.prepend(step)
                array.insert(step, at: 0)
            case 6...7:
                #expect(deque.popFirst() == (array.isEmpty ? nil : array.removeFirst()))
            case 8:
                #expect(deque.popLast() == array.popLast())
            default:
                let divisor = Int.random(in: 2...9, using: &generator)
                deque.removeAll { $0 % divisor == 0 }
                array.removeAll { $0 % divisor == 0 }
            }
            #expect(deque.count == array.count && deque.isEmpty == array.isEmpty)
            #expect(deque.first == array.first && deque.last == array.last)
        }
        #expect(Array(deque) == array)
        #expect(array.indices.allSatisfy { deque[$0] == array[$0] })
    }

    @Test func whatIsTakenOutIsLetGo() {
        final class Element {}
        weak var element: Element?
        var deque = Deque<Element>()
        do {
            let made = Element()
            element = made
            deque.append(made)
        }
        _ = deque.popFirst()
        #expect(element == nil)
    }

    @Test func aCopyIsOfItsOwn() {
        var first: Deque = [1, 2, 3]
        let second = first
        _ = first.popFirst()
        #expect(Array(first) == [2, 3] && Array(second) == [1, 2, 3])
    }
}

@Suite struct HeapTests {
    @Test(arguments: 0..<20 as Range<UInt64>) func theSmallestComesFirst(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var heap = Heap<Int>()
        var sorted: [Int] = []
        for _ in 0..<500 {
            if Int.random(in: 0..<3, using: &generator) > 0 {
                let value = Int.random(in: 0..<100, using: &generator)
                heap.insert(value)
                sorted.append(value)
                sorted.sort(by: >)
            } else {
                #expect(heap.popMin() == sorted.popLast())
            }
            #expect(heap.min == sorted.last && heap.count == sorted.count)
        }
        #expect(heap.unordered.sorted(by: >) == sorted)
        heap.removeAll()
        #expect(heap.isEmpty && heap.popMin() == nil)
    }
}

@Suite struct StripedCounterTests {
    @Test func nothingThatThreadsAddAtOnceIsLost() async {
        final class Holder: Sendable { let counter = StripedCounter() }
        let holder = Holder()
        await withTaskGroup { group in
            for _ in 0..<8 { group.addTask { for number in 0..<10_000 { holder.counter.add(number % 3) } } }
        }
        #expect(holder.counter.value == 8 * (0..<10_000).reduce(0) { $0 + $1 % 3 })
    }
}
