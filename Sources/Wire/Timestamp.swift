#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// A point in time with nanosecond precision: seconds since 1970-01-01T00:00:00Z, possibly negative, plus 0 to
/// 999,999,999 nanoseconds.
///
/// Two fields, because a webhook's `until` may be outside the 292 years of a 64-bit count of nanoseconds
/// (`9999-12-31T23:59:59Z` is a common way to say "for ever").
public struct Timestamp: Hashable, Comparable, Sendable {
    /// The whole seconds since the epoch.
    public let seconds: Int64
    /// The fraction of a second, 0 to 999,999,999.
    public let nanoseconds: Int32

    /// Makes a timestamp; `nanoseconds` must be in 0 ..< 1,000,000,000.
    public init(seconds: Int64, nanoseconds: Int32 = 0) {
        precondition((0..<1_000_000_000).contains(nanoseconds))
        self.seconds = seconds
        self.nanoseconds = nanoseconds
    }

    /// Returns the time of the system's wall clock.
    public static func now() -> Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(seconds: Int64(time.tv_sec), nanoseconds: Int32(time.tv_nsec))
    }

    public static func < (left: Timestamp, right: Timestamp) -> Bool {
        left.seconds != right.seconds ? left.seconds < right.seconds : left.nanoseconds < right.nanoseconds
    }

    /// Adds a duration, clamped to the 64-bit range of seconds.
    public static func + (left: Timestamp, right: Duration) -> Timestamp {
        let (rightSeconds, attoseconds) = right.components
        var nanoseconds = Int64(left.nanoseconds) + attoseconds / 1_000_000_000
        var carry: Int64 = 0
        if nanoseconds < 0 {
            nanoseconds += 1_000_000_000
            carry = -1
        } else if nanoseconds >= 1_000_000_000 {
            nanoseconds -= 1_000_000_000
            carry = 1
        }
        let (sum, overflow) = left.seconds.addingReportingOverflow(rightSeconds)
        let (total, carryOverflow) = sum.addingReportingOverflow(carry)
        if overflow || carryOverflow {
            return Timestamp(seconds: rightSeconds < 0 ? .min : .max)
        }
        return Timestamp(seconds: total, nanoseconds: Int32(nanoseconds))
    }

    /// Returns the time from `right` to `left`; negative if `left` is earlier.
    public static func - (left: Timestamp, right: Timestamp) -> Duration {
        let (seconds, overflow) = left.seconds.subtractingReportingOverflow(right.seconds)
        let whole = overflow ? (left < right ? Int64.min : Int64.max) : seconds
        return .seconds(whole) + .nanoseconds(Int64(left.nanoseconds) - Int64(right.nanoseconds))
    }
}

extension Timestamp: CustomStringConvertible {
    /// RFC 3339 in UTC, such as `2026-01-01T00:05:00.5Z`.
    public var description: String { RFC3339.format(self) }
}
