public import PipelineKit
import Webhooks
import Wire

/// Turns a webhook record into an Argus item.
public struct ArgusItemTransform: Transform {
    enum Origin: String, CaseIterable {
        case duration, until, earliest
    }

    enum Expired: String, CaseIterable {
        case drop, keep
    }

    private static let owner = Option(
        optional: "owner", RuleSet.type("owner", isList: false),
        help: "the owner of the items, or rules for it; by default none")
    private static let ownerPattern = Option(
        "ownerPattern", OwnerPattern.type, default: OwnerPattern.argus, shown: OwnerPattern.argus.description,
        help: "the pattern of owners that Argus accepts: its userInputValidation.ownerFormatRegex")
    private static let partnerIDs = Option(
        optional: "partnerIDs", RuleSet.type("partnerIDs", isList: true),
        help: "the partners of the items, or rules for them; the original gateway wrote [comcast]; by default none")
    private static let schema = Option(
        "schema", OptionType<ItemSchema>.choice, default: .webhook, shown: "webhook",
        help:
            "the format of the data: webhook for Caduceus up to 0.9 and Tr1d1um 0.6 and 0.7, the other for the newest Tr1d1um"
    )
    private static let from = Option(
        "from", OptionType<Origin>.choice, default: .duration, shown: "duration",
        help: "what determines when an item expires; see above")
    private static let minimum = Option(
        "min", .duration, default: .zero, shown: "0s", help: "the minimum ttl of an item that has not expired")
    private static let maximum = Option(optional: "max", .duration, help: "the maximum ttl")
    private static let expired = Option(
        "expired", OptionType<Expired>.choice, default: .drop, shown: "drop",
        help: "what happens to expired items: they are dropped, or written with a ttl of 0 as the original did")
    private static let ttl = Option(
        "ttl", .group("ttl", [from, minimum, maximum, expired]), default: Options(), shown: "",
        help: "the lifetime of items")
    private static let bareDuration = Option(
        "bareDuration", OptionType<WebhookRules.BareDuration>.choice, default: .seconds, shown: "seconds",
        help: "the unit of an integer duration in a record without until")
    private static let keepDuration = Option(
        "keepDuration", .bool, default: true,
        help: "whether the record's duration is used; if not, it is 300 s, as in the original gateway")

    public static let declaration = StageDeclaration(
        name: "argus-item",
        summary: "turns a webhook record into an Argus item",
        details: """
            Reads the three shapes of a record: that of the SNS era (duration in nanoseconds, until as a date-time), the legacy one
            (duration in seconds, until as epoch seconds) and the newer registration (duration in seconds or as "1h30m"). The item's id
            is the SHA-256 of config.url.

            ttl.from says when an item ends: 'duration' counts from when the message was published, and an until in the record caps it;
            'until' is the record's until, whatever its duration; 'earliest' is whichever of the two comes first. A record without until
            ends its duration after it was published. The ttl itself is worked out when the item is written, so the time a message waited
            is taken off.

            owner and partnerIDs are a text (or texts), or rules that are tried in order until one gives a value:
              {when: CONDITION, owner: TEXT}      where a condition holds, as in filter match
              {lookup: {field: ..., file: ...}}   where a table knows what stands in a field
              {owner: "team-{attributes.team}"}   a text filled from the message: {config.url}, {config.url|host},
                                                  {attributes.NAME}, {metadata.key}; passed over where that is missing
              {default: TEXT}                     otherwise
            A message to which no rule gives an owner is refused, so that nothing is written under the wrong one.
            """,
        options: [owner, ownerPattern, partnerIDs, schema, ttl, bareDuration, keepDuration],
        accepts: .bytes, produces: ArgusItem.kind,
        example: """
            stages:
              - transform:
                  argus-item:
                    owner:
                      - {when: {field: config.url, host: "*.partner-a.example"}, owner: partner-a-team}
                      - {lookup: {field: config.url, by: host, table: {hooks.example.net: example-net-team}}}
                      - {default: xmidt-migration}
                    ttl: {from: duration, max: 24h, expired: drop}
            """)

