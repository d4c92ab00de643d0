/// Reads answers of HTTP/1.1 as their bytes come, one after the other. What comes out does not depend on how the bytes are cut. It is
/// strict: where two readers could see two lengths, or one sees a field where another sees a part of a value, there is no answer.
///
/// Everything is bounded: the head and the trailers in bytes and fields, the number of interim answers, the body by what was asked
/// for, and what chunks bring along beside their content.
package struct ResponseParser: Sendable {
    private enum State: Sendable {
        /// Nobody has asked anything.
        case idle
        case statusLine
        case fields
        /// So many bytes of the body are to come.
        case counted(Int)
        case untilClose
        case chunkSize
        case chunk(Int)
        /// Behind a chunk; whether its CR has come.
        case chunkEnd(Bool)
        case trailers
        case complete
    }

    /// What a head says of the body behind it and of the connection.
    private struct Framing: Sendable {
        var isVersion11 = false
        var length: Int?
        var isChunked = false
        var saysClose = false
        var saysKeepAlive = false
    }

    private static let maximumFields = 200
    private static let maximumInterimAnswers = 32
    private static let maximumChunkLine = 4096
    /// What chunks may bring along beyond what they need; each of their bytes pays for some more.
    private static let maximumChunkExcess = 16 << 10

    private var state = State.idle
    /// The beginning of a line whose end has not come.
    private var line: [UInt8] = []
    /// How many more bytes the head, the trailers or a chunk's line may have.
    private var budget = 0
    private var interimAnswers = 0
    private var chunkExcess = 0
    private var framing = Framing()
    private var response = ClientResponse(status: 0)
    private var isHead = false
    private var limit = BodyLimit.whole(0)
    private var maximumHead = 0

    /// Whether anything has come since the request, be it an interim answer.
    package private(set) var hasBegun = false
    /// Whether the connection may take another request when the answer is complete.
    package private(set) var keepsAlive = false

    /// A parser that rests.
    package init() {}

    /// Whether the answer is complete.
    package var isComplete: Bool { if case .complete = state { true } else { false } }

    /// The status of the answer once its head is there; nil before.
    var status: Int? {
        switch state {
        case .idle, .statusLine, .fields: nil
        case .counted, .untilClose, .chunkSize, .chunk, .chunkEnd, .trailers, .complete: response.status
        }
    }

    /// A request goes out; what comes from now on is its answer.
    ///
    /// - Parameter isHead: whether the method is HEAD, whose answers have no body.
    package mutating func begin(isHead: Bool, limit: BodyLimit, maximumHead: Int) {
        (self.isHead, self.limit, self.maximumHead) = (isHead, limit, maximumHead)
        (hasBegun, keepsAlive, interimAnswers, chunkExcess) = (false, false, 0, 0)
        response = ClientResponse(status: 0)
        line.removeAll(keepingCapacity: line.capacity <= 4096)
        beginHead()
    }

    /// The complete answer. The parser rests afterwards: whatever comes then was not asked for.
    package mutating func takeResponse() -> ClientResponse {
        state = .idle
        defer { response = ClientResponse(status: 0) }
        return response
    }

    /// What is known of an answer whose end will not come; nil where that is not enough.
    ///
    /// The status of a refusal or a failure is enough for who said so (`BodyLimit.statusSuffices`). Half an answer is never a success.
    package func cutResponse() -> ClientResponse? {
        guard case .statusSuffices = limit, let status, status >= 300 else { return nil }
        return ClientResponse(status: status, headers: response.headers, isBodyCut: true)
    }

    /// Takes what has come.
    ///
    /// Bytes behind a complete answer are left alone: nobody asked for them. `keepsAlive` is false then.
    package mutating func feed(_ bytes: Span<UInt8>) throws(HTTPClientError) {
        guard !bytes.isEmpty else { return }
        hasBegun = true
        var index = 0
        while index < bytes.count {
            switch state {
            case .idle, .complete:
                keepsAlive = false
                return
            case .statusLine, .fields, .chunkSize, .trailers:
                index = try readLine(bytes, from: index)
            case .counted(let left):
                let count = min(left, bytes.count - index)
                append(bytes.extracting(index..<(index + count)))
                index += count
                state = count == left ? .complete : .counted(left - count)
            case .untilClose:
                try appendIfSmallEnough(bytes.extracting(index...))
                index = bytes.count
            case .chunk(let left):
                let count = min(left, bytes.count - index)
                append(bytes.extracting(index..<(index + count)))
                index += count
                state = count == left ? .chunkEnd(false) : .chunk(left - count)
            case .chunkEnd(let hasCR):
                guard bytes[index] == (hasCR ? Syntax.lineFeed : Syntax.carriageReturn) else {
                    throw .malformed(reason: "a chunk does not end where it should (RFC 9112, 7.1)")
                }
                index += 1
                if hasCR { beginChunk() } else { state = .chunkEnd(true) }
            }
        }
    }

    /// The other side has closed the connection.
    ///
    /// - Parameter isOrderly: whether it said so in order, so that it can be the end of a body that has no other.
    /// - Throws: where that is not the end of a complete answer.
    package mutating func end(isOrderly: Bool) throws(HTTPClientError) {
        keepsAlive = false
        switch state {
        case .idle, .complete: break
        case .untilClose where isOrderly: state = .complete
        case .statusLine where line.isEmpty: throw .closed
        case .statusLine, .fields, .counted, .untilClose, .chunkSize, .chunk, .chunkEnd, .trailers:
            throw .closedWithinAnswer
        }
    }

    // MARK: Lines

    /// Takes a line, or as much of it as is there; returns where it ends.
    private mutating func readLine(_ bytes: Span<UInt8>, from start: Int) throws(HTTPClientError) -> Int {
        if case .statusLine = state { try checkBeginning(bytes, from: start) }
        let end = Syntax.firstIndex(of: Syntax.lineFeed, in: bytes, from: start)
        let next = end.map { $0 + 1 } ?? bytes.count
        budget -= next - start
        guard budget >= 0 else { throw tooLong }
        guard let end else {
            line.append(contentsOf: bytes, start..<next)
            return next
        }
        if line.isEmpty {
            try take(bytes.extracting(start..<end))
        } else {
            line.append(contentsOf: bytes, start..<end)
            // A line that came in parts is rare; the copy keeps `take` free to change the parser.
            let whole = line
            line.removeAll(keepingCapacity: true)
            try take(whole.span)
        }
        return next
    }

    private var tooLong: HTTPClientError {
        if case .chunkSize = state { .malformed(reason: "the line before a chunk does not end") } else { .tooLarge }
    }

    /// What does not begin as an answer does is told by its first bytes, not after thousands.
    private func checkBeginning(_ bytes: Span<UInt8>, from start: Int) throws(HTTPClientError) {
        let beginning: StaticString = "HTTP/1."
        for place in line.count..<max(line.count, beginning.utf8CodeUnitCount) {
            let index = start + place - line.count
            guard index < bytes.count else { return }
            guard bytes[index] == beginning.utf8Start[place] else { throw Self.noAnswer }
        }
    }

    private static let noAnswer = HTTPClientError.malformed(reason: "it does not begin as an answer (RFC 9112, 4)")

    /// A line without its LF.
    private mutating func take(_ line: Span<UInt8>) throws(HTTPClientError) {
        guard line.count > 0, line[line.count - 1] == Syntax.carriageReturn else {
            throw .malformed(reason: "a line ends without CR (RFC 9112, 2.2)")
        }
        let line = line.extracting(droppingLast: 1)
        // A CR, a NUL or another control character would make it another line for another reader (RFC 9110, 5.5).
        guard Syntax.isFieldValue(0..<line.count, of: line) else {
            throw .malformed(reason: "a line holds a control character (RFC 9110, 5.5)")
        }
        switch state {
        case .statusLine: try takeStatusLine(line)
        case .fields:
            if line.isEmpty { try endHead() } else { try takeField(line) }
        case .chunkSize: try takeChunkSize(line)
        case .trailers:
            if line.isEmpty { state = .complete } else { _ = try field(line) }
        case .idle, .counted, .untilClose, .chunk, .chunkEnd, .complete:
            preconditionFailure("no line is read here")
        }
    }

    // MARK: The head

    private mutating func beginHead() {
        (state, budget, framing) = (.statusLine, maximumHead, Framing())
        response = ClientResponse(status: 0)
    }

    /// `HTTP/1.1 200 OK`; the reason may be missing, and the space before it.
    private mutating func takeStatusLine(_ line: Span<UInt8>) throws(HTTPClientError) {
        guard line.count >= 12, line[7] == UInt8(ascii: "0") || line[7] == UInt8(ascii: "1"), line[8] == Syntax.space,
            line.count == 12 || line[12] == Syntax.space
        else { throw Self.noAnswer }
        var status = 0
        for index in 9..<12 {
            guard (48...57).contains(line[index]) else { throw Self.noAnswer }
            status = status * 10 + Int(line[index] - 48)
        }
        guard (100...599).contains(status) else {
            throw .malformed(reason: "its status is none (RFC 9110, 15)")
        }
        framing.isVersion11 = line[7] == UInt8(ascii: "1")
        response.status = status
        state = .fields
    }

    /// Where a field's name and its value lie in the line.
    private func field(_ line: Span<UInt8>) throws(HTTPClientError) -> (name: Range<Int>, value: Range<Int>) {
        guard !Syntax.isBlank(line[0]) else { throw .malformed(reason: "a header field is folded (RFC 9112, 5.2)") }
        // No white space before the colon either, which was used to smuggle.
        guard let colon = Syntax.firstIndex(of: UInt8(ascii: ":"), in: line, from: 0),
            Syntax.isToken(0..<colon, of: line)
        else { throw .malformed(reason: "a header field has no name (RFC 9112, 5.1)") }
        return (0..<colon, Syntax.trimmed((colon + 1)..<line.count, of: line))
    }

    private mutating func takeField(_ line: Span<UInt8>) throws(HTTPClientError) {
        guard response.headers.fields.count < Self.maximumFields else { throw .tooLarge }
        let (name, value) = try field(line)
        switch name.count {
        case 10 where Syntax.matches(name, of: line, "connection"): takeConnection(value, of: line)
        case 14 where Syntax.matches(name, of: line, "content-length"): try takeLength(value, of: line)
        case 17 where Syntax.matches(name, of: line, "transfer-encoding"): try takeCoding(value, of: line)
        default: break
        }
        response.headers.add(FieldNames.name(name, of: line), Syntax.text(value, of: line))
    }

    private mutating func takeConnection(_ value: Range<Int>, of line: Span<UInt8>) {
        Syntax.forEachElement(value, of: line) { element in
            if Syntax.matches(element, of: line, "close") { framing.saysClose = true }
            if Syntax.matches(element, of: line, "keep-alive") { framing.saysKeepAlive = true }
        }
    }

    /// RFC 9110, 8.6: digits; where there are several, as a list or in several fields, all the same.
    private mutating func takeLength(_ value: Range<Int>, of line: Span<UInt8>) throws(HTTPClientError) {
        var start = value.lowerBound
        while true {
            let comma = Syntax.firstIndex(of: UInt8(ascii: ","), in: line, from: start)
            let end = comma.map { min($0, value.upperBound) } ?? value.upperBound
            let length = Self.number(Syntax.trimmed(start..<end, of: line), of: line, base: 10)
            guard let length, framing.length ?? length == length else {
                throw .malformed(reason: "its Content-Length is none, or two (RFC 9110, 8.6)")
            }
            framing.length = length
            guard end < value.upperBound else { return }
            start = end + 1
        }
    }

    /// RFC 9112, 6.1: nothing was asked for but chunks.
    private mutating func takeCoding(_ value: Range<Int>, of line: Span<UInt8>) throws(HTTPClientError) {
        guard !framing.isChunked, Syntax.matches(value, of: line, "chunked") else {
            throw .malformed(reason: "its Transfer-Encoding is not 'chunked' alone (RFC 9112, 6.1)")
        }
        framing.isChunked = true
    }

    /// How long the body is: RFC 9112, 6.3.
    private mutating func endHead() throws(HTTPClientError) {
        guard response.status >= 200 else { return try endInterimHead() }
        if framing.isChunked {
            guard framing.length == nil else {
                throw .malformed(reason: "it has both Transfer-Encoding and Content-Length (RFC 9112, 6.3)")
            }
            guard framing.isVersion11 else {
                throw .malformed(reason: "it has a Transfer-Encoding in HTTP/1.0 (RFC 9112, 6.1)")
            }
        }
        keepsAlive = !framing.saysClose && (framing.isVersion11 || framing.saysKeepAlive)
        if isHead || response.status == 204 || response.status == 304 {
            // A body that is announced where none may be might come all the same.
            if response.status == 204, framing.isChunked || framing.length ?? 0 > 0 { keepsAlive = false }
            state = .complete
        } else if framing.isChunked {
            beginChunk()
        } else if let length = framing.length {
            try checkSize(length)
            guard !isComplete else { return }
            response.body.reserveCapacity(min(length, 64 << 10))
            state = length == 0 ? .complete : .counted(length)
        } else {
            keepsAlive = false
            state = .untilClose
        }
    }

    private mutating func endInterimHead() throws(HTTPClientError) {
        guard response.status != 101 else {
            throw .malformed(reason: "it switches to a protocol that nobody asked for (RFC 9110, 15.2.2)")
        }
        interimAnswers += 1
        guard interimAnswers <= Self.maximumInterimAnswers else {
            throw .malformed(reason: "more than \(Self.maximumInterimAnswers) interim answers come before it")
        }
        beginHead()
    }

    // MARK: The body

    private mutating func beginChunk() { (state, budget) = (.chunkSize, Self.maximumChunkLine) }

    /// RFC 9112, 7.1: hexadecimal digits, and extensions that nobody wants.
    private mutating func takeChunkSize(_ line: Span<UInt8>) throws(HTTPClientError) {
        let end = Syntax.firstIndex(of: UInt8(ascii: ";"), in: line, from: 0) ?? line.count
        var digits = 0..<end
        // White space before an extension is bad but harmless; where there is none, it is not.
        if end < line.count { digits = 0..<Syntax.trimmed(0..<end, of: line).upperBound }
        guard let size = Self.number(digits, of: line, base: 16) else {
            throw .malformed(reason: "the size of a chunk is none (RFC 9112, 7.1)")
        }
        chunkExcess = max(0, chunkExcess + line.count - 16 - min(size, 1 << 20))
        guard chunkExcess <= Self.maximumChunkExcess else {
            throw .malformed(reason: "its chunks hold more extensions than content")
        }
        guard size > 0 else { return (state, budget) = (.trailers, maximumHead) }
        try checkSize(size)
        if !isComplete { state = .chunk(size) }
    }

    private var maximumBody: Int {
        switch limit {
        case .whole(let most), .statusSuffices(let most): max(0, most)
        }
    }

    /// Sees to it that so many more bytes are not too many.
    private mutating func checkSize(_ count: Int) throws(HTTPClientError) {
        guard count > maximumBody - response.body.count else { return }
        guard case .statusSuffices = limit else { throw .tooLarge }
        response.body = []
        response.isBodyCut = true
        keepsAlive = false
        state = .complete
    }

    private mutating func appendIfSmallEnough(_ bytes: Span<UInt8>) throws(HTTPClientError) {
        try checkSize(bytes.count)
        if !isComplete { append(bytes) }
    }

    private mutating func append(_ bytes: Span<UInt8>) { response.body.append(contentsOf: bytes, 0..<bytes.count) }

    /// A number of digits alone, small enough never to overflow.
    private static func number(_ digits: Range<Int>, of line: Span<UInt8>, base: Int) -> Int? {
        guard (1...15).contains(digits.count) else { return nil }
        var number = 0
        for index in digits {
            guard let digit = Syntax.hexadecimal(line[index]), digit < base else { return nil }
            number = number * base + digit
        }
        return number
    }
}

extension Array<UInt8> {
    /// Appends a part of a span.
    fileprivate mutating func append(contentsOf bytes: Span<UInt8>, _ range: Range<Int>) {
        bytes.extracting(range).withUnsafeBufferPointer { append(contentsOf: $0) }
    }
}
