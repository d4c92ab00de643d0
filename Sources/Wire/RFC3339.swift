/// RFC 3339 date-times as Go's `encoding/json` reads and writes `time.Time`, because Go programs read and write these
/// records.
///
/// Beyond RFC 3339, like Go's `time.Parse`: the fraction may follow a comma, the hour may have one digit, digits after
/// the ninth of the fraction are cut, and offsets go up to 24:60. Lower-case `t` and `z`, leap seconds and the hour 24
/// are refused.
public enum RFC3339 {
    /// A point in time with its UTC offset, so that it is written as it was read.
    public struct DateTime: Hashable, Sendable {
        public var timestamp: Timestamp
        /// The offset in seconds east of Greenwich.
        public var offset: Int32

        /// Makes a date-time, by default in UTC.
        public init(_ timestamp: Timestamp, offset: Int32 = 0) {
            self.timestamp = timestamp
            self.offset = offset
        }
    }

    /// Parses a date-time; nil if it is malformed.
    public static func parse(_ text: String) -> DateTime? {
        var text = text
        return text.withUTF8 { bytes in
            var cursor = Cursor(bytes: bytes)
            return cursor.dateTime()
        }
    }

    /// Formats a date-time with its offset, `Z` for zero, without trailing zeros in the fraction.
    public static func format(_ value: DateTime) -> String {
        let local = value.timestamp.seconds.addingReportingOverflow(Int64(value.offset)).partialValue
        var days = local / 86_400
        var secondOfDay = local % 86_400
        if secondOfDay < 0 {
            secondOfDay += 86_400
            days -= 1
        }
        let (year, month, day) = civilDate(daysSinceEpoch: days)
        var text: [UInt8] = []
        text.reserveCapacity(36)
        append(Int64(year), digits: 4, to: &text)
        text.append(UInt8(ascii: "-"))
        append(Int64(month), digits: 2, to: &text)
        text.append(UInt8(ascii: "-"))
        append(Int64(day), digits: 2, to: &text)
        text.append(UInt8(ascii: "T"))
        append(secondOfDay / 3600, digits: 2, to: &text)
        text.append(UInt8(ascii: ":"))
        append(secondOfDay / 60 % 60, digits: 2, to: &text)
        text.append(UInt8(ascii: ":"))
        append(secondOfDay % 60, digits: 2, to: &text)
        if value.timestamp.nanoseconds > 0 {
            text.append(UInt8(ascii: "."))
            append(Int64(value.timestamp.nanoseconds), digits: 9, to: &text)
            while text.last == UInt8(ascii: "0") { text.removeLast() }
        }
        // Go writes an offset in whole minutes, and `Z` only if it is exactly zero.
        if value.offset == 0 {
            text.append(UInt8(ascii: "Z"))
        } else {
            text.append(value.offset < 0 ? UInt8(ascii: "-") : UInt8(ascii: "+"))
            let minutes = Int64(abs(value.offset)) / 60
            append(minutes / 60, digits: 2, to: &text)
            text.append(UInt8(ascii: ":"))
            append(minutes % 60, digits: 2, to: &text)
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Returns the year of a date-time at its offset.
    public static func year(of value: DateTime) -> Int {
        let local = value.timestamp.seconds.addingReportingOverflow(Int64(value.offset)).partialValue
        let days = local >= 0 ? local / 86_400 : (local - 86_399) / 86_400
        return civilDate(daysSinceEpoch: days).year
    }

    /// Formats a timestamp in UTC.
    public static func format(_ timestamp: Timestamp) -> String { format(DateTime(timestamp)) }

    private static func append(_ value: Int64, digits: Int, to text: inout [UInt8]) {
        var divisor: Int64 = 1
        for _ in 1..<digits { divisor *= 10 }
        if value < 0 {
            text.append(UInt8(ascii: "-"))
        }
        let value = abs(value)
        if value >= divisor * 10 {
            text.append(contentsOf: String(value).utf8)
            return
        }
        while divisor > 0 {
            text.append(UInt8(ascii: "0") + UInt8(value / divisor % 10))
            divisor /= 10
        }
    }
}

// MARK: - The proleptic Gregorian calendar
//
// Counted in eras of 400 years that begin in March, so that the leap day is the last day of a year
// (Howard Hinnant, "chrono-compatible low-level date algorithms").

extension RFC3339 {
    static func daysSinceEpoch(year: Int, month: Int, day: Int) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return Int64(era * 146_097 + dayOfEra - 719_468)
    }

    static func civilDate(daysSinceEpoch: Int64) -> (year: Int, month: Int, day: Int) {
        let days = Int(daysSinceEpoch) + 719_468
        let era = (days >= 0 ? days : days - 146_096) / 146_097
        let dayOfEra = days - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
    }

    static func daysIn(month: Int, of year: Int) -> Int {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    private struct Cursor {
        let bytes: UnsafeBufferPointer<UInt8>
        var position = 0

        init(bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

        mutating func dateTime() -> DateTime? {
            guard let year = number(digits: 4), take("-"), let month = number(digits: 2), take("-"),
                let day = number(digits: 2), take("T"), let hour = hour(), take(":"),
                let minute = number(digits: 2), take(":"), let second = number(digits: 2)
            else { return nil }
            guard (1...12).contains(month), day >= 1, day <= RFC3339.daysIn(month: month, of: year),
                hour < 24, minute < 60, second < 60
            else { return nil }
            let nanoseconds = fraction()
            guard let offset = offset(), position == bytes.count else { return nil }
            let days = RFC3339.daysSinceEpoch(year: year, month: month, day: day)
            let seconds = days * 86_400 + Int64(hour * 3600 + minute * 60 + second) - Int64(offset)
            return DateTime(Timestamp(seconds: seconds, nanoseconds: nanoseconds), offset: offset)
        }

        private mutating func hour() -> Int? {
            number(digits: 2) ?? number(digits: 1)
        }

        private mutating func fraction() -> Int32 {
            guard position + 1 < bytes.count, [UInt8(ascii: "."), UInt8(ascii: ",")].contains(bytes[position]),
                digit(at: position + 1) != nil
            else { return 0 }
            position += 1
            var value: Int32 = 0
            var count = 0
            while let next = digit(at: position) {
                if count < 9 { value = value * 10 + Int32(next) }
                count += 1
                position += 1
            }
            while count < 9 {
                value *= 10
                count += 1
            }
            return value
        }

        private mutating func offset() -> Int32? {
            if take("Z") { return 0 }
            let sign: Int32
            if take("+") {
                sign = 1
            } else if take("-") {
                sign = -1
            } else {
                return nil
            }
            guard let hours = number(digits: 2), take(":"), let minutes = number(digits: 2), hours <= 24, minutes <= 60
            else { return nil }
            let offset = Int32(hours * 3600 + minutes * 60)
            // Go cannot write an offset of a day or more; refuse it here, where the reason can be given.
            return offset < 86_400 ? sign * offset : nil
        }

        private mutating func take(_ character: Unicode.Scalar) -> Bool {
            guard position < bytes.count, bytes[position] == UInt8(ascii: character) else { return false }
            position += 1
            return true
        }

        private func digit(at index: Int) -> UInt8? {
            guard index < bytes.count, bytes[index] >= UInt8(ascii: "0"), bytes[index] <= UInt8(ascii: "9") else {
                return nil
            }
            return bytes[index] - UInt8(ascii: "0")
        }

        private mutating func number(digits: Int) -> Int? {
            var value = 0
            for index in 0..<digits {
                guard let next = digit(at: position + index) else { return nil }
                value = value * 10 + Int(next)
            }
            position += digits
            return value
        }
    }
}
