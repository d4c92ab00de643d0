/// An element of a response of the query API: name without prefix, text, children.
///
/// Parses what Amazon's services send and refuses the rest: no document types, so no entities but XML's own five and
/// numeric ones. Foundation's parser would add libxml2 and ICU, 40 MB that nothing else needs.
///
/// Source: Extensible Markup Language 1.0, 5th edition.
struct XMLTree {
    let name: String
    private(set) var text = ""
    private(set) var children: [XMLTree] = []

    /// The maximum depth of elements.
    private static let maximumDepth = 32

    private init(_ name: String) { self.name = name }

    /// Parses a document; nil if it is malformed.
    static func parse(_ bytes: [UInt8]) -> XMLTree? {
        guard String(validating: bytes, as: UTF8.self) != nil else { return nil }
        var reader = Reader(bytes: bytes)
        guard reader.skipMisc(), let root = reader.element(depth: 0), reader.skipMisc(), reader.isAtEnd else {
            return nil
        }
        return root
    }

    /// Returns the first element with a name, here or below.
    func first(_ name: String) -> XMLTree? {
        if self.name == name { return self }
        for child in children {
            if let found = child.first(name) { return found }
        }
        return nil
    }

    /// Returns the children with a name.
    func all(_ name: String) -> [XMLTree] { children.filter { $0.name == name } }

    /// Returns the text of the first element with a name below.
    func text(_ name: String) -> String? { first(name)?.text }

    private struct Reader {
        let bytes: [UInt8]
        var position = 0

        var isAtEnd: Bool { position == bytes.count }

        /// Consumes a text if it comes next.
        private mutating func consume(_ text: StaticString) -> Bool {
            let count = text.utf8CodeUnitCount
            guard position + count <= bytes.count else { return false }
            for index in 0..<count where bytes[position + index] != text.utf8Start[index] { return false }
            position += count
            return true
        }

        /// Consumes everything up to and including a text, and returns what is before it; nil if it does not occur.
        private mutating func readThrough(_ text: StaticString) -> ArraySlice<UInt8>? {
            let start = position
            while !isAtEnd {
                let end = position
                if consume(text) { return bytes[start..<end] }
                position += 1
            }
            return nil
        }

        private mutating func skipSpace() {
            while !isAtEnd, [0x20, 0x09, 0x0a, 0x0d].contains(bytes[position]) { position += 1 }
        }

        /// Skips the declaration, comments and white space around the root. Returns false for anything else.
        mutating func skipMisc() -> Bool {
            while true {
                skipSpace()
                if consume("<?") {
                    guard readThrough("?>") != nil else { return false }
                } else if consume("<!--") {
                    guard readThrough("-->") != nil else { return false }
                } else {
                    return true
                }
            }
        }

        /// Consumes an element's name and returns it without its prefix.
        private mutating func elementName() -> String? {
            let start = position
            while !isAtEnd, !"<>/=\"'& \t\r\n".utf8.contains(bytes[position]) { position += 1 }
            let name = bytes[start..<position].split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
            guard let last = name.last, !last.isEmpty, name.count <= 2 else { return nil }
            return String(decoding: last, as: UTF8.self)
        }

        /// Skips the attributes up to the end of a tag. Returns whether the tag closes itself; nil if it is malformed.
        private mutating func endOfTag() -> Bool? {
            while true {
                skipSpace()
                if consume("/>") { return true }
                if consume(">") { return false }
                guard elementName() != nil else { return nil }
                skipSpace()
                guard consume("=") else { return nil }
                skipSpace()
                guard consume("\"") ? readThrough("\"") != nil : consume("'") && readThrough("'") != nil else {
                    return nil
                }
            }
        }

        mutating func element(depth: Int) -> XMLTree? {
            guard depth < maximumDepth, consume("<"), let name = elementName(), let isEmpty = endOfTag() else {
                return nil
            }
            var element = XMLTree(name)
            if isEmpty { return element }
            while !isAtEnd {
                if consume("</") {
                    guard elementName() == name else { return nil }
                    skipSpace()
                    return consume(">") ? element : nil
                }
                if consume("<!--") {
                    guard readThrough("-->") != nil else { return nil }
                } else if consume("<![CDATA[") {
                    guard let text = readThrough("]]>") else { return nil }
                    element.text += String(decoding: text, as: UTF8.self)
                } else if bytes[position] == UInt8(ascii: "<") {
                    guard let child = self.element(depth: depth + 1) else { return nil }
                    element.children.append(child)
                } else {
                    guard let text = characters() else { return nil }
                    element.text += text
                }
            }
            return nil
        }

        /// Consumes the text up to the next tag, and replaces its entities.
        private mutating func characters() -> String? {
            var text: [UInt8] = []
            while !isAtEnd, bytes[position] != UInt8(ascii: "<") {
                if consume("&") {
                    guard let name = readThrough(";"), name.count <= 10, let character = Self.character(name) else {
                        return nil
                    }
                    text += Array(String(character).utf8)
                } else {
                    text.append(bytes[position])
                    position += 1
                }
            }
            return String(decoding: text, as: UTF8.self)
        }

        private static func character(_ name: ArraySlice<UInt8>) -> Character? {
            let name = String(decoding: name, as: UTF8.self)
            let known: [String: Character] = ["lt": "<", "gt": ">", "amp": "&", "quot": "\"", "apos": "'"]
            if let character = known[name] { return character }
            guard name.hasPrefix("#") else { return nil }
            let digits = name.dropFirst()
            let value = digits.hasPrefix("x") ? UInt32(digits.dropFirst(), radix: 16) : UInt32(digits)
            return value.flatMap(Unicode.Scalar.init).map(Character.init)
        }
    }
}
