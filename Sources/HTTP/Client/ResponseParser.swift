/// An incremental parser for HTTP/1.1 responses. The result does not depend on how the bytes are split. Strict:
/// responses that two parsers could read differently are refused.
///
/// Everything is limited: head and trailers in bytes and fields, the number of interim responses, the body by the
/// request, and the overhead of chunks.
package struct ResponseParser: Sendable {
    private enum State: Sendable {
        /// No request was sent.
        case idle
        case statusLine
        case fields
        /// This many bytes of the body are missing.
        case counted(Int)
        case untilClose
        case chunkSize
        case chunk(Int)
        /// After a chunk; whether its CR was read.
        case chunkEnd(Bool)
        case trailers
        case complete
    }

    /// What the head says about the body and the connection.
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
    /// The maximum overhead of chunks beyond what is needed; each byte of content pays for some more.
    private static let maximumChunkExcess = 16 << 10

    private var state = State.idle
    /// The beginning of an incomplete line.
    private var line: [UInt8] = []
    /// The remaining size for the head, the trailers or a chunk's line.
    private var budget = 0
    private var interimAnswers = 0
    private var chunkExcess = 0
    private var framing = Framing()
    private var response = ClientResponse(status: 0)
    private var isHead = false
    private var limit = BodyLimit.whole(0)
    private var maximumHead = 0

    /// Whether anything was received since the request, including interim responses.
    package private(set) var hasBegun = false
    /// Whether the connection may be reused after the response.
    package private(set) var keepsAlive = false

    package init() {}

    /// Whether the response is complete.
    package var isComplete: Bool { if case .complete = state { true } else { false } }

    /// The status, once the head was read.
    var status: Int? {
        switch state {
        case .idle, .statusLine, .fields: nil
        case .counted, .untilClose, .chunkSize, .chunk, .chunkEnd, .trailers, .complete: response.status
        }
    }

    /// Starts parsing the response to a request.
    ///
    /// - Parameter isHead: whether the method is HEAD, whose responses have no body.
    package mutating func begin(isHead: Bool, limit: BodyLimit, maximumHead: Int) {
        (self.isHead, self.limit, self.maximumHead) = (isHead, limit, maximumHead)
        (hasBegun, keepsAlive, interimAnswers, chunkExcess) = (false, false, 0, 0)
        response = ClientResponse(status: 0)
        line.removeAll(keepingCapacity: line.capacity <= 4096)
        beginHead()
    }

    /// Returns the complete response. The parser is idle afterwards; further data is an error.
    package mutating func takeResponse() -> ClientResponse {
        state = .idle
        defer { response = ClientResponse(status: 0) }
        return response
    }

    /// Returns what is known of a truncated response; nil if that is not enough.
    ///
    /// With `BodyLimit.statusSuffices` the status of an error is enough. A truncated response is never a success.
    package func cutResponse() -> ClientResponse? {
        guard case .statusSuffices = limit, let status, status >= 300 else { return nil }
        return ClientResponse(status: status, headers: response.headers, isBodyCut: true)
    }

    /// Parses bytes.
    ///
    /// Ignores bytes after a complete response; `keepsAlive` is false then.
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

    /// Handles the end of the connection.
    ///
    /// - Parameter isOrderly: whether the peer closed it properly, so that this can be the end of a body.
    /// - Throws: if the response is incomplete.
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

    /// Reads a line or a part of one; returns the index of its end.
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
            // A split line is rare; the copy keeps `self` free for mutation.
            let whole = line
            line.removeAll(keepingCapacity: true)
            try take(whole.span)
        }
        return next
    }

    private var tooLong: HTTPClientError {
        if case .chunkSize = state { .malformed(reason: "the line before a chunk does not end") } else { .tooLarge }
    }

    /// Rejects data that is no response by its first bytes.
    private func checkBeginning(_ bytes: Span<UInt8>, from start: Int) throws(HTTPClientError) {
        let beginning: StaticString = "HTTP/1."
        for place in line.count..<max(line.count, beginning.utf8CodeUnitCount) {
            let index = start + place - line.count
            guard index < bytes.count else { return }
            guard bytes[index] == beginning.utf8Start[place] else { throw Self.noAnswer }
        }
    }

    private static let noAnswer = HTTPClientError.malformed(reason: "it does not begin as an answer (RFC 9112, 4)")

    /// Parses a line without its LF.
    private mutating func take(_ line: Span<UInt8>) throws(HTTPClientError) {
        guard line.count > 0, line[line.count - 1] == Syntax.carriageReturn else {
            throw .malformed(reason: "a line ends without CR (RFC 9112, 2.2)")
        }
        let line = line.extracting(droppingLast: 1)
        // A CR, NUL or other control character would split the line for other parsers (RFC 9110, 5.5).
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

    /// Parses `HTTP/1.1 200 OK`, whose reason and the space before it may be missing.
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

    /// Returns the ranges of a field's name and value in a line.
    private func field(_ line: Span<UInt8>) throws(HTTPClientError) -> (name: Range<Int>, value: Range<Int>) {
        guard !Syntax.isBlank(line[0]) else { throw .malformed(reason: "a header field is folded (RFC 9112, 5.2)") }
        // White space before the colon enables smuggling.
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

    /// Parses the length (RFC 9110, 8.6): digits; several values must be equal.
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

    /// Parses the transfer coding (RFC 9112, 6.1): only chunked is supported.
    private mutating func takeCoding(_ value: Range<Int>, of line: Span<UInt8>) throws(HTTPClientError) {
        guard !framing.isChunked, Syntax.matches(value, of: line, "chunked") else {
            throw .malformed(reason: "its Transfer-Encoding is not 'chunked' alone (RFC 9112, 6.1)")
        }
        framing.isChunked = true
    }

    /// Determines the length of the body (RFC 9112, 6.3).
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
            // A body that is announced where none is allowed might still arrive.
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

    /// Parses the size of a chunk (RFC 9112, 7.1) and ignores extensions.
    private mutating func takeChunkSize(_ line: Span<UInt8>) throws(HTTPClientError) {
        let end = Syntax.firstIndex(of: UInt8(ascii: ";"), in: line, from: 0) ?? line.count
        var digits = 0..<end
        // White space before an extension is wrong but harmless; without an extension it is an error.
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

    /// Checks that more bytes do not exceed the limit.
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

    /// Parses a number of digits that cannot overflow.
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
    /// Appends a range of a span.
    fileprivate mutating func append(contentsOf bytes: Span<UInt8>, _ range: Range<Int>) {
        bytes.extracting(range).withUnsafeBufferPointer { append(contentsOf: $0) }
    }
}
