import Foundation
import TestSupport
import Testing

@testable import HTTP

/// What the parser makes of bytes, whole and cut.
@Suite struct RequestParserTests {
    struct Case: CustomTestStringConvertible {
        let line: Int
        let outcome: String
        let bytes: [UInt8]
        var testDescription: String { "line \(line): \(outcome)" }
    }

    @Test(arguments: try RequestCases.all()) func cases(_ each: Case) {
        #expect(Self.outcome(of: [each.bytes]) == each.outcome)
        // Behind a byte and before the rest, wherever; and byte by byte.
        for position in each.bytes.indices.dropFirst() {
            let outcome = Self.outcome(of: [Array(each.bytes[..<position]), Array(each.bytes[position...])])
            #expect(outcome == each.outcome, "cut at \(position)")
            guard outcome == each.outcome else { break }
        }
        #expect(Self.outcome(of: each.bytes.map { [$0] }) == each.outcome, "byte by byte")
    }

    @Test func aHeaderMayHaveExactlyAsManyBytesAsAreAllowed() {
        let limits = RequestParser.Limits(headerBytes: 200, fields: 100, requestLineBytes: 100)
        func request(_ size: Int) -> [UInt8] {
            let start = "GET / HTTP/1.1\r\nHost: a\r\nX: "
            return Array((start + String(repeating: "x", count: size - start.utf8.count - 4) + "\r\n\r\n").utf8)
        }
        #expect(Self.outcome(of: [request(200)], limits) == #"GET / """#)
        #expect(Self.outcome(of: [request(201)], limits) == "refused 431")
        #expect(Self.outcome(of: request(201).map { [$0] }, limits) == "refused 431")
        #expect(Self.outcome(of: [request(400).dropLast(10)], limits) == "refused 431")
    }

    @Test func aTargetMayHaveAsManyBytesAsAreAllowed() {
        let limits = RequestParser.Limits(headerBytes: 400, fields: 100, requestLineBytes: 100)
        func request(_ size: Int) -> [UInt8] {
            let target = String(repeating: "x", count: size - 16)
            return Array("GET /\(target) HTTP/1.1\r\nHost: a\r\n\r\n".utf8)
        }
        #expect(Self.outcome(of: [request(100)], limits).hasPrefix("GET /xxx"))
        #expect(Self.outcome(of: [request(101)], limits) == "refused 414")
        #expect(Self.outcome(of: request(101).map { [$0] }, limits) == "refused 414")
        #expect(Self.outcome(of: [Array("GET /\(String(repeating: "x", count: 300))".utf8)], limits) == "refused 414")
        #expect(Self.outcome(of: [Array(String(repeating: "A", count: 300).utf8)], limits) == "refused 400")
        let blank = [UInt8](repeating: 13, count: 0) + Array(String(repeating: "\r\n", count: 195).utf8)
        #expect(Self.outcome(of: [blank + request(90)], limits) == "refused 414")
        #expect(Self.outcome(of: (blank + request(90)).map { [$0] }, limits) == "refused 414")
    }

    @Test func whatARequestSaysIsKeptAsItWas() throws {
        var parser = RequestParser()
        let text =
            "POST http://Other:1/p%20q?a=b?c HTTP/1.1\r\nHost: a\r\nX-One:  v 1\t\r\nx-one: \r\nContent-Length: 2\r\n\r\nhi"
        var position = 0
        let bytes = Array(text.utf8)
        #expect(try parser.parse(bytes.span, &position) == .head)
        try parser.allowBody(upTo: 2)
        #expect(try parser.parse(bytes.span, &position) == .end)
        let request = parser.takeRequest(from: "192.0.2.1")
        #expect(request.method == "POST")
        #expect(request.path == "/p%20q")
        #expect(request.query == "a=b?c")
        #expect(request.headers.values(of: "X-ONE") == ["v 1", ""])
        #expect(request.header("host") == "Other:1", "RFC 9112, 3.2.2: the target's host counts")
        #expect(request.body == Array("hi".utf8))
        #expect(request.remoteAddress == "192.0.2.1")
        #expect(parser.isBetweenRequests)
    }

