import Wire

/// Encodes requests (RFC 9112, 3 and 5).
enum RequestWriter {
    /// Returns why a request cannot be sent; nil if it can. A line break in a name or value would change the request.
    static func problem(of request: ClientRequest) -> String? {
        guard HeaderFields.isName(request.method), request.method != "CONNECT" else {
            return "its method is none that can be sent"
        }
        var hosts = 0
        for field in request.headers {
            guard HeaderFields.isName(field.name) else { return "the name of a header field is none" }
            guard HeaderFields.isValue(field.value) else {
                return "the header field \(field.name) holds a control character"
            }
            if HeaderFields.matches(field.name, "Host") { hosts += 1 }
        }
        guard hosts <= 1 else { return "it has more than one field Host" }
        return nil
    }

    /// Returns whether a method is idempotent, so that the request may be resent (RFC 9110, 9.2.2).
    static func isIdempotent(_ method: String) -> Bool {
        switch method {
        case "GET", "HEAD", "PUT", "DELETE", "OPTIONS": true
        default: false
        }
    }

    /// Appends the head of a request.
    ///
    /// - Returns: whether the request asks for closing the connection after the response.
    static func write(_ request: ClientRequest, to output: inout [UInt8]) -> Bool {
        let url = request.url
        output.append(contentsOf: request.method.utf8)
        output.append(UInt8(ascii: " "))
        output.append(contentsOf: url.path.utf8)
        if let query = url.query {
            output.append(UInt8(ascii: "?"))
            output.append(contentsOf: query.utf8)
        }
        output.append(contentsOf: " HTTP/1.1\r\n".utf8)
        if request.headers["Host"] == nil { write("Host", url.authority, to: &output) }
        var endsConnection = false
        for field in request.headers {
            switch field.name.utf8.count {
            case 10 where HeaderFields.matches(field.name, "Connection"):
                endsConnection = endsConnection || hasClose(field.value)
            case 14 where HeaderFields.matches(field.name, "Content-Length"): break
            case 17 where HeaderFields.matches(field.name, "Transfer-Encoding"): break
            default: write(field.name, field.value, to: &output)
            }
        }
        if endsConnection { write("Connection", "close", to: &output) }
        if let body = request.body { write("Content-Length", "\(body.count)", to: &output) }
        output.append(contentsOf: "\r\n".utf8)
        return endsConnection
    }

    private static func write(_ name: String, _ value: String, to output: inout [UInt8]) {
        output.append(contentsOf: name.utf8)
        output.append(contentsOf: ": ".utf8)
        output.append(contentsOf: value.utf8)
        output.append(contentsOf: "\r\n".utf8)
    }

    private static func hasClose(_ list: String) -> Bool {
        list.utf8.split(separator: UInt8(ascii: ",")).contains { part in
            let word = part.drop { $0 == 32 || $0 == 9 }.prefix { $0 != 32 && $0 != 9 }
            return word.count == 5 && zip(word, "close".utf8).allSatisfy { $0 | 0x20 == $1 }
        }
    }
}
