/// A strict parser for HTTP/1.1 requests: what other parsers may read differently is refused, to prevent request
/// smuggling. Each rule cites its section of RFC 9110 or RFC 9112.
///
/// Incremental: the caller keeps incomplete lines and bodies and passes them again with more data. The result does not
/// depend on how the input is split.
package struct RequestParser {
    /// The result of parsing.
    package enum Progress: Equatable {
        /// More bytes are needed.
        case needsMore
        /// The head is complete: call `allowBody(upTo:)` before continuing.
        case head
        /// The request is complete: call `takeRequest()`.
        case end
    }

    /// Limits of a request's head.
    package struct Limits {
        /// The maximum size of the request line and fields, and of a chunked body's trailer.
        package var headerBytes: Int
        /// The maximum number of fields.
        package var fields: Int
        /// The maximum size of the request line.
        package var requestLineBytes: Int

        /// Makes limits, by default those of a listener.
        package init(headerBytes: Int = 32 << 10, fields: Int = 100, requestLineBytes: Int = 16 << 10) {
            (self.headerBytes, self.fields, self.requestLineBytes) = (headerBytes, fields, requestLineBytes)
        }
    }

    private enum State {
        /// Before a request line.
        case start
        case fields
        case length(Int)
        case chunkSize
        case chunk(Int)
        case chunkEnd
        case trailer
        case end
    }

    /// The maximum length of a chunk's size line, and the maximum size of all chunk extensions of a body.
    private static let maximumChunkLine = 1024
    private static let maximumExtensionBytes = 8 << 10
    private static let maximumMethodLength = 32

    private let limits: Limits
    private var state = State.start
    package private(set) var head = ReceivedHead()
    private var body: [UInt8] = []
    private var maximumBody = 0

    /// How far a line's end was searched, so that trickled input costs no more.
    private var scanned = 0
    /// The size of the head or trailer so far, and the number of trailer fields.
    private var headSize = 0
    private var trailerFields = 0
    private var extensionBytes = 0
    private var framing = FramingFields()

    /// The host of a target in absolute form.
    private var authority: String?

    /// What the head has said so far about host, body length and connection.
    private struct FramingFields {
        var hosts = 0
        var lengths = 0
        var length = 0
        var hasCodings = false
        var codings = 0
        var chunkedCodings = 0
        var endsChunked = false
        var saysClose = false
        var saysKeepAlive = false
    }

    package init(_ limits: Limits = Limits()) { self.limits = limits }

    /// Whether nothing of a request was read yet.
    package var isBetweenRequests: Bool {
        if case .start = state { return headSize == 0 }
        return false
    }

    /// Whether the head was read, but not the whole body.
    var isWithinBody: Bool {
        switch state {
        case .start, .fields, .end: false
        case .length, .chunkSize, .chunk, .chunkEnd, .trailer: true
        }
    }

    /// Parses from a position of the input, which is advanced.
    ///
    /// - Throws: `Refusal`, after which the parser cannot be used.
    package mutating func parse(_ input: Span<UInt8>, _ position: inout Int) throws(Refusal) -> Progress {
        while true {
            switch state {
            case .start:
                guard try readRequestLine(input, &position) else { return .needsMore }
            case .fields:
                guard let line = try line(input, &position, maximum: limits.headerBytes - headSize, Self.headerTooLarge)
                else { return .needsMore }
                headSize += line.count + 2
                guard line.isEmpty else {
                    try readField(line, of: input)
                    continue
                }
                try endHead()
                return .head
            case .length(let left):
                let count = min(left, input.count - position)
                guard count > 0 else { return .needsMore }
                appendBody(position..<position + count, of: input)
                position += count
                state = left == count ? .end : .length(left - count)
            case .chunkSize:
                guard let line = try line(input, &position, maximum: Self.maximumChunkLine, Self.chunkLineTooLong)
                else {
                    return .needsMore
                }
                try readChunkSize(line, of: input)
            case .chunk(let left):
                let count = min(left, input.count - position)
                guard count > 0 else { return .needsMore }
                appendBody(position..<position + count, of: input)
                position += count
                state = left == count ? .chunkEnd : .chunk(left - count)
            case .chunkEnd:
                guard try readChunkEnd(input, &position) else { return .needsMore }
            case .trailer:
                guard let line = try line(input, &position, maximum: limits.headerBytes - headSize, Self.headerTooLarge)
                else { return .needsMore }
                headSize += line.count + 2
                try readTrailer(line, of: input)
            case .end:
                return .end
            }
        }
    }

    /// Sets the maximum body size of the current request.
    ///
    /// - Throws: `Refusal` if its length exceeds it.
    package mutating func allowBody(upTo maximum: Int) throws(Refusal) {
        maximumBody = maximum
        guard case .length(let count) = head.framing, count > maximum else { return }
        throw bodyTooLarge
    }

    /// Returns the complete request, and prepares for the next.
    package mutating func takeRequest(from remoteAddress: String?) -> ServerRequest {
        let request = ServerRequest(
            method: head.method, path: head.path, query: head.query, headers: head.headers, body: body,
            remoteAddress: remoteAddress)
        (head, body) = (ReceivedHead(), [])
        (state, headSize, trailerFields, extensionBytes) = (.start, 0, 0, 0)
        framing = FramingFields()
        return request
    }

    // MARK: - Lines

    private static let headerTooLarge = Refusal(431, "the header is too large")
    private static let chunkLineTooLong = Refusal(400, "the line with a chunk's size is too long")

    /// Returns the next line without its end, and advances the position; nil if it is incomplete.
    private mutating func line(
        _ input: Span<UInt8>, _ position: inout Int, maximum: Int, _ tooLong: Refusal
    ) throws(Refusal) -> Range<Int>? {
        let start = position
        guard let end = Syntax.firstIndex(of: Syntax.lineFeed, in: input, from: start + scanned) else {
            scanned = input.count - start
            guard scanned <= maximum else { throw tooLong }
            return nil
        }
        guard end + 1 - start <= maximum else { throw tooLong }
        // RFC 9112, 2.2: a recipient may accept a bare LF as a line end. Others do not, so it is refused.
        guard end > start, input[end - 1] == Syntax.carriageReturn else {
            throw Refusal(400, "a line ends without CR")
        }
        scanned = 0
        position = end + 1
        return start..<end - 1
    }

    // MARK: - The request line

    private static let malformedLine = Refusal(400, "the request line is malformed")
    private static let targetTooLong = Refusal(414, "the request's target is too long")
    private static let malformedTarget = Refusal(400, "the request's target is malformed")

    /// Reads the request line. Returns false if it is incomplete.
    private mutating func readRequestLine(_ input: Span<UInt8>, _ position: inout Int) throws(Refusal) -> Bool {
        guard position < input.count else { return false }
        // Rejects data that cannot start a request at once, such as a TLS handshake, which may never contain a line
        // end.
        let first = input[position]
        guard first == Syntax.carriageReturn || first == Syntax.lineFeed || HeaderFields.isTokenByte(first) else {
            throw Self.malformedLine
        }
        let maximum = min(limits.requestLineBytes, limits.headerBytes - headSize)
        // RFC 9110, 15.5.15, and RFC 9112, 3: 414 only if the target is too long, not the method.
        let space = Syntax.firstIndex(of: Syntax.space, in: input, from: position)
        let hasMethod = space.map { $0 - position <= min(Self.maximumMethodLength, maximum) } ?? false
        let tooLong = hasMethod ? Self.targetTooLong : Self.malformedLine
        guard let range = try line(input, &position, maximum: maximum, tooLong) else { return false }
        headSize += range.count + 2
        // RFC 9112, 2.2: ignores empty lines before a request line. They count towards the header size.
        guard !range.isEmpty else { return true }
        try readRequestLine(range, of: input)
        head.headers.reserveCapacity(16)
        state = .fields
        return true
    }

    /// RFC 9112, 3: `method SP request-target SP HTTP-version`, with single spaces.
    private mutating func readRequestLine(_ line: Range<Int>, of input: Span<UInt8>) throws(Refusal) {
        guard let space = Syntax.firstIndex(of: Syntax.space, in: input, from: line.lowerBound),
            let next = Syntax.firstIndex(of: Syntax.space, in: input, from: space + 1), next < line.upperBound
        else { throw Self.malformedLine }
        // RFC 9110, 9.1: a method is a token.
        let method = line.lowerBound..<space
        guard method.count <= Self.maximumMethodLength, Syntax.isToken(method, of: input) else {
            throw Self.malformedLine
        }
        try readVersion(next + 1..<line.upperBound, of: input)
        head.method = Syntax.text(method, of: input)
        try readTarget(space + 1..<next, of: input)
    }

    /// RFC 9112, 2.3: `HTTP/` and two digits separated by a dot.
    private mutating func readVersion(_ range: Range<Int>, of input: Span<UInt8>) throws(Refusal) {
        guard range.count == 8, Syntax.text(range.lowerBound..<range.lowerBound + 5, of: input) == "HTTP/" else {
            throw Self.malformedLine
        }
        let (major, point, minor) = (
            input[range.lowerBound + 5], input[range.lowerBound + 6], input[range.lowerBound + 7]
        )
        let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
        guard digits.contains(major), point == UInt8(ascii: "."), digits.contains(minor) else {
            throw Self.malformedLine
        }
        // RFC 9110, 15.6.6. Higher minor versions are treated as the highest known one (RFC 9110, 2.5).
        guard major == UInt8(ascii: "1") else { throw Refusal(505, "HTTP/1.1 and HTTP/1.0 are spoken here") }
        head.isVersion10 = minor == UInt8(ascii: "0")
    }

    /// RFC 9112, 3.2: the four forms of a target.
    private mutating func readTarget(_ range: Range<Int>, of input: Span<UInt8>) throws(Refusal) {
        guard !range.isEmpty else { throw Self.malformedTarget }
        // RFC 3986: no control or non-ASCII characters, and no fragment (RFC 9110, 7.1).
        for index in range {
            let byte = input[index]
            guard byte > 32, byte < 127, byte != UInt8(ascii: "#") else { throw Self.malformedTarget }
        }
        if input[range.lowerBound] == UInt8(ascii: "/") {
            readPath(range, of: input)
        } else if range.count == 1, input[range.lowerBound] == UInt8(ascii: "*") {
            // RFC 9112, 3.2.4: the server as a whole, for OPTIONS only.
            guard head.method == "OPTIONS" else { throw Self.malformedTarget }
            (head.path, head.query) = ("*", nil)
        } else if head.method == "CONNECT" {
            // RFC 9112, 3.2.3, and RFC 9110, 9.3.6: a tunnel, which only proxies support.
            throw Refusal(501, "this is no proxy")
        } else {
            try readAbsoluteForm(range, of: input)
        }
    }

    private mutating func readPath(_ range: Range<Int>, of input: Span<UInt8>) {
        let mark = Syntax.firstIndex(of: UInt8(ascii: "?"), in: input, from: range.lowerBound)
        let end = min(mark ?? range.upperBound, range.upperBound)
        head.path = Syntax.text(range.lowerBound..<end, of: input)
        head.query = end < range.upperBound ? Syntax.text(end + 1..<range.upperBound, of: input) : nil
    }

    /// RFC 9112, 3.2.2: a server must accept absolute URLs; their host replaces that of the field.
    private mutating func readAbsoluteForm(_ range: Range<Int>, of input: Span<UInt8>) throws(Refusal) {
        let start = range.lowerBound
        let scheme =
            if range.count > 7, Syntax.matches(start..<start + 7, of: input, "http://") {
                7
            } else if range.count > 8, Syntax.matches(start..<start + 8, of: input, "https://") {
                8
            } else {
                0
            }
        guard scheme > 0 else { throw Self.malformedTarget }
        var end = start + scheme
        while end < range.upperBound, input[end] != UInt8(ascii: "/"), input[end] != UInt8(ascii: "?") { end += 1 }
        let host = start + scheme..<end
        // RFC 9110, 4.2.1 and 4.2.4: a host is required, and user information is refused.
        guard !host.isEmpty, Self.isHost(host, of: input) else { throw Self.malformedTarget }
        authority = Syntax.text(host, of: input)
        if end < range.upperBound, input[end] == UInt8(ascii: "/") {
            return readPath(end..<range.upperBound, of: input)
        }
        head.path = "/"
        head.query = end < range.upperBound ? Syntax.text(end + 1..<range.upperBound, of: input) : nil
    }

    /// Returns whether bytes may be a host and port: the letters, digits and signs of RFC 3986, 3.2.2, in any order.
    private static func isHost(_ range: Range<Int>, of input: Span<UInt8>) -> Bool {
        for index in range {
            switch input[index] {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"), UInt8(ascii: "%"), UInt8(ascii: "!"), UInt8(ascii: "$"), UInt8(ascii: "&"),
                UInt8(ascii: "'"), UInt8(ascii: "("), UInt8(ascii: ")"), UInt8(ascii: "*"), UInt8(ascii: "+"),
                UInt8(ascii: ","), UInt8(ascii: ";"), UInt8(ascii: "="), UInt8(ascii: ":"), UInt8(ascii: "["),
                UInt8(ascii: "]"):
                continue
            default: return false
            }
        }
        return true
    }

    // MARK: - Fields

    /// Returns the name and the value of a field.
    private static func field(
        _ line: Range<Int>, of input: Span<UInt8>
    ) throws(Refusal) -> (name: Range<Int>, value: Range<Int>) {
        // RFC 9112, 5.2: a line that begins with white space continues the last value. Servers refuse it.
        guard !Syntax.isBlank(input[line.lowerBound]) else { throw Refusal(400, "a header field is folded") }
        // RFC 9112, 5.1: no white space before the colon; RFC 9110, 5.1: a name is a token.
        guard let colon = Syntax.firstIndex(of: UInt8(ascii: ":"), in: input, from: line.lowerBound),
            colon < line.upperBound, Syntax.isToken(line.lowerBound..<colon, of: input)
        else { throw Refusal(400, "a header field is malformed") }
        let value = Syntax.trimmed(colon + 1..<line.upperBound, of: input)
        // RFC 9110, 5.5: CR, LF and NUL are dangerous; other control characters are never needed.
        guard Syntax.isFieldValue(value, of: input) else {
            throw Refusal(400, "a header field holds a control character")
        }
        return (line.lowerBound..<colon, value)
    }

    private mutating func readField(_ line: Range<Int>, of input: Span<UInt8>) throws(Refusal) {
        let (name, value) = try Self.field(line, of: input)
        guard head.headers.fields.count < limits.fields else { throw Refusal(431, "there are too many header fields") }
        switch name.count {
        case 4 where Syntax.matches(name, of: input, "host"):
            framing.hosts += 1
            guard Self.isHost(value, of: input) else { throw Refusal(400, "Host is malformed") }
        case 6 where Syntax.matches(name, of: input, "expect"): try readExpect(value, of: input)
        case 10 where Syntax.matches(name, of: input, "connection"): readConnection(value, of: input)
        case 14 where Syntax.matches(name, of: input, "content-length"): try readLength(value, of: input)
        case 17 where Syntax.matches(name, of: input, "transfer-encoding"): readCodings(value, of: input)
        default: break
        }
        head.headers.add(FieldNames.name(name, of: input), Syntax.text(value, of: input))
    }

    /// RFC 9110, 10.1.1: the only defined expectation; ignored for HTTP/1.0.
    private mutating func readExpect(_ value: Range<Int>, of input: Span<UInt8>) throws(Refusal) {
        guard !head.isVersion10 else { return }
        guard Syntax.matches(value, of: input, "100-continue") else {
            throw Refusal(417, "the only expectation that can be met is 100-continue")
        }
        head.expectsContinue = true
    }

    /// RFC 9110, 7.6.1: a list, possibly in several fields. Upgrades are ignored (RFC 9110, 7.8).
    private mutating func readConnection(_ value: Range<Int>, of input: Span<UInt8>) {
        Syntax.forEachElement(value, of: input) { option in
            if Syntax.matches(option, of: input, "close") { framing.saysClose = true }
            if Syntax.matches(option, of: input, "keep-alive") { framing.saysKeepAlive = true }
        }
    }

    /// RFC 9110, 8.6: digits only. RFC 9112, 6.3: a second length is refused even if it is equal.
    private mutating func readLength(_ value: Range<Int>, of input: Span<UInt8>) throws(Refusal) {
        guard let length = Syntax.decimal(value, of: input) else { throw Refusal(400, "Content-Length is malformed") }
        framing.length = length
        framing.lengths += 1
        guard framing.lengths == 1 else { throw Refusal(400, "there is more than one Content-Length") }
    }

    private mutating func readCodings(_ value: Range<Int>, of input: Span<UInt8>) {
        framing.hasCodings = true
        Syntax.forEachElement(value, of: input) { coding in
            framing.codings += 1
            framing.endsChunked = Syntax.matches(coding, of: input, "chunked")
            if framing.endsChunked { framing.chunkedCodings += 1 }
        }
    }

    /// Checks what depends on all fields.
    private mutating func endHead() throws(Refusal) {
        // RFC 9112, 3.2: exactly one Host, optional in HTTP/1.0.
        guard framing.hosts == 1 || (framing.hosts == 0 && head.isVersion10) else {
            throw Refusal(400, framing.hosts == 0 ? "Host is missing" : "there is more than one Host")
        }
        if let authority {
            head.headers["Host"] = authority
            self.authority = nil
        }
        try decideFraming()
        // RFC 9112, 9.3.
        head.keepsAlive = !framing.saysClose && (!head.isVersion10 || framing.saysKeepAlive)
        headSize = 0
        switch head.framing {
        case .none: state = .end
        case .length(let length):
            body.reserveCapacity(min(length, 64 << 10))
            state = .length(length)
        case .chunked: state = .chunkSize
        }
    }

    /// Determines the framing (RFC 9112, 6.3).
    private mutating func decideFraming() throws(Refusal) {
        guard framing.hasCodings else {
            head.framing = framing.length == 0 ? .none : .length(framing.length)
            return
        }
        // RFC 9112, 6.1: both together enable request smuggling; HTTP/1.0 has no codings, so intermediaries may ignore
        // them.
        guard framing.lengths == 0 else { throw Refusal(400, "there are both Content-Length and Transfer-Encoding") }
        guard !head.isVersion10 else { throw Refusal(400, "HTTP/1.0 has no transfer codings") }
        guard framing.codings > 0 else { throw Refusal(400, "Transfer-Encoding is empty") }
        // RFC 9112, 6.1: chunked at most once; 6.3: if it is not last, the end is unknown.
        guard framing.chunkedCodings == 0 || (framing.chunkedCodings == 1 && framing.endsChunked) else {
            throw Refusal(400, "chunked is not the last transfer coding")
        }
        // RFC 9112, 6.1: 501 for an unknown coding.
        guard framing.codings == 1, framing.chunkedCodings == 1 else {
            throw Refusal(501, "the only transfer coding that is understood is chunked")
        }
        head.framing = .chunked
    }

    // MARK: - The body

    private var bodyTooLarge: Refusal { Refusal(413, "the body is larger than \(maximumBody) bytes") }

    private mutating func appendBody(_ range: Range<Int>, of input: Span<UInt8>) {
        guard !body.isEmpty || body.capacity > 0 else {
            body = Syntax.copy(range, of: input)
            return
        }
        Syntax.append(range, of: input, to: &body)
    }

    /// RFC 9112, 7.1: hexadecimal digits, then extensions (7.1.1), which are ignored.
    private mutating func readChunkSize(_ line: Range<Int>, of input: Span<UInt8>) throws(Refusal) {
        var position = line.lowerBound
        var size = 0
        while position < line.upperBound, let digit = Syntax.hexadecimal(input[position]) {
            // RFC 9112, 7.1: an overflow must not become a small number. This bound is far above any limit.
            size = min(size << 4 | digit, 1 << 48)
            position += 1
        }
        guard position > line.lowerBound else { throw Refusal(400, "the size of a chunk is malformed") }
        let rest = Syntax.trimmed(position..<line.upperBound, of: input)
        if rest.isEmpty {
            // White space is allowed before an extension, but not before the line end.
            guard position == line.upperBound else { throw Refusal(400, "the size of a chunk is malformed") }
        } else {
            guard input[rest.lowerBound] == UInt8(ascii: ";"), Syntax.isFieldValue(rest, of: input) else {
                throw Refusal(400, "the size of a chunk is malformed")
            }
            // RFC 9112, 7.1.1: limits the total size of extensions.
            extensionBytes += line.upperBound - position
            guard extensionBytes <= Self.maximumExtensionBytes else {
                throw Refusal(400, "the chunks' extensions are too long")
            }
        }
        guard size <= maximumBody - body.count else { throw bodyTooLarge }
        state = size == 0 ? .trailer : .chunk(size)
    }

    /// RFC 9112, 7.1: CRLF after a chunk's data. Returns false if it is incomplete.
    private mutating func readChunkEnd(_ input: Span<UInt8>, _ position: inout Int) throws(Refusal) -> Bool {
        let there = min(2, input.count - position)
        guard there < 1 || input[position] == Syntax.carriageReturn, there < 2 || input[position + 1] == Syntax.lineFeed
        else {
            throw Refusal(400, "a chunk does not end where its size says")
        }
        guard there == 2 else { return false }
        position += 2
        state = .chunkSize
        return true
    }

    /// RFC 9112, 7.1.2: trailer fields are parsed strictly and dropped, as RFC 9110, 6.5.1, allows: they must not
    /// smuggle a length, host or credentials.
    private mutating func readTrailer(_ line: Range<Int>, of input: Span<UInt8>) throws(Refusal) {
        guard !line.isEmpty else {
            state = .end
            return
        }
        _ = try Self.field(line, of: input)
        trailerFields += 1
        guard trailerFields <= limits.fields else { throw Refusal(431, "there are too many fields in the trailer") }
    }
}
