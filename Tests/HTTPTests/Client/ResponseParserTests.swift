import Foundation
import TestSupport
import Testing

@testable import HTTP

/// The parser of answers, against Tests/Fixtures/http-answers.txt.
@Suite struct ResponseParserTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let line: Int
        let outcome: String
        let isHead: Bool
        let limit: BodyLimit
        let bytes: [UInt8]
        var testDescription: String { "line \(line)" }
    }

    static let cases: [Case] = {
        let text =
            (try? Fixtures.data("http-answers.txt", orFrom: "")).map { String(decoding: $0, as: UTF8.self) } ?? ""
        return text.split(separator: "\n", omittingEmptySubsequences: false).enumerated().compactMap { number, line in
            guard !line.isEmpty, !line.hasPrefix("#") else { return nil }
            let parts = line.split(separator: "|", maxSplits: 2).map { $0.trimmingCharacters(in: .whitespaces) }
            let request = parts[1].split(separator: " ")
            let isStatusEnough = request[1].hasPrefix("~")
            let most = Int(request[1].drop { $0 == "~" }) ?? 0
            return Case(
                line: number + 1, outcome: String(decoding: unescaped(parts[0]), as: UTF8.self),
                isHead: request[0] == "HEAD", limit: isStatusEnough ? .statusSuffices(most) : .whole(most),
                bytes: parts.count > 2 ? unescaped(String(line.split(separator: "|", maxSplits: 2)[2].dropFirst())) : []
            )
        }
    }()

    /// The bytes that a text of the table stands for.
    private static func unescaped(_ text: String) -> [UInt8] {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "\\"), let kind = rest.popFirst() {
                switch kind {
                case UInt8(ascii: "r"): bytes.append(13)
                case UInt8(ascii: "n"): bytes.append(10)
                case UInt8(ascii: "t"): bytes.append(9)
                case UInt8(ascii: "0"): bytes.append(0)
                default:
                    bytes.append(UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) ?? 0)
                    rest = rest.dropFirst(2)
                }
            } else if byte == UInt8(ascii: "{"), let colon = rest.firstIndex(of: UInt8(ascii: ":")) {
                var depth = 1
                var end = colon
                while depth > 0 {
                    end += 1
                    if rest[end] == UInt8(ascii: "{") { depth += 1 }
                    if rest[end] == UInt8(ascii: "}") { depth -= 1 }
                }
                let inner = unescaped(String(decoding: rest[(colon + 1)..<end], as: UTF8.self))
                for _ in 0..<(Int(String(decoding: rest[..<colon], as: UTF8.self)) ?? 0) { bytes += inner }
                rest = rest[(end + 1)...]
            } else {
                bytes.append(byte)
            }
        }
        return bytes
    }

    /// What becomes of an answer that comes in these pieces, with the end of the connection behind it.
    static func outcome(_ each: Case, _ pieces: [ArraySlice<UInt8>]) -> String {
        var parser = ResponseParser()
        parser.begin(isHead: each.isHead, limit: each.limit, maximumHead: 500)
        do throws(HTTPClientError) {
            for piece in pieces { try parser.feed(piece.span) }
            // What ends here by itself does not say whether the connection could go on.
            let keeps = parser.keepsAlive
            try parser.end(isOrderly: true)
            let response = parser.takeResponse()
            let end = response.isBodyCut ? "cut" : keeps ? "keeps" : "ends"
            return "\(response.status) \"\(String(decoding: response.body, as: UTF8.self))\" \(end)"
        } catch {
            if let cut = parser.cutResponse() { return "\(cut.status) \"\" cut" }
            switch error {
            case .closedWithinAnswer: return "cut"
            case .malformed: return "malformed"
            default: return "\(error)" == "the answer is too large" ? "tooLarge" : "closed"
            }
        }
    }

    @Test(arguments: cases) func answersAreReadStrictlyHoweverTheyAreCut(each: Case) {
        let bytes = each.bytes
        #expect(Self.outcome(each, [bytes[...]]) == each.outcome)
        #expect(Self.outcome(each, bytes.indices.map { bytes[$0...$0] }) == each.outcome, "byte by byte")
        for cut in stride(from: 0, to: bytes.count, by: max(1, bytes.count / 120)) {
            let outcome = Self.outcome(each, [bytes[..<cut], bytes[cut...]])
            if outcome != each.outcome { Issue.record("cut at \(cut): \(outcome)") }
        }
    }

    @Test func theTableIsThere() { #expect(Self.cases.count > 100) }

    @Test func oneParserReadsOneAnswerAfterTheOther() throws {
        var parser = ResponseParser()
        for number in 0..<3 {
            parser.begin(isHead: false, limit: .whole(10), maximumHead: 500)
            #expect(!parser.hasBegun && parser.status == nil)
            try parser.feed(Array("HTTP/1.1 20\(number) X\r\nContent-Length: 1\r\nA: \(number)\r\n".utf8).span)
            #expect(parser.hasBegun && parser.status == nil && !parser.isComplete)
            try parser.feed(Array("\r\n".utf8).span)
            #expect(parser.status == 200 + number && !parser.isComplete)
            try parser.feed(Array("\(number)".utf8).span)
            #expect(parser.isComplete && parser.keepsAlive)
            let response = parser.takeResponse()
            #expect(response.status == 200 + number && response.body == Array("\(number)".utf8))
            #expect(response.headers["a"] == "\(number)" && response.headers.fields.count == 2)
        }
        try parser.feed([0].span)
        #expect(!parser.keepsAlive)
    }

    @Test func aRecordOfFieldsIsBounded() throws {
        var parser = ResponseParser()
        parser.begin(isHead: false, limit: .whole(10), maximumHead: 1 << 20)
        #expect(throws: HTTPClientError.tooLarge) {
            try parser.feed(Array(("HTTP/1.1 200 X\r\n" + String(repeating: "A:\r\n", count: 201)).utf8).span)
        }
    }
}
