public import PipelineKit
import Wire

/// Passes messages that match a condition.
public final class MatchFilter: RecordFilter {
    private static let condition = Option("condition", Condition.type, help: "the condition")

    public static let declaration = StageDeclaration(
        name: "match",
        summary: "passes messages that match a condition",
        details: """
            A condition tests a 'field', or combines other conditions with 'all', 'any' or 'not'. A
            field can be written as the key too, and several of them hold together: {config.url: {host: a.example}, until: {after: 1h}}.

            A field is one of the record (config.url, events[*], receivers[0].url), of the publisher's attributes
            (attributes.scytale.env), or metadata.id, key, topic, publishedAt, receivedAt. Where it holds a list, one of its elements
            has to fit, or with elements: all every one. A field that is missing fits nothing but 'exists: false'. Fields are found as a
            Go program finds them: without regard to case, the last of several.

            Every list of texts can be kept in a file, one entry a line, # for remarks: in: {file: wave-1.txt}. A relative path is seen
            from the pipeline file. The file is read with the pipeline file, so also at SIGHUP.
            """,
        options: [condition],
        hasInlineOption: true,
        example: """
            stages:
              - name: partners-of-wave-1
                filter:
                  match: {field: config.url, host: ["*.partner-a.example", "hooks.partner-b.example"]}
              - name: still-wanted
                filter:
                  match: {until: {after: 1h}, registered_from_address: {cidr: 192.0.2.0/24}}
              - name: not-the-tests
                filter:
                  match: {not: {field: "events[*]", elements: all, glob: "test-*"}}
            """)

    private let condition: Condition
    private let now: @Sendable () -> Timestamp

    public init(_ options: Options, _ context: StageContext) throws {
        condition = options[Self.condition]
        now = context.now
    }

    /// Returns whether the message matches the condition.
    public func admits(_ message: Message) throws -> Bool {
        let record = RecordView(message, now: now())
        return try admits(record)
    }

    /// Returns whether the message matches the condition.
    public func admits(_ record: RecordView) throws -> Bool { try condition.holds(for: record) }

    /// Groups filters with long lists of hosts, which are then looked up together.
    public static func group(of filters: [MatchFilter]) -> (any FilterGroup)? {
        MatchFilterGroup(filters.map(\.condition))
    }
}
