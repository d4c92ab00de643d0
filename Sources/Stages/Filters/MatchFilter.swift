public import PipelineKit

/// Lets through what fulfils a condition on its fields.
public struct MatchFilter: Filter {
    /// What it says of itself.
    public static let declaration = StageDeclaration(
        name: "match",
        summary: "lets messages through whose fields fulfil a condition",
        details: """
            A condition names a 'field' and says with one of 'equals', 'in', 'glob', 'host', 'regex' or 'exists' what has to be
            true of it, or joins other conditions with 'all', 'any' or 'not'. Where a field holds a list, one of its elements has to
            fit. A field that is missing fits nothing but 'exists: false'. Fields are found as a Go program finds them: without regard to
            case, the last of several.
            """,
        options: Condition.options,
        example: """
            stages:
              - name: partners-of-wave-1
                filter:
                  match: {field: config.url, host: ["*.partner-a.example", "hooks.partner-b.example"]}
              - name: not-the-tests
                filter:
                  match: {not: {field: events, glob: "test-*"}}
            """)

    private let condition: Condition

    /// A filter with a condition.
    public init(_ options: Options, _ context: StageContext) throws { condition = try Condition(options) }

    /// Whether the message fulfils the condition.
    public func admits(_ message: Message) throws -> Bool {
        do {
            return try condition.holds(for: message.payload.bytes(at: message.receivedAt))
        } catch {
            throw StageError("the message cannot be looked into: \(error)")
        }
    }
}
