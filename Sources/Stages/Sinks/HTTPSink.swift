import AWS
import HTTP
import Locking
public import PipelineKit
import Wire

/// Sends each message to an HTTP server.
public final class HTTPSink: CompletingSink {
    enum Method: String, CaseIterable, Sendable {
        case post = "POST"
        case put = "PUT"
        case patch = "PATCH"
        case delete = "DELETE"
        case get = "GET"
    }

    private static let url = Option(
        "url", .template, help: "the URL; placeholders such as {config.url} in its path and query are filled, encoded")
    private static let method = Option(
        "method", OptionType<Method>.choice, default: .post, shown: "POST", help: "the method")
    private static let headers = Option(
        "headers", .dictionary(of: .template), default: [:], shown: "", help: "header fields, with placeholders")
    private static let contentType = Option(
        "contentType", .string, default: "application/json", help: "the content type; a header field takes precedence")
    private static let body = Option(
        optional: "body", .template, help: "the body, with placeholders; by default the message")
    private static let hosts = Option(
        "hosts", ListFile.texts, default: [], shown: "",
        help: "the allowed hosts, if messages name the host; *.example.net for all below it")
    private static let inFlight = Option(
        "inFlight", .int(1...1024), default: 8, help: "the maximum number of concurrent requests")
    private static let timeout = Option(
        "timeout", .duration, default: .seconds(10), shown: "10s", help: "the timeout of a request")
    private static let tls = ClientTLS.option("tls", help: "certificates for https")

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

    /// Many concurrent requests with one message each.
    public let capabilities: SinkCapabilities
    private let url: TemplateText
    /// The URL, if it is the same for all messages.
    private let constantURL: WebURL?
    /// The allowed hosts; nil if messages do not name the host.
    private let hosts: HostSet?
    private let method: Method
    private let headers: [(name: String, value: TemplateText)]
    private let contentType: String
    private let body: TemplateText?
    private let authorization: HTTPAuthorization
    private let timeout: Duration
    private let tls: ClientTLS
    private let context: StageContext
    /// Nil while the sink is closed.
    private let client = Mutex<HTTPClient?>(nil)

    public init(_ options: Options, _ context: StageContext) throws {
        url = options[Self.url]
        // Up to the path the URL must be constant, or its hosts be allowed.
        let beginning = url.beginning
        let isConstant = url.isConstant
        let isHostFixed = Self.authority(beginning).map { $0.utf8.contains(UInt8(ascii: "/")) || isConstant } ?? false
        let allowed = options[Self.hosts]
        if isHostFixed {
            guard HTTPAddress(Self.withoutQuery(beginning)) != nil else {
                throw OptionError(
                    "'\(beginning)' is no URL such as http://localhost:8080/path", at: options.location(of: Self.url))
            }
            do {
                let sample = try WebURL(url.filled(with: "x"))
                constantURL = isConstant ? sample : nil
            } catch {
                throw OptionError("'\(beginning)' is no URL: \(error)", at: options.location(of: Self.url))
            }
            hosts = nil
        } else {
            guard !allowed.isEmpty else {
                throw OptionError(
                    "the host of this URL comes from the message: list the allowed ones in 'hosts'",
                    at: options.location(of: Self.url))
            }
            hosts = HostSet(allowed)
            constantURL = nil
        }
        method = options[Self.method]
        headers = try options[Self.headers].sorted { $0.key < $1.key }.map { name, value in
            guard HeaderFields.isName(name) else {
                throw OptionError("'\(name)' is no header name", at: options.location(of: Self.headers))
            }
            return (name, value)
        }
        contentType = options[Self.contentType]
        body = options[Self.body]
        authorization = try HTTPAuthorization(options, timeout: options[Self.timeout], now: context.now)
        timeout = options[Self.timeout]
        tls = try ClientTLS(options[Self.tls])
        capabilities = SinkCapabilities(batch: 1, inFlight: options[Self.inFlight])
        self.context = context
    }

    /// Returns the part behind `://`.
    private static func authority(_ url: String) -> Substring? {
        var rest = url[...]
        while !rest.isEmpty {
            if rest.utf8.starts(with: "://".utf8) { return Substring(rest.utf8.dropFirst(3)) }
            rest = Substring(rest.utf8.dropFirst())
        }
        return nil
    }

    private static func withoutQuery(_ url: String) -> String {
        String(Substring(url.utf8.prefix { $0 != UInt8(ascii: "?") }))
    }

