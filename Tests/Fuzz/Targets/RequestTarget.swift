import HTTP

extension FuzzTarget {
    /// What comes in on a connection: the same requests are read from it wherever it is cut, and the same is refused.
    static let request = FuzzTarget(
        name: "request",
        corpus: [
            "POST /x?y=z HTTP/1.1\r\nHost: a.example:80\r\nContent-Length: 5\r\n\r\nhelloGET / HTTP/1.1\r\nHost: a\r\nConnection: x, close\r\n\r\n",
            "PUT /a HTTP/1.1\r\nHost: [::1]\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n5;a=b\r\nhello\r\n10\r\n0123456789abcdef\r\n0\r\nT: x\r\n\r\nHEAD / HTTP/1.1\r\nHost: b\r\n\r\n",
            "\r\nGET http://a.example:8080?q HTTP/1.1\r\nHost: b.example\r\nX:\ty \r\n\r\nOPTIONS * HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
            "GET /%00/../#x HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n",
            "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
        ]
    ) { bytes in
        var first: Outcome?
        for pieces in Cuts.ways(bytes[...]) {
            let outcome = Outcome(pieces)
            precondition(first == nil || outcome == first, "cut otherwise, it is read otherwise")
            first = outcome
        }
    }

    /// What a server would make of a connection's bytes.
    private struct Outcome: Equatable {
        private struct Request: Equatable {
            var method: String
            var path: String
            var query: String?
            var headers: HeaderFields
            var body: [UInt8]
        }

        private static let mostBytes = 512

        private static let limits = RequestParser.Limits(headerBytes: 1024, fields: 20, requestLineBytes: 256)

        private var requests: [Request] = []
        private var refusal: Refusal?

        init(_ pieces: [ArraySlice<UInt8>]) {
            var parser = RequestParser(Self.limits)
            var input: [UInt8] = []
            do throws(Refusal) {
                for piece in pieces {
                    input += piece
                    try read(&input, &parser)
                }
            } catch {
                refusal = error
                precondition([400, 413, 414, 417, 431, 501, 505].contains(error.status) && !error.reason.isEmpty)
            }
        }

        private mutating func read(_ input: inout [UInt8], _ parser: inout RequestParser) throws(Refusal) {
            var position = 0
            while true {
                switch try parser.parse(input.span, &position) {
                case .needsMore:
                    input.removeFirst(position)
                    return
                case .head: try parser.allowBody(upTo: Self.mostBytes)
                case .end: take(parser.takeRequest(from: nil))
                }
            }
        }

        private mutating func take(_ request: ServerRequest) {
            precondition(HeaderFields.isName(request.method), "the method \(request.method)")
            precondition(request.path.hasPrefix("/") || (request.path == "*" && request.method == "OPTIONS"))
            precondition((request.path + (request.query ?? "")).utf8.allSatisfy { $0 > 32 && $0 < 127 })
            precondition(request.body.count <= Self.mostBytes, "a body of \(request.body.count) bytes")
            for field in request.headers {
                precondition(
                    HeaderFields.isName(field.name) && HeaderFields.isValue(field.value), "a field that is none")
            }
            for name in ["Host", "Content-Length"] { precondition(request.headers.values(of: name).count <= 1) }
            requests.append(
                Request(
                    method: request.method, path: request.path, query: request.query, headers: request.headers,
                    body: request.body))
        }
    }
}