    /// What a listener would see, in the words of the fixture.
    static func outcome(of pieces: [[UInt8]], _ limits: RequestParser.Limits = .init()) -> String {
        var parser = RequestParser(limits)
        var seen: [String] = []
        var kept: [UInt8] = []
        do throws(Refusal) {
            for piece in pieces {
                kept += piece
                var position = 0
                reading: while true {
                    switch try parser.parse(kept.span, &position) {
                    case .needsMore: break reading
                    case .head: try parser.allowBody(upTo: 1000)
                    case .end:
                        let keeps = parser.head.keepsAlive
                        let request = parser.takeRequest(from: nil)
                        let target = request.path + (request.query.map { "?\($0)" } ?? "")
                        let body = String(decoding: request.body, as: UTF8.self)
                        seen.append("\(request.method) \(target) \"\(body)\"\(keeps ? "" : " ends")")
                        guard keeps else { return seen.joined(separator: "; ") }
                    }
                }
                kept.removeFirst(position)
            }
        } catch {
            seen.append("refused \(error.status)")
            return seen.joined(separator: "; ")
        }
        if !parser.isBetweenRequests || !kept.isEmpty { seen.append("more") }
        return seen.joined(separator: "; ")
    }
}

/// Tests/Fixtures/http-requests.txt.
enum RequestCases {
    struct Malformed: Error { let line: Int }

    static func all() throws -> [RequestParserTests.Case] {
        let text = try String(
            contentsOf: Fixtures.directory.appendingPathComponent("http-requests.txt"), encoding: .utf8)
        var cases: [RequestParserTests.Case] = []
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            guard !line.isEmpty, !line.hasPrefix("#") else { continue }
            guard let bar = line.range(of: " | ") else { throw Malformed(line: index + 1) }
            let outcome = try bytes(line[..<bar.lowerBound], index + 1)
            cases.append(
                .init(
                    line: index + 1, outcome: String(decoding: outcome, as: UTF8.self),
                    bytes: try bytes(line[bar.upperBound...], index + 1)))
        }
        return cases
    }

    /// The bytes that a notation stands for.
    private static func bytes(_ text: Substring, _ line: Int) throws -> [UInt8] {
        var rest = Array(text.utf8)[...]
        let bytes = try bytes(&rest, line)
        guard rest.isEmpty else { throw Malformed(line: line) }
        return bytes
    }

    private static func bytes(_ rest: inout ArraySlice<UInt8>, _ line: Int) throws -> [UInt8] {
        var bytes: [UInt8] = []
        while let byte = rest.first, byte != UInt8(ascii: "}") {
            rest.removeFirst()
            switch byte {
            case UInt8(ascii: "\\"):
                guard let kind = rest.popFirst() else { throw Malformed(line: line) }
                switch kind {
                case UInt8(ascii: "r"): bytes.append(13)
                case UInt8(ascii: "n"): bytes.append(10)
                case UInt8(ascii: "t"): bytes.append(9)
                case UInt8(ascii: "0"): bytes.append(0)
                case UInt8(ascii: "\\"): bytes.append(kind)
                case UInt8(ascii: "x"):
                    guard let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) else {
                        throw Malformed(line: line)
                    }
                    rest = rest.dropFirst(2)
                    bytes.append(value)
                default: throw Malformed(line: line)
                }
            case UInt8(ascii: "{"):
                guard let colon = rest.firstIndex(of: UInt8(ascii: ":")),
                    let count = Int(String(decoding: rest[..<colon], as: UTF8.self))
                else { throw Malformed(line: line) }
                rest = rest[(colon + 1)...]
                let repeated = try self.bytes(&rest, line)
                guard rest.popFirst() == UInt8(ascii: "}") else { throw Malformed(line: line) }
                for _ in 0..<count { bytes += repeated }
            default: bytes.append(byte)
            }
        }
        return bytes
    }
}

@Suite struct SyntaxTests {
    @Test func controlCharactersAreFoundWhereverTheyStand() {
        for length in 1...20 {
            for position in 0..<length {
                for byte in UInt8.min...UInt8.max {
                    var bytes = [UInt8](repeating: 0x9f, count: length + 2)
                    bytes[position + 1] = byte
                    let isGood = byte == 9 || (byte >= 32 && byte != 127)
                    let isValue = Syntax.isFieldValue(1..<length + 1, of: bytes.span)
                    guard isValue != isGood else { continue }
                    Issue.record("\(byte) at \(position) of \(length)")
                }
            }
        }
    }

    @Test func tokensAreWhatRFC9110Has() {
        let token = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8
        for byte in UInt8.min...UInt8.max {
            let bytes = [65, byte, 65]
            let isToken = Syntax.isToken(0..<3, of: bytes.span)
            #expect(isToken == token.contains(byte))
            let isEmptyToken = Syntax.isToken(1..<1, of: bytes.span)
            #expect(!isEmptyToken)
        }
    }

    @Test func namesOfFieldsAreKeptAsTheyAreWritten() {
        for name in ["x-amz-sns-message-type", "X-Amz-Sns-Message-Type", "transfer-encoding", "Transfer-Encoding", "x"]
        {
            let bytes = Array("  \(name)  ".utf8)
            let read = FieldNames.name(2..<bytes.count - 2, of: bytes.span)
            #expect(read == name)
        }
    }
}
