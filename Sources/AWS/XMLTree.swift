import Foundation
import FoundationXML

/// An element of an answer of the query API: names without prefixes, text, children.
final class XMLTree {
    let name: String
    private(set) var text = ""
    private(set) var children: [XMLTree] = []

    private init(_ name: String) { self.name = name }

    /// Reads a document; nil where it is none. Entities from outside are not resolved.
    static func parse(_ bytes: [UInt8]) -> XMLTree? {
        let parser = XMLParser(data: Data(bytes))
        parser.shouldResolveExternalEntities = false
        let builder = Builder()
        parser.delegate = builder
        return parser.parse() ? builder.root : nil
    }

    /// The first element of a name, here or anywhere below.
    func first(_ name: String) -> XMLTree? {
        if self.name == name { return self }
        for child in children {
            if let found = child.first(name) { return found }
        }
        return nil
    }

    /// The children of a name.
    func all(_ name: String) -> [XMLTree] { children.filter { $0.name == name } }

    /// The text of the first element of a name below.
    func text(_ name: String) -> String? { first(name)?.text }

    private final class Builder: NSObject, XMLParserDelegate {
        private static let maximumDepth = 32
        var root: XMLTree?
        private var open: [XMLTree] = []

        func parser(
            _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
            attributes: [String: String]
        ) {
            guard open.count < Self.maximumDepth else { return parser.abortParsing() }
            let element = XMLTree(name)
            open.last?.children.append(element)
            root = root ?? element
            open.append(element)
        }

        func parser(_ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?) {
            open.removeLast()
        }

        func parser(_ parser: XMLParser, foundCharacters string: String) { open.last?.text += string }
    }
}
