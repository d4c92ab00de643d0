import Cryptography
import Foundation
import PipelineKit

/// Figures of several rounds, each taken in turn with a yardstick: the same work of the machine alone. The ratio of the two is what is
/// compared with an earlier measurement, so that a machine that is slower today is no regression.
struct Measurement: Codable {
    /// A figure, and how much of the yardstick's work the machine did in a second just before.
    struct Pair: Codable {
        var yardstick: Double
        var value: Double
    }

    /// By the figure's name.
    var pairs: [String: [Pair]] = [:]

    mutating func add(_ results: [String: Double], yardstick: Double) {
        for (name, value) in results { pairs[name, default: []].append(Pair(yardstick: yardstick, value: value)) }
    }

    /// The medians by name.
    var medians: [String: Double] { pairs.mapValues { Self.median($0.map(\.value)) } }

    /// Hashes on all processors, for about a second. The median of many short times, since what disturbs one of them is no measure of the
    /// machine.
    ///
    /// - Returns: megabytes a second.
    static func yardstick() -> Double {
        let block = [UInt8](repeating: 7, count: 1 << 20)
        let count = 128
        let rates = (0..<25).map { _ in
            let begun = ContinuousClock.now
            DispatchQueue.concurrentPerform(iterations: availableProcessors()) { _ in
                for _ in 0..<count / availableProcessors() { _ = Digest.sha256(block) }
            }
            return Double(count) / ((ContinuousClock.now - begun) / .seconds(1))
        }
        return median(rates)
    }

    /// What a figure says about how fast the gateway is.
    enum Direction {
        /// More is better, and a faster machine does more.
        case rate
        /// Less is better, and a faster machine takes less.
        case time
        /// Less is better, whatever the machine.
        case size
    }

    /// nil for what is no measure, such as how many there were.
    static func direction(of name: String) -> Direction? {
        if name.hasSuffix("PerSecond") || name.hasPrefix("queue.") { return .rate }
        if name.hasSuffix("Milliseconds") || name.hasSuffix("Seconds") { return .time }
        return name.hasSuffix("Megabytes") ? .size : nil
    }

    /// A figure beside what it was.
    struct Change {
        var name: String
        /// How many times as good as it was: above 1 is better.
        var ratio: Double
        /// How far below 1 it may be: twice what the rounds of both measurements differ by, 15 % at least:
        /// one program measured twice differed by up to 14 % on two cores.
        var noise: Double
        var isRegression: Bool { ratio < 1 - noise }
    }

    /// Compares the figures that both measurements have.
    func compared(with baseline: Measurement) -> [Change] {
        pairs.keys.sorted().compactMap { name in
            guard let direction = Self.direction(of: name), let mine = pairs[name], let theirs = baseline.pairs[name],
                !mine.isEmpty, !theirs.isEmpty
            else { return nil }
            let (new, old) = (mine.map { Self.score($0, direction) }, theirs.map { Self.score($0, direction) })
            let ratio = Self.median(new) / Self.median(old)
            return Change(name: name, ratio: ratio, noise: max(0.15, 2 * (Self.spread(new) + Self.spread(old))))
        }
    }

    /// A pair as one number, of which more is better.
    private static func score(_ pair: Pair, _ direction: Direction) -> Double {
        switch direction {
        case .rate: pair.value / pair.yardstick
        case .time: 1 / (max(pair.value, 1e-9) * pair.yardstick)
        case .size: 1 / max(pair.value, 1e-9)
        }
    }

    private static func median(_ values: [Double]) -> Double {
        let sorted = values.sorted()
        return sorted.count % 2 == 1
            ? sorted[sorted.count / 2] : (sorted[sorted.count / 2 - 1] + sorted[sorted.count / 2]) / 2
    }

    /// The median distance from the median, as a share of it.
    private static func spread(_ values: [Double]) -> Double {
        let middle = median(values)
        return median(values.map { abs($0 - middle) }) / middle
    }
}
