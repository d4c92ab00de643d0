import AWS
import AsyncHTTPClient
import NIOCore
import NIOHTTP1
public import PipelineKit
import Wire

/// Sends each message to an HTTP server.
public final class HTTPSink: Sink {
    enum Method: String, CaseIterable, Sendable {
        case post = "POST"
        case put = "PUT"
        case patch = "PATCH"
        case delete = "DELETE"
        case get = "GET"
    }

    private static let url = Option(
        "url", .template, help: "where to, in whose path and query {config.url} and the like are filled, encoded")
    private static let method = Option(
        "method", OptionType<Method>.choice, default: .post, shown: "POST", help: "the method")
    private static let headers = Option(
        "headers", .dictionary(of: .template), default: [:], shown: "", help: "header fields, filled likewise")
    private static let contentType = Option(
        "contentType", .string, default: "application/json", help: "what the body is; a header field of its own wins")
    private static let body = Option(optional: "body", .template, help: "the body, filled likewise; else the message")
    private static let hosts = Option(
        "hosts", ListFile.texts, default: [], shown: "",
        help: "where a message says the host: the hosts that may be sent to, *.example.net for all below it")
    private static let inFlight = Option("inFlight", .int(1...1024), default: 8, help: "the most requests at once")
    private static let timeout = Option(
        "timeout", .duration, default: .seconds(10), shown: "10s", help: "how long one request may take")
    private static let tls = ClientTLS.option("tls", help: "certificates for https")

    /// What it says of itself.
    public static let declaration = StageDeclaration(
        name: "http",
        summary: "sends each message to an HTTP server",
        details: """
            2xx are delivered. 408, 425, 429, 5xx and failures of the network are tried again, not before a Retry-After; every other answer
            is final. Redirects are not followed. Where the host of the URL comes from the message, it has to be among 'hosts': nobody who
            can write a message is to choose what this gateway talks to. Secrets do not belong into 'headers' but into 'auth'.
            """,
        options: [
            url, method, headers, contentType, body, HTTPAuthorization.option, hosts, inFlight, timeout, tls,
        ],
        example: """
            sink:
              http: {url: "http://localhost:8080/webhooks/{config.url}", method: PUT, headers: {X-Id: "{metadata.id}"}}
            """)

    /// Many requests at once, one message each.
    public let capabilities: SinkCapabilities
    private let url: TemplateText
    private let hosts: HostSet?
    private let method: Method
    private let headers: [(name: String, value: TemplateText)]
    private let contentType: String
    private let body: TemplateText?
    private let authorization: HTTPAuthorization
    private let timeout: TimeAmount
    private let tls: ClientTLS
    private let context: StageContext
    private let slot = HTTPClientSlot()

