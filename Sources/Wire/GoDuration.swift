/// Durations in Go's format: `5m`, `1h30m`, `1.5h`, `-2s`, `250ms`, `0`.
///
/// The units are `ns`, `us`, `µs`, `ms`, `s`, `m` and `h` (Go's package time, ParseDuration). Values are limited to 64
/// bits of nanoseconds, as in Go.
public enum GoDuration {
    /// Parses a duration; nil if it is malformed or out of range.
    public static func parse(_ text: String) -> Duration? {
        nanoseconds(text).map { .nanoseconds($0) }
    }

    /// Parses a duration in nanoseconds; nil if it is malformed or out of range.
    public static func nanoseconds(_ text: String) -> Int64? {
        var rest = Substring(text)
        var negative = false
        if let sign = rest.first, sign == "-" || sign == "+" {
            negative = sign == "-"
            rest.removeFirst()
        }
        if rest == "0" { return 0 }
        guard !rest.isEmpty else { return nil }
        var total: UInt64 = 0
        while !rest.isEmpty {
            guard let part = component(&rest) else { return nil }
            let (sum, overflow) = total.addingReportingOverflow(part)
            guard !overflow, sum <= 1 << 63 else { return nil }
            total = sum
        }
        if negative { return total == 1 << 63 ? .min : -Int64(total) }
        return Int64(exactly: total)
    }

    /// Formats nanoseconds like Go's `Duration.String()`: `5m0s`, `1h0m0s`, `1.5s`, `250ms`, `0s`.
    public static func format(nanoseconds: Int64) -> String {
        guard nanoseconds != 0 else { return "0s" }
        let magnitude = nanoseconds.magnitude
        let sign = nanoseconds < 0 ? "-" : ""
        if magnitude < 1_000 { return "\(sign)\(magnitude)ns" }
        if magnitude < 1_000_000 { return sign + decimal(magnitude, per: 1_000) + "µs" }
        if magnitude < 1_000_000_000 { return sign + decimal(magnitude, per: 1_000_000) + "ms" }
        let minutes = magnitude / 60_000_000_000
        let seconds = decimal(magnitude % 60_000_000_000, per: 1_000_000_000) + "s"
        if minutes == 0 { return sign + seconds }
        if minutes < 60 { return "\(sign)\(minutes)m\(seconds)" }
        return "\(sign)\(minutes / 60)h\(minutes % 60)m\(seconds)"
    }

    /// Parses a number with its unit, in nanoseconds.
    private static func component(_ rest: inout Substring) -> UInt64? {
        let whole = leadingDigits(&rest)
        var fraction: Substring = ""
        var hasPoint = false
        if rest.first == "." {
            hasPoint = true
            rest.removeFirst()
            fraction = leadingDigits(&rest)
        }
        guard !whole.isEmpty || (hasPoint && !fraction.isEmpty) else { return nil }
        let unitText = rest.prefix { $0 != "." && !("0"..."9").contains($0) }
        guard let unit = units[String(unitText)] else { return nil }
        rest = rest.dropFirst(unitText.count)
        var value: UInt64 = 0
        if !whole.isEmpty {
            guard let number = UInt64(whole) else { return nil }
            let (product, overflow) = number.multipliedReportingOverflow(by: unit)
            guard !overflow else { return nil }
            value = product
        }
        // As Go does: the digits as an integer (without those that do not fit), scaled in floating point.
        var digits: UInt64 = 0
        var scale = 1.0
        for digit in fraction.utf8 {
            let next = digits.multipliedReportingOverflow(by: 10)
            guard !next.overflow, next.partialValue <= UInt64(Int64.max) - 9 else { break }
            digits = next.partialValue + UInt64(digit - UInt8(ascii: "0"))
            scale *= 10
        }
        let part = digits > 0 ? UInt64(Double(digits) * (Double(unit) / scale)) : 0
        let (sum, overflow) = value.addingReportingOverflow(part)
        return overflow || sum > 1 << 63 ? nil : sum
    }

    private static func leadingDigits(_ rest: inout Substring) -> Substring {
        let found = rest.prefix { ("0"..."9").contains($0) }
        rest = rest.dropFirst(found.count)
        return found
    }

    private static func decimal(_ value: UInt64, per unit: UInt64) -> String {
        let remainder = value % unit
        guard remainder > 0 else { return "\(value / unit)" }
        var fraction = String(String(unit + remainder).dropFirst())
        while fraction.last == "0" { fraction.removeLast() }
        return "\(value / unit).\(fraction)"
    }

    private static let units: [String: UInt64] = [
        "ns": 1, "us": 1_000, "µs": 1_000, "μs": 1_000, "ms": 1_000_000, "s": 1_000_000_000,
        "m": 60_000_000_000, "h": 3_600_000_000_000,
    ]
}

extension Duration {
    /// The duration in nanoseconds, clamped to 64 bits.
    public var inNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, sumOverflow) = product.addingReportingOverflow(attoseconds / 1_000_000_000)
        return overflow || sumOverflow ? (seconds < 0 ? .min : .max) : sum
    }

    /// The duration in seconds with its fraction.
    public var inSeconds: Double {
        let (seconds, attoseconds) = components
        return Double(seconds) + Double(attoseconds) / 1e18
    }
}
