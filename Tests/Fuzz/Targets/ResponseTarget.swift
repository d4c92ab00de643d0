import HTTP

extension FuzzTarget {
    /// An answer to the client: it is read in one way wherever it is cut, and what counts as an answer is one. The first byte says how it
    /// was asked for.
    static let response = FuzzTarget(
        name: "response",
        corpus: [
            "0HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhello",
            "0HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n10\r\n0123456789abcdef\r\n0\r\nT: x\r\n\r\n",
            "0HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
            "2HTTP/1.1 503\r\nRetry-After: 1\r\nContent-Length: 3000\r\n\r\nbusy",
            "4HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nuntil the end",
            "1HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: x, close\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
            "0HTTP/1.1 304 Not Modified\r\nContent-Length: 7, 7\r\n\r\nHTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
        ]
    ) { bytes in
        guard let kind = bytes.first else { return }
        var first: Outcome?
        for pieces in Cuts.ways(bytes.dropFirst()) {
            let outcome = Outcome(pieces, kind)
            precondition(first == nil || outcome == first, "cut otherwise, it is another answer")
            first = outcome
        }
    }

    /// What a client would make of an answer.
    private struct Outcome: Equatable {
        private static let mostBytes = 2048

        var error: HTTPClientError?
        var keepsAlive = false
        var status: Int?
        var headers = HeaderFields()
        var body: [UInt8] = []
        var isBodyCut = false

        init(_ pieces: [ArraySlice<UInt8>], _ kind: UInt8) {
            var parser = ResponseParser()
            parser.begin(
                isHead: kind & 1 != 0, limit: kind & 2 != 0 ? .statusSuffices(Self.mostBytes) : .whole(Self.mostBytes),
                maximumHead: 4096)
            do throws(HTTPClientError) {
                for piece in pieces { try parser.feed(piece.span) }
                keepsAlive = parser.keepsAlive
                if !parser.isComplete { try parser.end(isOrderly: kind & 4 != 0) }
                precondition(parser.isComplete, "it has neither ended nor failed")
                take(parser.takeResponse())
                precondition(!keepsAlive || !isBodyCut, "a connection within a body is used again")
            } catch {
                self.error = error
                keepsAlive = false
                guard let response = parser.cutResponse() else { return }
                take(response)
                precondition(response.status >= 300 && response.isBodyCut, "half an answer is a success")
            }
        }

        private mutating func take(_ response: ClientResponse) {
            precondition((200...599).contains(response.status), "the status \(response.status)")
            precondition(response.body.count <= Self.mostBytes && (!response.isBodyCut || response.body.isEmpty))
            for field in response.headers {
                precondition(HeaderFields.isName(field.name), "a name that is none")
                precondition(HeaderFields.isValue(field.value), "a value that is none")
            }
            (status, headers) = (response.status, response.headers)
            (body, isBodyCut) = (response.body, response.isBodyCut)
        }
    }
}
