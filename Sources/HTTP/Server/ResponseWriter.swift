/// Writes the head of a response.
enum ResponseWriter {
    /// How the client finds the end of the body.
    enum Framing {
        case length(Int)
        case chunked
        /// No body and no length (RFC 9110, 8.6), for 204, 304 and similar.
        case none
        /// Until the end of the connection, for streams to HTTP/1.0 clients.
        case untilClose
    }

    /// What the response says about the connection.
    enum Persistence {
        case keepAlive
        /// Kept alive, for HTTP/1.0 clients, which must be told.
        case keepAliveExplicit
        case close
    }

    /// Appends the status line and the fields, including the empty line.
    ///
    /// - Returns: the names of invalid fields that were left out: CR, LF or NUL in a value, or an invalid name (RFC
    ///   9110, 5.5).
    static func appendHead(
        _ response: ServerResponse, _ framing: Framing, _ persistence: Persistence, date: [UInt8],
        to output: inout [UInt8]
    ) -> [String] {
        output.append("HTTP/1.1 ")
        output.append(number: response.status)
        output.append(" ")
        output.append(reason(response.status))
        output.append("\r\n")
        output.append(contentsOf: date)
        var refused: [String] = []
        for field in response.headers.fields where !isReserved(field.name) {
            if !output.append(field: field.name, field.value) { refused.append(field.name) }
        }
        if let type = response.contentType, !output.append(field: "Content-Type", type) {
            refused.append("Content-Type")
        }
        switch framing {
        case .length(let count):
            output.append("Content-Length: ")
            output.append(number: count)
            output.append("\r\n")
        case .chunked: output.append("Transfer-Encoding: chunked\r\n")
        case .none, .untilClose: break
        }
        switch persistence {
        case .keepAlive: break
        case .keepAliveExplicit: output.append("Connection: keep-alive\r\n")
        case .close: output.append("Connection: close\r\n")
        }
        output.append("\r\n")
        return refused
    }

    /// Returns whether the listener writes a field itself.
    private static func isReserved(_ name: String) -> Bool {
        switch name.utf8.count {
        case 4: HeaderFields.matches(name, "Date")
        case 10: HeaderFields.matches(name, "Connection")
        case 14: HeaderFields.matches(name, "Content-Length")
        case 17: HeaderFields.matches(name, "Transfer-Encoding")
        default: false
        }
    }

    /// Appends a chunk (RFC 9112, 7.1). Ignores an empty one, which would be the last.
    static func appendChunk(_ piece: [UInt8], to output: inout [UInt8]) {
        guard !piece.isEmpty else { return }
        output.append(contentsOf: String(piece.count, radix: 16).utf8)
        output.append("\r\n")
        output.append(contentsOf: piece)
        output.append("\r\n")
    }

    /// Returns the reason phrase of a status (RFC 9110, 15).
    private static func reason(_ status: Int) -> StaticString {
        switch status {
        case 200: "OK"
        case 201: "Created"
        case 202: "Accepted"
        case 204: "No Content"
        case 301: "Moved Permanently"
        case 302: "Found"
        case 303: "See Other"
        case 304: "Not Modified"
        case 307: "Temporary Redirect"
        case 308: "Permanent Redirect"
        case 400: "Bad Request"
        case 401: "Unauthorized"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 406: "Not Acceptable"
        case 408: "Request Timeout"
        case 409: "Conflict"
        case 410: "Gone"
        case 411: "Length Required"
        case 412: "Precondition Failed"
        case 413: "Content Too Large"
        case 414: "URI Too Long"
        case 415: "Unsupported Media Type"
        case 417: "Expectation Failed"
        case 421: "Misdirected Request"
        case 422: "Unprocessable Content"
        case 429: "Too Many Requests"
        case 431: "Request Header Fields Too Large"
        case 500: "Internal Server Error"
        case 501: "Not Implemented"
        case 502: "Bad Gateway"
        case 503: "Service Unavailable"
        case 504: "Gateway Timeout"
        case 505: "HTTP Version Not Supported"
        default: "Status"
        }
    }
}

extension [UInt8] {
    /// Appends a constant text.
    mutating func append(_ text: StaticString) {
        text.withUTF8Buffer { append(contentsOf: $0) }
    }

    /// Appends a text.
    mutating func append(text: String) {
        if text.utf8.withContiguousStorageIfAvailable({ append(contentsOf: $0) }) == nil {
            append(contentsOf: text.utf8)
        }
    }

    /// Appends a non-negative number.
    mutating func append(number: Int) {
        guard number > 9 else { return append(48 + UInt8(Swift.max(0, number))) }
        append(number: number / 10)
        append(48 + UInt8(number % 10))
    }

    /// Appends a field. Returns false, without appending, if it is invalid.
    mutating func append(field name: String, _ value: String) -> Bool {
        guard HeaderFields.isName(name), HeaderFields.isValue(value) else { return false }
        append(text: name)
        append(": ")
        append(text: value)
        append("\r\n")
        return true
    }
}
