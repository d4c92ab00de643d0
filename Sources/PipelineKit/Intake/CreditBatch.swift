/// Credits that a lane releases together, so that waiters are woken once for many. Used on the lane's queue only.
final class CreditBatch {
    private var count = 0

    var isEmpty: Bool { count == 0 }

    func add() { count += 1 }

    /// Removes all credits and returns how many there were.
    func drain() -> Int {
        defer { count = 0 }
        return count
    }
}
