import Patterns
import PipelineKit

/// The pattern that Argus requires owners to match.
struct OwnerPattern: Sendable, CustomStringConvertible {
    /// The default of Argus (0.9 and 0.11).
    static let argus = OwnerPattern(lengths: 10...60)

    let description: String
    private let lengths: ClosedRange<Int>?
    private let expression: Pattern?

    private init(lengths: ClosedRange<Int>) {
        description = "^.{\(lengths.lowerBound),\(lengths.upperBound)}$"
        self.lengths = lengths
        expression = nil
    }

    init(_ pattern: String) throws {
        description = pattern
        do {
            expression = try Pattern(pattern)
            lengths = nil
        } catch {
            throw OptionError("'\(pattern)' is no valid regular expression: \(error)")
        }
    }

    static let type = OptionType<String>.string.map(named: "regular expression") { try OwnerPattern($0) }

    func matches(_ owner: String) -> Bool {
        if let lengths { return lengths.contains(owner.unicodeScalars.count) }
        return expression?.matches(anywhere: owner) ?? false
    }
}