    /// Makes the client. Connections are made with the first messages.
    public func open() async throws {
        let opened = try HTTPClient(tls.configuration(connections: capabilities.inFlight))
        let previous = client.withLock { client in
            defer { client = opened }
            return client
        }
        await previous?.shutDown()
    }

    /// Sends each message. `done` is called on an event loop, or before this returns.
    package func write(_ batch: [Message], done: @escaping @Sendable ([WriteOutcome]) -> Void) {
        guard let client = client.withLock({ $0 }) else {
            let closed = WriteOutcome.transient(reason: "the sink is closed", retryAfter: nil)
            return done(Array(repeating: closed, count: batch.count))
        }
        OutcomeCollector.write(batch, { write($0, client, done: $1) }, done: done)
    }

    private func write(
        _ message: Message, _ client: HTTPClient, done: @escaping @Sendable (WriteOutcome) -> Void
    ) {
        let now = context.now()
        if message.payload.isExpired(at: now) { return done(.expired) }
        let request: ClientRequest
        do {
            request = try self.request(for: message, at: now)
        } catch {
            return done(.permanent(reason: "\(error)"))
        }
        authorization.header(client) { [self] header in
            switch header {
            case .failure(let failure):
                done(.transient(reason: HTTPOutcome.noAnswerReason(failure, server: "the server"), retryAfter: nil))
            case .success(let header):
                var request = request
                if let header { request.headers["Authorization"] = header }
                client.execute(request, within: timeout, body: HTTPOutcome.statusOnly) { [self] answer in
                    done(outcome(of: answer))
                }
            }
        }
    }

    private func outcome(of answer: Result<ClientResponse, HTTPClientError>) -> WriteOutcome {
        switch answer {
        case .success(let response):
            if response.status == 401, authorization.refused() {
                return .transient(reason: "the server refused the token", retryAfter: nil)
            }
            return HTTPOutcome.of(response, server: "the server")
        case .failure(let error): return HTTPOutcome.of(error, server: "the server")
        }
    }

    private func request(for message: Message, at now: Timestamp) throws -> ClientRequest {
        let record = RecordView(message, now: now)
        var request = ClientRequest(method.rawValue, try constantURL ?? target(of: record))
        for (name, template) in headers {
            let value = try template.text(record)
            guard value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7f }) else {
                throw StageError("the header \(name) would contain a character that is not allowed in one")
            }
            request.headers[name] = value
        }
        if request.headers["Content-Type"] == nil { request.headers.add("Content-Type", contentType) }
        if method != .get, method != .delete || body != nil {
            request.body = try body.map { Array(try $0.text(record).utf8) } ?? message.payload.bytes(at: now)
        }
        return request
    }

    /// Returns the URL for a message.
    private func target(of record: RecordView) throws -> WebURL {
        let target: WebURL
        // A host from a message must not be encoded; the allow-list is its guard.
        if let hosts {
            let text = try url.text(record)
            // The parsed URL is what is connected to: nothing parses the text again afterwards.
            guard let url = try? WebURL(text), url.scheme != .unix, hosts.contains(HostName(url.host)) else {
                throw StageError("'\(text.prefix(200))' is no URL with an allowed host; add its host to 'hosts'")
            }
            target = url
        } else {
            do {
                target = try WebURL(try url.text(record, escape: FormEncoding.encode))
            } catch let error as WebURL.Invalid {
                throw StageError("the URL cannot be used: \(error)")
            }
        }
        // A server may resolve these segments to a path that the operator did not write.
        let segments = target.path.utf8.split(separator: UInt8(ascii: "/"))
        guard !segments.contains(where: { $0.elementsEqual("..".utf8) || $0.elementsEqual(".".utf8) }) else {
            throw StageError("the URL would contain '.' or '..' in its path")
        }
        return target
    }

    /// Closes the connections and the journal.
    public func close() async {
        let last = client.withLock { client in
            defer { client = nil }
            return client
        }
        await last?.shutDown()
    }

    /// Checks that the server accepts a connection and answers. If messages name the server there is nothing to check.
    public func probe() async throws -> String {
        guard hosts == nil, let address = HTTPAddress(Self.withoutQuery(url.beginning)) else {
            return "messages name the host: no connection to check"
        }
        let status = try await HTTPClient.with(tls.configuration()) { client in
            try await client.execute(
                ClientRequest("OPTIONS", address.url), within: timeout, body: HTTPOutcome.statusOnly
            ).status
        }
        return "the server answers (\(status) to OPTIONS)"
    }
}
