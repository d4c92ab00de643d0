import Glibc

/// The `Date` field of responses (RFC 9110, 6.6.1), formatted once a second (RFC 9110, 5.6.7). Belongs to an event
/// loop.
struct HTTPDate {
    private var second: time_t = -1
    private var bytes: [UInt8] = []

    /// Returns `Date: Sun, 06 Nov 1994 08:49:37 GMT` with its line end.
    mutating func field() -> [UInt8] {
        let now = time(nil)
        if now != second { (second, bytes) = (now, Self.format(now)) }
        return bytes
    }

    static func format(_ second: time_t) -> [UInt8] {
        var second = second
        var parts = tm()
        gmtime_r(&second, &parts)
        let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let date = "\(two(parts.tm_mday)) \(months[Int(parts.tm_mon)]) \(parts.tm_year + 1900)"
        let text =
            "\(days[Int(parts.tm_wday)]), \(date) \(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)) GMT"
        return Array("Date: \(text)\r\n".utf8)
    }
}
