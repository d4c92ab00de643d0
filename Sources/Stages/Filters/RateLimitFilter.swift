import Locking
public import PipelineKit
import Wire

/// Limits the number of messages per second.
public final class RateLimitFilter: Filter {
    enum Excess: String, CaseIterable, Sendable { case wait, drop }

    private static let rate = Option(
        "rate", .number(0.001...1_000_000), help: "how many messages pass per second, on average")
    private static let burst = Option(
        optional: "burst", .int(1...1_000_000),
        help: "how many may pass at once after a pause; by default those of one second")
    private static let excess = Option(
        "excess", OptionType<Excess>.choice, default: .wait, shown: "wait",
        help:
            "what happens to excess messages: they wait (senders that cannot wait are told to retry), or they are stopped"
    )

    public static let declaration = StageDeclaration(
        name: "rate-limit",
        summary: "limits the number of messages per second",
        details: """
            Counts for the pipeline in this process, over all keys. With excess: wait nothing is lost: what waits holds its place inside
            the pipeline, so that sources are held back too.
            """,
        options: [rate, burst, excess],
        shorthand: "rate",
        example: """
            stages:
              - filter:
                  rate-limit: {rate: 50, burst: 100}
            """)

    private struct Bucket {
        var tokens: Double
        var filledAt: ContinuousClock.Instant
    }

    private let rate: Double
    private let burst: Double
    private let excess: Excess
    private let isDryRun: Bool
    private let now: @Sendable () -> ContinuousClock.Instant
    private let bucket: Mutex<Bucket>

    /// Makes a filter with a full bucket.
    public convenience init(_ options: Options, _ context: StageContext) throws {
        try self.init(options, context, now: { .now })
    }

    init(_ options: Options, _ context: StageContext, now: @escaping @Sendable () -> ContinuousClock.Instant) throws {
        rate = options[Self.rate]
        burst = options[Self.burst].map(Double.init) ?? max(1, rate)
        excess = options[Self.excess]
        isDryRun = context.isDryRun
        self.now = now
        bucket = Mutex(Bucket(tokens: burst, filledAt: now()))
    }

    /// Returns whether the rate permits the message now.
    ///
    /// - Throws: a transient `StageError` if it does not and excess messages wait.
    public func admits(_ message: Message) throws -> Bool {
        if isDryRun { return true }
        let now = now()
        let missing: Double? = bucket.withLock { bucket in
            let gained = (now - bucket.filledAt).inSeconds * rate
            bucket.tokens = min(burst, bucket.tokens + max(0, gained))
            bucket.filledAt = now
            guard bucket.tokens < 1 else {
                bucket.tokens -= 1
                return nil
            }
            return 1 - bucket.tokens
        }
        guard let missing else { return true }
        if excess == .drop { return false }
        throw StageError(
            transient: "more than \(rate) messages a second", retryAfter: .seconds(missing / rate))
    }
}
