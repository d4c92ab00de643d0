import CHecateRE2

/// A regular expression in Go's syntax, which is what Caduceus and Argus compile: no look-around and no back-references, and in turn
/// the time of a match is linear in the text. From any thread.
///
/// Source: RE2's syntax (github.com/google/re2/wiki/Syntax), without `\C`, which Go does not have.
public final class Pattern: Sendable, CustomStringConvertible {
    /// The longest pattern, in bytes.
    private static let maximumBytes = 64 << 10

    /// The pattern as it is written.
    public let description: String

    // Does not change, but for a cache that RE2 guards with a lock of its own (re2.h: "RE2 objects are thread-safe").
    private nonisolated(unsafe) let expression: OpaquePointer

    /// Compiles a pattern.
    ///
    /// - Parameter maxMemory: the most bytes that it takes, compiled and in use. What a match needs beyond that makes it slower, not
    ///   wrong.
    public init(_ text: String, maxMemory: Int = 1 << 20) throws(PatternError) {
        guard text.utf8.count <= Self.maximumBytes else {
            throw PatternError(reason: "the pattern is longer than \(Self.maximumBytes) bytes")
        }
        guard !Self.hasAnyByte(text) else { throw PatternError(reason: "invalid escape sequence: \\C") }
        var reason = [CChar](repeating: 0, count: 512)
        var text = text
        let compiled = text.withUTF8 { bytes in
            bytes.withMemoryRebound(to: CChar.self) {
                hecate_re2_new($0.baseAddress, $0.count, Int64(maxMemory), &reason, reason.count)
            }
        }
        guard let compiled else {
            let words = reason.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
            throw PatternError(reason: String(decoding: words, as: UTF8.self))
        }
        expression = compiled
        description = text
    }

    deinit { hecate_re2_free(expression) }

    /// Whether the pattern is found anywhere in a text; `^` and `$` in it are the text's ends.
    public func matches(anywhere text: String) -> Bool { matches(text, isWhole: false) }

    /// Whether the pattern is found anywhere in UTF-8. Bytes that are none fit nothing, not even a dot, but for surrogates, which RE2
    /// takes for characters.
    public func matches(anywhere bytes: UnsafeRawBufferPointer) -> Bool { matches(bytes, isWhole: false) }

    /// Whether the pattern is the whole of a text.
    public func matchesWhole(_ text: String) -> Bool { matches(text, isWhole: true) }

    /// Whether the pattern is the whole of UTF-8; of bytes that are none, as in `matches(anywhere:)`.
    public func matchesWhole(_ bytes: UnsafeRawBufferPointer) -> Bool { matches(bytes, isWhole: true) }

    private func matches(_ text: String, isWhole: Bool) -> Bool {
        let result = text.utf8.withContiguousStorageIfAvailable {
            matches(UnsafeRawBufferPointer($0), isWhole: isWhole)
        }
        return result ?? Array(text.utf8).withUnsafeBytes { matches($0, isWhole: isWhole) }
    }

    private func matches(_ bytes: UnsafeRawBufferPointer, isWhole: Bool) -> Bool {
        hecate_re2_matches(expression, bytes.baseAddress, bytes.count, isWhole ? 1 : 0) != 0
    }

    /// Whether `\C` stands in a pattern, which RE2 takes for any byte and which would match half a character. Between `\Q` and `\E`
    /// it is text.
    private static func hasAnyByte(_ text: String) -> Bool {
        var isEscaped = false
        var isQuoted = false
        for byte in text.utf8 {
            if isEscaped {
                isEscaped = false
                switch byte {
                case UInt8(ascii: "C") where !isQuoted: return true
                case UInt8(ascii: "Q"): isQuoted = true
                case UInt8(ascii: "E"): isQuoted = false
                // Within a quotation, a backslash is one unless \E follows: the second may begin that.
                case UInt8(ascii: "\\") where isQuoted: isEscaped = true
                default: break
                }
            } else {
                isEscaped = byte == UInt8(ascii: "\\")
            }
        }
        return false
    }
}

/// Why a text is no pattern.
public struct PatternError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The reason in RE2's words, such as `missing ): (a`.
    public let reason: String

    /// An error with its reason.
    public init(reason: String) { self.reason = reason }

    /// The reason for people.
    public var description: String { reason }
}
