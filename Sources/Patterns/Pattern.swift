import CHecateRE2

/// A regular expression in Go's syntax, as Caduceus and Argus use: without look-around and back-references, so that
/// matching takes linear time. Thread-safe.
///
/// Source: RE2's syntax (github.com/google/re2/wiki/Syntax), without `\C`, which Go does not support.
public final class Pattern: Sendable, CustomStringConvertible {
    /// The maximum length of a pattern in bytes.
    private static let maximumBytes = 64 << 10

    /// The pattern as it was written.
    public let description: String

    // Immutable, except for a cache that RE2 locks (re2.h: "RE2 objects are thread-safe").
    private nonisolated(unsafe) let expression: OpaquePointer

    /// Compiles a pattern.
    ///
    /// - Parameter maxMemory: the maximum memory in bytes. A match that needs more is slower, not wrong.
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

    /// Returns whether the pattern matches anywhere in a text; `^` and `$` match at its ends.
    public func matches(anywhere text: String) -> Bool { matches(text, isWhole: false) }

    /// Returns whether the pattern matches anywhere in UTF-8. Invalid bytes match nothing, not even a dot, except
    /// surrogates, which RE2 accepts.
    public func matches(anywhere bytes: UnsafeRawBufferPointer) -> Bool { matches(bytes, isWhole: false) }

    /// Returns whether the pattern matches a whole text.
    public func matchesWhole(_ text: String) -> Bool { matches(text, isWhole: true) }

    /// Returns whether the pattern matches the whole of UTF-8; for invalid bytes see `matches(anywhere:)`.
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

    /// Returns whether a pattern contains `\C`, which in RE2 matches any byte, even a part of a character. Between `\Q`
    /// and `\E` it is literal.
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
                // In a quotation a backslash is literal unless E follows, so the second of two may start `\E`.
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

/// Why a pattern is invalid.
public struct PatternError: Error, Sendable, Equatable, CustomStringConvertible {
    /// RE2's message, such as `missing ): (a`.
    public let reason: String

    public init(reason: String) { self.reason = reason }

    public var description: String { reason }
}
