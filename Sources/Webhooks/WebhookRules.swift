/// How ambiguous records are interpreted.
public struct WebhookRules: Sendable {
    /// The unit of an integer `duration` in a record without `until`.
    public enum BareDuration: String, Sendable, CaseIterable {
        /// Seconds, as newer publishers use.
        case seconds
        /// Nanoseconds, as publishers of the SNS era use.
        case nanoseconds
    }

    /// The default lifetime of a registration in nanoseconds (webpa-common, webhook: 5 minutes).
    public static let defaultDuration: Int64 = 300_000_000_000
    /// The maximum lifetime of a legacy record, and its default: 300,000 seconds.
    public static let maximumLegacySeconds: Int64 = 300_000

    /// The unit of an integer `duration` in a record without `until`.
    public var bareDuration: BareDuration
    /// Whether the record's duration is used; if not, it is 300 s, as the SNS-era publisher and the original gateway
    /// set it.
    public var keepDuration: Bool

    public init(bareDuration: BareDuration = .seconds, keepDuration: Bool = true) {
        self.bareDuration = bareDuration
        self.keepDuration = keepDuration
    }
}
