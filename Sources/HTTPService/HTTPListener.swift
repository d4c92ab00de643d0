import HTTPTypes
import Hummingbird
import HummingbirdCore
import HummingbirdTLS
public import Logging
import NIOCore
import ServiceLifecycle
import Locking

/// Bounds on what a client may send, so that none can exhaust the machine.
public struct HTTPLimits: Sendable {
    /// The largest body, in bytes.
    public var bodyBytes: Int
    /// The largest header, in bytes.
    public var headerBytes = 32 << 10
    /// The most connections at once; more wait to be accepted.
    public var connections = 4096
    /// How long a connection may take over its next request's header, and be silent between requests.
    public var idle: Duration = .seconds(60)
    /// How long a request's body may take.
    public var body: Duration = .seconds(15)

    /// Limits.
    public init(bodyBytes: Int) { self.bodyBytes = bodyBytes }
}

/// Why a server cannot serve.
public struct HTTPListenerError: Error, CustomStringConvertible {
    /// The reason, for people.
    public let description: String
    init(_ description: String) { self.description = description }
}

/// An HTTP/1.1 server on one address, whose requests are answered by one function.
///
/// Answers 413 to a body over the limit by itself. May be used from any thread.
public final class HTTPListener: Sendable {
    /// Answers a request. Runs on Swift's concurrent executor.
    public typealias Handler = @Sendable (HTTPServiceRequest) async -> HTTPServiceResponse

    private enum State {
        case idle
        case running(ServiceGroup)
        case stopped
    }

    private let address: ListenAddress
    private let certificate: ServerCertificate?
    private let limits: HTTPLimits
    private let bodyBytes: @Sendable (String) -> Int
    private let logger: Logger
    private let handler: Handler
    private let state = Mutex(State.idle)
    private let boundPort = Mutex<Int?>(nil)

    /// A server that does not listen yet.
    ///
    /// - Parameter bodyBytes: the largest body at a path; else that of the limits.
    public init(
        address: ListenAddress, certificate: ServerCertificate? = nil, limits: HTTPLimits, logger: Logger,
        bodyBytes: (@Sendable (String) -> Int)? = nil, handler: @escaping Handler
    ) {
        self.address = address
        self.certificate = certificate
        self.limits = limits
        self.bodyBytes = bodyBytes ?? { _ in limits.bodyBytes }
        var logger = logger
        logger.logLevel = max(logger.logLevel, .warning)
        self.logger = logger
        self.handler = handler
    }

    /// The port that is listened on; nil before it is.
    public var port: Int? { boundPort.withLock { $0 } }

    /// Listens until `stop` is called; returns when every request that had come is answered.
    ///
    /// - Parameter onListening: called once when connections are accepted.
    /// - Throws: `HTTPListenerError` where the address cannot be had.
    public func run(onListening: @escaping @Sendable () async -> Void = {}) async throws {
        let group = ServiceGroup(
            configuration: .init(services: [try application(onListening)], gracefulShutdownSignals: [], logger: logger))
        let isStopped = state.withLock { state in
            if case .stopped = state { return true }
            state = .running(group)
            return false
        }
        guard !isStopped else { return }
        do {
            try await group.run()
        } catch let error as IOError {
            throw HTTPListenerError(
                "cannot listen on \(address): \(error.errnoCode == 98 ? "the port is taken" : "\(error)")")
        }
    }

    /// Accepts nothing more and lets `run` return when what has come is answered.
    public func stop() async {
        let group: ServiceGroup? = state.withLock { state in
            defer { state = .stopped }
            if case .running(let group) = state { return group }
            return nil
        }
        await group?.triggerGracefulShutdown()
    }

    private func application(_ onListening: @escaping @Sendable () async -> Void) throws -> some ApplicationProtocol {
        var decoder = HTTP1Channel.Configuration.DecoderConfiguration()
        decoder.maxHeaderListSize = limits.headerBytes
        decoder.maxHeaderFieldSize = limits.headerBytes
        decoder.maxHeaderFieldCount = 100
        var server = HTTPServerBuilder.http1(
            configuration: .init(
                additionalChannelHandlers: [ConnectionDeadlines(idle: self.limits.idle, request: self.limits.body)],
                httpDecoderConfiguration: decoder))
        if let certificate { server = try .tls(server, tlsConfiguration: certificate.configuration()) }
        let responder = CallbackResponder { [bodyBytes, handler] (request: Request, context: AddressedContext) in
            await Self.respond(to: request, from: context.remoteAddress, bodyBytes: bodyBytes, handler: handler)
        }
        return Application(
            responder: responder, server: server,
            configuration: .init(
                address: address.unixPath.map { .unixDomainSocket(path: $0) }
                    ?? .hostname(address.host, port: address.port),
                availableConnectionsDelegate: MaximumAvailableConnections(limits.connections)),
            onServerRunning: { [self] channel in
                boundPort.withLock { $0 = channel.localAddress?.port }
                await onListening()
            },
            logger: logger)
    }

    private static func respond(
        to request: Request, from remoteAddress: String?, bodyBytes: (String) -> Int, handler: Handler
    ) async -> Response {
        let largest = bodyBytes(request.uri.path)
        let tooLarge = HTTPServiceResponse.text(413, "the body is larger than \(largest) bytes")
        if let length = request.headers[.contentLength].flatMap({ Int($0) }), length > largest {
            return response(tooLarge)
        }
        let body: ByteBuffer
        do {
            body = try await request.body.collect(upTo: largest)
        } catch is NIOTooManyBytesError {
            return response(tooLarge)
        } catch {
            return response(.text(400, "the body could not be read"))
        }
        let answer = await handler(
            HTTPServiceRequest(
                method: request.method.rawValue, path: request.uri.path, query: request.uri.query,
                headers: request.headers, body: Array(body.readableBytesView), remoteAddress: remoteAddress))
        return response(answer)
    }

    private static func response(_ answer: HTTPServiceResponse) -> Response {
        var headers = HTTPFields()
        for (name, value) in answer.headers {
            if let name = HTTPField.Name(name) { headers[name] = value }
        }
        if let contentType = answer.contentType { headers[.contentType] = contentType }
        let start = ByteBuffer(bytes: answer.body)
        let body: ResponseBody =
            if let stream = answer.stream {
                ResponseBody { writer in
                    if start.readableBytes > 0 { try await writer.write(start) }
                    for await piece in stream.pieces { try await writer.write(ByteBuffer(bytes: piece)) }
                    try await writer.finish(nil)
                }
            } else {
                answer.body.isEmpty ? .init() : .init(byteBuffer: start)
            }
        return Response(status: .init(code: answer.status), headers: headers, body: body)
    }
}

/// What is known of a request beside what it says: where it comes from.
private struct AddressedContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    let remoteAddress: String?

    init(source: ApplicationRequestContextSource) {
        coreContext = .init(source: source)
        remoteAddress = source.channel.remoteAddress?.ipAddress
    }
}