    /// A sink with options; nothing is connected yet.
    public init(_ options: Options, _ context: StageContext) throws {
        url = options[Self.url]
        // Up to the path the URL has to be known, or the hosts that it may name.
        let beginning = url.beginning
        let authority = beginning.range(of: "://").map { beginning[$0.upperBound...] }
        let isConstant = url.isConstant
        let isHostFixed = authority.map { $0.contains("/") || isConstant } ?? false
        let allowed = options[Self.hosts]
        if isHostFixed {
            guard HTTPAddress(String(beginning.prefix { $0 != "?" })) != nil else {
                throw OptionError(
                    "'\(beginning)' is no URL such as http://localhost:8080/path", at: options.location(of: Self.url))
            }
            hosts = nil
        } else {
            guard !allowed.isEmpty else {
                throw OptionError(
                    "the host of this URL comes from the message: say with 'hosts' which are allowed",
                    at: options.location(of: Self.url))
            }
            hosts = HostSet(allowed)
        }
        method = options[Self.method]
        headers = try options[Self.headers].sorted { $0.key < $1.key }.map { name, value in
            guard !name.isEmpty, name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: ":") }) else {
                throw OptionError("'\(name)' is no name of a header", at: options.location(of: Self.headers))
            }
            return (name, value)
        }
        contentType = options[Self.contentType]
        body = options[Self.body]
        authorization = try HTTPAuthorization(options, now: context.now)
        timeout = .nanoseconds(options[Self.timeout].inNanoseconds)
        tls = try ClientTLS(options[Self.tls])
        capabilities = SinkCapabilities(batch: 1, inFlight: options[Self.inFlight])
        self.context = context
    }

    /// Makes the client; connections come with the first messages.
    public func open() async throws {
        try await slot.open(try tls.makeClient(connections: capabilities.inFlight))
    }

    /// Sends each message.
    public func write(_ batch: [Message]) async -> [WriteOutcome] {
        var outcomes: [WriteOutcome] = []
        for message in batch { outcomes.append(await write(message)) }
        return outcomes
    }

    private func write(_ message: Message) async -> WriteOutcome {
        guard let client = slot.client else {
            return .transient(reason: "the sink is closed", retryAfter: nil)
        }
        let now = context.now()
        if message.payload.isExpired(at: now) { return .expired }
        var request: HTTPClientRequest
        do {
            request = try self.request(for: message, at: now)
        } catch {
            return .permanent(reason: "\(error)")
        }
        do {
            if let header = try await authorization.header(client) {
                request.headers.replaceOrAdd(name: "Authorization", value: header)
            }
            let response = try await client.execute(request, timeout: timeout)
            // What it says is of no interest, and may be of any length.
            for try await _ in response.body.prefix(64) {}
            if response.status == .unauthorized, authorization.refused() {
                return .transient(reason: "the server refused the token", retryAfter: nil)
            }
            return HTTPOutcome.of(response.status.code, response.headers, server: "the server")
        } catch {
            return .transient(reason: "the server does not answer: \(error)", retryAfter: nil)
        }
    }

    private func request(for message: Message, at now: Timestamp) throws -> HTTPClientRequest {
        let record = RecordView(message, now: now)
        // What names the host must not be encoded; the allow-list is what guards it.
        let text: String
        if let hosts {
            text = try url.text(record)
            guard let address = HTTPAddress(String(text.prefix { $0 != "?" })), hosts.contains(HostName(address.host))
            else {
                throw StageError("'\(text.prefix(200))' is no URL of one of the hosts that are allowed")
            }
        } else {
            text = try url.text(record, escape: FormEncoding.encode)
        }
        // A server may take these for the way up, out of what the operator wrote.
        let segments = text.prefix { $0 != "?" }.split(separator: "/")
        guard !segments.contains(".."), !segments.contains(".") else {
            throw StageError("the URL would hold '.' or '..' as a part of its path")
        }
        var request = HTTPClientRequest(url: text)
        request.method = .init(rawValue: method.rawValue)
        for (name, template) in headers {
            let value = try template.text(record)
            guard value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7f }) else {
                throw StageError("the header \(name) would hold a character that must not stand in one")
            }
            request.headers.replaceOrAdd(name: name, value: value)
        }
        if !request.headers.contains(name: "Content-Type") {
            request.headers.add(name: "Content-Type", value: contentType)
        }
        if method != .get, method != .delete || body != nil {
            let bytes = try body.map { Array(try $0.text(record).utf8) } ?? message.payload.bytes(at: now)
            request.body = .bytes(ByteBuffer(bytes: bytes))
        }
        return request
    }

    /// Closes the connections.
    public func close() async {
        await slot.close()
    }

    /// Looks whether the server takes a connection and answers something; where a message names it, nothing can be looked at.
    public func probe() async throws -> String {
        guard hosts == nil, let address = HTTPAddress(String(url.beginning.prefix { $0 != "?" })) else {
            return "messages name the host: nothing to look at"
        }
        let status = try await HTTPClientSlot.with(try tls.makeClient()) { client in
            var request = HTTPClientRequest(url: address.description)
            request.method = .OPTIONS
            return try await client.execute(request, timeout: timeout).status.code
        }
        return "the server answers (\(status) to OPTIONS)"
    }
}
