public import Wire

/// A complete webhook registration, from which every generation of readers can be served.
public struct Webhook: Sendable, Equatable {
    /// The URL that events are delivered to, which identifies the webhook. Never empty.
    public var url: String
    /// The content type that the receiver wants; may be empty.
    public var contentType: String
    /// The key that signs deliveries; empty for none. A secret.
    public var secret: String
    /// Further URLs to deliver to.
    public var alternativeURLs: [String]
    /// The URL that failures are reported to; may be empty.
    public var failureURL: String
    /// Patterns of the wanted events. Never empty.
    public var events: [String]
    /// Patterns of the wanted devices; `.*` for all.
    public var deviceIDs: [String]
    /// The address that registered it; may be empty.
    public var registeredFromAddress: String
    /// Its lifetime in nanoseconds.
    public var duration: Int64
    /// When it expires.
    public var until: RFC3339.DateTime
    /// Whether the record itself had an `until`.
    public var hasOwnUntil: Bool

    /// What Tr1d1um's list shows in place of a secret (ancla, obfuscateSecrets).
    public static let obfuscatedSecret = "<obfuscated>"
}

/// Why a record is no valid webhook.
public struct WebhookError: Error, Equatable, CustomStringConvertible {
    public let description: String

    init(_ reason: String) { description = reason }
}

extension Webhook {
    /// Parses a record in any of its three formats and completes it.
    ///
    /// An integer `until` marks a legacy record. Missing fields get the defaults of Tr1d1um (webpa-common 1.x,
    /// webhook.W).
    /// - Parameters:
    ///   - json: the record, or an array whose first element is used.
    ///   - publishedAt: the start of the lifetime of a record without `until`.
    /// - Throws: `WebhookError` if it is no valid webhook.
    public init(json: [UInt8], publishedAt: Timestamp, rules: WebhookRules) throws {
        let record = try WebhookRecord(json: json)
        guard !record.url.isEmpty else { throw WebhookError("config.url is missing or empty") }
        guard !record.events.isEmpty else { throw WebhookError("events is missing or empty") }
        let duration = try rules.keepDuration ? Self.duration(of: record, rules) : WebhookRules.defaultDuration
        var until: RFC3339.DateTime?
        switch record.until {
        case .absent: until = nil
        case .dateTime(let value): until = value == WebhookRecord.goZeroTime ? nil : value
        case .epoch(let seconds): until = seconds > 0 ? RFC3339.DateTime(Timestamp(seconds: seconds)) : nil
        }
        if let until, !(0...9999).contains(RFC3339.year(of: until)) {
            throw WebhookError("until lies outside the years 0 to 9999")
        }
        self.init(
            url: record.url, contentType: record.contentType, secret: record.secret,
            alternativeURLs: record.alternativeURLs, failureURL: record.failureURL, events: record.events,
            deviceIDs: record.deviceIDs.isEmpty ? [".*"] : record.deviceIDs,
            registeredFromAddress: record.registeredFromAddress, duration: duration,
            until: until ?? RFC3339.DateTime(publishedAt + .nanoseconds(duration)), hasOwnUntil: until != nil)
    }

    private static func duration(of record: WebhookRecord, _ rules: WebhookRules) throws -> Int64 {
        switch record.duration {
        case .absent:
            if case .epoch = record.until { return WebhookRules.maximumLegacySeconds * 1_000_000_000 }
            return WebhookRules.defaultDuration
        case .text(let text):
            guard let value = GoDuration.nanoseconds(text) else {
                throw WebhookError("duration is text but no duration such as \"5m\" or \"1h30m\"")
            }
            return value > 0 ? value : WebhookRules.defaultDuration
        case .integer(let value):
            switch record.until {
            case .epoch:
                let maximum = WebhookRules.maximumLegacySeconds
                return (value <= 0 || value > maximum ? maximum : value) * 1_000_000_000
            case .dateTime: return value > 0 ? value : WebhookRules.defaultDuration
            case .absent:
                guard value > 0 else { return WebhookRules.defaultDuration }
                guard rules.bareDuration == .seconds else { return value }
                let (product, overflow) = value.multipliedReportingOverflow(by: 1_000_000_000)
                guard !overflow else { throw WebhookError("duration is too large: \(value) s") }
                return product
            }
        }
    }
}