    private let owner: RuleSet?
    private let ownerPattern: OwnerPattern
    private let partnerIDs: RuleSet?
    private let now: @Sendable () -> Timestamp
    private let schema: ItemSchema
    private let origin: Origin
    private let minimum: Int64
    private let maximum: Int64
    private let keepsExpired: Bool
    private let rules: WebhookRules

    public init(_ options: Options, _ context: StageContext) throws {
        owner = options[Self.owner]
        ownerPattern = options[Self.ownerPattern]
        if let constant = owner?.constant?.first {
            do {
                try Self.check(constant, ownerPattern)
            } catch {
                throw OptionError("\(error)", at: options.location(of: Self.owner))
            }
        }
        partnerIDs = options[Self.partnerIDs]
        now = context.now
        schema = options[Self.schema]
        let ttl = options[Self.ttl]
        origin = ttl[Self.from]
        minimum = ttl[Self.minimum].components.seconds
        maximum = ttl[Self.maximum]?.components.seconds ?? .max
        guard minimum <= maximum else {
            throw OptionError("ttl.min is more than ttl.max", at: ttl.location(of: Self.minimum))
        }
        guard maximum > 0 else {
            throw OptionError("ttl.max is less than a second", at: ttl.location(of: Self.maximum))
        }
        keepsExpired = ttl[Self.expired] == .keep
        rules = WebhookRules(bareDuration: options[Self.bareDuration], keepDuration: options[Self.keepDuration])
    }

    /// Returns the owner of all items of a stage; nil if it is another kind, or the owner depends on the message.
    public static func constantOwner(of stage: PipelineSpec.StageSpec) -> String? {
        guard stage.kind.declaration.name == declaration.name, stage.kind.role == .transform else { return nil }
        guard let owner = stage.options[owner] else { return "" }
        return owner.constant?.first
    }

    /// Returns the item for the message's record. An expired item is made, too, and skipped when it is its turn to be
    /// written.
    public func transform(_ message: Message) throws -> [Message] {
        let published = message.originatedAt
        let webhook = try Webhook(
            json: message.payload.bytes(at: message.receivedAt), publishedAt: published, rules: rules)
        let record = RecordView(message, now: now())
        var item = message
        item.payload = ArgusItem(
            id: ArgusItem.id(ofURL: webhook.url), owner: try owner(of: record),
            data: webhook.itemData(partnerIDs: try partners(of: record), schema: schema),
            lifetime: ItemLifetime(
                end: end(of: webhook, published), minimum: minimum, maximum: maximum, keepsExpired: keepsExpired))
        return [item]
    }

    private func owner(of record: RecordView) throws -> String {
        guard let owner else { return "" }
        // A constant owner was checked when the transform was made.
        if let constant = owner.constant?.first { return constant }
        guard let name = try owner.values(for: record)?.first else {
            throw StageError("no rule of 'owner' gives an owner; add {default: ...} for the rest")
        }
        try Self.check(name, ownerPattern)
        return name
    }

    private static func check(_ owner: String, _ pattern: OwnerPattern) throws {
        guard owner.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7f }), owner.utf8.count <= 256 else {
            throw StageError("an owner is sent in a header: use at most 256 printable ASCII characters")
        }
        guard pattern.matches(owner) else {
            throw StageError(
                "'\(owner)' is no owner that Argus accepts (\(pattern)); if yours does, set 'ownerPattern' to its pattern"
            )
        }
    }

    private func partners(of record: RecordView) throws -> [String] {
        guard let partnerIDs else { return [] }
        guard let partners = try partnerIDs.values(for: record) else {
            throw StageError("no rule of 'partnerIDs' gives partners; add {default: []} for the rest")
        }
        return partners
    }

    private func end(of webhook: Webhook, _ published: Timestamp) -> Timestamp {
        let until = webhook.until.timestamp
        let byDuration = published + .nanoseconds(webhook.duration)
        switch origin {
        case .until: return until
        case .duration, .earliest: return webhook.hasOwnUntil ? min(byDuration, until) : byDuration
        }
    }
}
