import Locking

/// Standard error, for anything but the result of a command.
enum Console {
    static func error(_ text: String) { show("\(text)\n") }

    /// Writes a text unchanged. Ignores errors: nobody may be reading.
    static func show(_ text: String) { try? OpenFile.standardError.write(text.utf8) }

    /// Returns an external text without terminal control characters.
    static func printable(_ text: String) -> String {
        String(
            text.unicodeScalars.map { scalar in
                scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value) ? "\u{fffd}" : Character(scalar)
            })
    }
}
