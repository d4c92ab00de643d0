import Foundation
import Locking
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import PipelineKit
import Wire

/// Keep-alive HTTP/1.1 connections to Argus for the path of an item, and for nothing else: one request at a time on each, no
/// redirects, no proxies, bounded in time and size. A call costs about a quarter of what a general client takes for one.
///
/// SwiftNIO's own HTTP codec and TLS do the work; this keeps the connections. May be used from any thread.
final class ArgusConnections: Sendable {
    /// An answer, its body read.
    struct Answer: Sendable {
        var status: UInt
        var headers: HTTPHeaders
        var body: ByteBuffer
    }

    /// Why there is no answer.
    enum Failure: Error, CustomStringConvertible {
        case notOpen
        case cannotConnect(String)
        case timedOut
        /// Closed by the other side before an answer began.
        case closed
        case closedWithinAnswer
        case tooLarge
        case broken(String)

        /// What a failure of the network means for a request.
        init(_ error: any Error, hasAnswer: Bool) {
            switch error {
            case is IOError, is ChannelError: self = hasAnswer ? .closedWithinAnswer : .closed
            default: self = .broken("\(error)")
            }
        }

        var description: String {
            switch self {
            case .notOpen: "the sink is closed"
            case .cannotConnect(let reason): "no connection: \(reason)"
            case .timedOut: "no answer in time"
            case .closed: "the connection was closed without an answer"
            case .closedWithinAnswer: "the connection was closed within an answer"
            case .tooLarge: "the answer is too large"
            case .broken(let reason): reason
            }
        }
    }

    /// One of Argus's addresses.
    private struct Server {
        let host: String
        let port: Int
        let isTLS: Bool
        /// The value of `Host`.
        let authority: String
        /// The path of the bucket, with a `/` at its end.
        let path: String
    }

    private struct State {
        var isOpen = false
        var tls: NIOSSLContext?
        /// Connections that wait for a request, by the server's number; the one that was used last is used next.
        var idle: [[Idle]]
        var all: [ObjectIdentifier: any Channel] = [:]
        var sweeping: RepeatedTask?
    }

    private struct Idle {
        let channel: any Channel
        let since: NIODeadline
    }

    /// Idle connections are closed before a server or something on the way may do so at the same moment.
    private static let longestIdle = TimeAmount.seconds(20)

    private let servers: [Server]
    private let tls: ClientTLS
    private let timeout: TimeAmount
    private let connectTimeout: TimeAmount
    private let state: Mutex<State>

    /// - Parameters:
    ///   - stores: the URLs of the bucket, one for each address, as in `http://argus:6600/api/v1/store/webhooks/`.
    ///   - timeout: how long a request may take, with the connecting.
    ///   - connectTimeout: how long connecting alone may take: who does not even accept will not answer either.
    /// - Throws: where a URL is none.
    init(
        stores: [String], tls: ClientTLS, timeout: TimeAmount, connectTimeout: TimeAmount = .seconds(5)
    ) throws {
        servers = try stores.map { store in
            guard let url = URLComponents(string: store), let host = url.host, !host.isEmpty else {
                throw OptionError("'\(store)' is no URL")
            }
            let isTLS = url.scheme?.lowercased() == "https"
            let port = url.port ?? (isTLS ? 443 : 80)
            // In `Host` an IPv6 address stands in brackets, as in the URL; who connects wants it without.
            let plain = host.hasPrefix("[") ? String(host.dropFirst().dropLast()) : host
            let authority = url.port.map { "\(host):\($0)" } ?? host
            return Server(host: plain, port: port, isTLS: isTLS, authority: authority, path: url.percentEncodedPath)
        }
        self.tls = tls
        self.connectTimeout = min(connectTimeout, timeout)
        self.timeout = timeout
        state = Mutex(State(idle: Array(repeating: [], count: servers.count)))
    }

    /// Lets connections be made, with certificates that are read now.
    ///
    /// - Throws: where a certificate cannot be read.
    func open() throws {
        let context = servers.contains(where: \.isTLS) ? try NIOSSLContext(configuration: tls.configuration()) : nil
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let sweeping = loop.scheduleRepeatedTask(initialDelay: .seconds(5), delay: .seconds(5)) { [weak self] _ in
            self?.sweep()
        }
        state.withLock { state in
            state.sweeping?.cancel()
            (state.isOpen, state.tls, state.sweeping) = (true, context, sweeping)
        }
    }

    /// Closes all connections; what is under way fails.
    func close() {
        let channels = state.withLock { state in
            state.sweeping?.cancel()
            state.isOpen = false
            state.idle = Array(repeating: [], count: servers.count)
            defer { state.all = [:] }
            return state.all.values
        }
        for channel in channels { channel.close(promise: nil) }
    }

    /// Sends a request for an item and waits for the answer.
    ///
    /// A connection that was kept may have been closed just then; a request that got no answer on such a one is sent once more on a new
    /// one. That is safe for GET and PUT, which do the same when they are done twice.
    /// - Parameters:
    ///   - server: which of the addresses.
    ///   - headers: all but `Host` and `Content-Length`.
    /// - Throws: `Failure`.
    func execute(
        _ method: HTTPMethod, _ id: String, at server: Int, headers: HTTPHeaders, body: [UInt8]? = nil
    ) async throws -> Answer {
        let deadline = NIODeadline.now() + timeout
        var head = HTTPRequestHead(version: .http1_1, method: method, uri: servers[server].path + id, headers: headers)
        head.headers.add(name: "Host", value: servers[server].authority)
        if let body { head.headers.add(name: "Content-Length", value: "\(body.count)") }
        let request = ArgusRequest(head: head, body: body.map { ByteBuffer(bytes: $0) }, deadline: deadline)
        if let kept = takeIdle(server) {
            do {
                return try await send(request, on: kept)
            } catch Failure.closed {
                // On to a new one.
            }
        }
        return try await send(request, on: try await connect(server))
    }

    private func send(_ request: ArgusRequest, on channel: any Channel) async throws -> Answer {
        try await withCheckedThrowingContinuation { continuation in
            let reply = ArgusReply(continuation)
            channel.writeAndFlush(ArgusRequest.Sent(request: request, reply: reply)).whenFailure { error in
                reply.fail(Failure(error, hasAnswer: false))
            }
        }
    }

    private func takeIdle(_ server: Int) -> (any Channel)? { state.withLock { $0.idle[server].popLast()?.channel } }

    private func connect(_ number: Int) async throws -> any Channel {
        let (isOpen, context) = state.withLock { ($0.isOpen, $0.tls) }
        guard isOpen else { throw Failure.notOpen }
        let server = servers[number]
        let bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connectTimeout(connectTimeout)
            .channelInitializer { [weak self] channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    if let context, server.isTLS {
                        let isName = (try? SocketAddress(ipAddress: server.host, port: 0)) == nil
                        try pipeline.addHandler(
                            NIOSSLClientHandler(context: context, serverHostname: isName ? server.host : nil))
                    }
                    try pipeline.addHTTPClientHandlers()
                    try pipeline.addHandler(
                        ArgusExchange(
                            whenFree: { [weak self] in self?.keep($0, number) ?? $0.close(promise: nil) },
                            whenClosed: { [weak self] in self?.forget($0, number) }))
                }
            }
        let channel: any Channel
        do {
            channel = try await bootstrap.connect(host: server.host, port: server.port).get()
        } catch {
            throw Self.failure(toConnect: error)
        }
        let isWanted = state.withLock { state in
            if state.isOpen { state.all[ObjectIdentifier(channel)] = channel }
            return state.isOpen
        }
        guard isWanted else {
            channel.close(promise: nil)
            throw Failure.notOpen
        }
        // One that was closed before it was known has been forgotten before that, too.
        if !channel.isActive { forget(channel, number) }
        return channel
    }

    /// Why a connection could not be made, without the library's own words around it.
    private static func failure(toConnect error: any Error) -> Failure {
        if case ChannelError.connectTimeout = error { return .timedOut }
        guard let error = error as? NIOConnectionError else { return .cannotConnect("\(error)") }
        guard let first = error.connectionErrors.first else {
            return .cannotConnect("the name \(error.host) has no address")
        }
        if case ChannelError.connectTimeout = first.error { return .timedOut }
        if let error = first.error as? IOError { return .cannotConnect(String(cString: strerror(error.errnoCode))) }
        return .cannotConnect("\(first.error)")
    }

    /// A connection can take another request.
    private func keep(_ channel: any Channel, _ server: Int) {
        let isKept = state.withLock { state in
            guard state.isOpen, state.all[ObjectIdentifier(channel)] != nil else { return false }
            state.idle[server].append(Idle(channel: channel, since: .now()))
            return true
        }
        if !isKept { channel.close(promise: nil) }
    }

    private func forget(_ channel: any Channel, _ server: Int) {
        state.withLock { state in
            guard state.all.removeValue(forKey: ObjectIdentifier(channel)) != nil else { return }
            state.idle[server].removeAll { $0.channel === channel }
        }
    }

    private func sweep() {
        let oldest = NIODeadline.now() - Self.longestIdle
        let stale = state.withLock { state in
            var stale: [any Channel] = []
            for server in state.idle.indices {
                stale += state.idle[server].filter { $0.since < oldest }.map(\.channel)
                state.idle[server].removeAll { $0.since < oldest }
            }
            return stale
        }
        for channel in stale { channel.close(promise: nil) }
    }
}

/// A request on its way to its connection.
private struct ArgusRequest: Sendable {
    /// A request with who waits for its answer.
    struct Sent: Sendable {
        let request: ArgusRequest
        let reply: ArgusReply
    }

    let head: HTTPRequestHead
    let body: ByteBuffer?
    let deadline: NIODeadline
}

/// Who waits for an answer: told once, whoever comes first. May be used from any thread.
private final class ArgusReply: Sendable {
    private let continuation: Mutex<CheckedContinuation<ArgusConnections.Answer, any Error>?>

    init(_ continuation: CheckedContinuation<ArgusConnections.Answer, any Error>) {
        self.continuation = Mutex(continuation)
    }

    private func take() -> CheckedContinuation<ArgusConnections.Answer, any Error>? {
        continuation.withLock { continuation in
            defer { continuation = nil }
            return continuation
        }
    }

    func succeed(_ answer: ArgusConnections.Answer) { take()?.resume(returning: answer) }
    func fail(_ failure: ArgusConnections.Failure) { take()?.resume(throwing: failure) }
}

/// One exchange after the other on one connection. Lives on the connection's event loop.
private final class ArgusExchange: ChannelDuplexHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundIn = ArgusRequest.Sent
    typealias OutboundOut = HTTPClientRequestPart

    /// The largest answer that is read; Argus's own are a few bytes for a PUT, an item for a GET.
    private static let largestAnswer = 1 << 20

    private let whenFree: @Sendable (any Channel) -> Void
    private let whenClosed: @Sendable (any Channel) -> Void
    private var reply: ArgusReply?
    private var answer: ArgusConnections.Answer?
    private var isKeptAlive = true
    private var timer: Scheduled<Void>?

    init(whenFree: @escaping @Sendable (any Channel) -> Void, whenClosed: @escaping @Sendable (any Channel) -> Void) {
        self.whenFree = whenFree
        self.whenClosed = whenClosed
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let sent = unwrapOutboundIn(data)
        guard reply == nil else {
            sent.reply.fail(.broken("the connection is in use"))
            promise?.succeed()
            return
        }
        reply = sent.reply
        let channel = context.channel
        timer = context.eventLoop.scheduleTask(deadline: sent.request.deadline) {
            sent.reply.fail(.timedOut)
            channel.close(promise: nil)
        }
        context.write(wrapOutboundOut(.head(sent.request.head)), promise: nil)
        if let body = sent.request.body { context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil) }
        context.write(wrapOutboundOut(.end(nil)), promise: promise)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            // 1xx come before the answer itself.
            guard head.status.code >= 200 else { return }
            // An answer to nothing: there is no knowing what it would be taken for.
            guard reply != nil else { return context.close(promise: nil) }
            isKeptAlive = head.isKeepAlive
            answer = .init(status: UInt(head.status.code), headers: head.headers, body: ByteBuffer())
        case .body(var part):
            guard let count = answer?.body.readableBytes else { return }
            guard count + part.readableBytes <= Self.largestAnswer else { return fail(.tooLarge, context) }
            answer?.body.writeBuffer(&part)
        case .end:
            guard let answer, let reply else { return }
            timer?.cancel()
            (self.answer, self.reply, timer) = (nil, nil, nil)
            if isKeptAlive { whenFree(context.channel) } else { context.close(promise: nil) }
            reply.succeed(answer)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        fail(.init(error, hasAnswer: answer != nil), context)
    }

    func channelInactive(context: ChannelHandlerContext) {
        timer?.cancel()
        reply?.fail(answer == nil ? .closed : .closedWithinAnswer)
        reply = nil
        whenClosed(context.channel)
        context.fireChannelInactive()
    }

    private func fail(_ failure: ArgusConnections.Failure, _ context: ChannelHandlerContext) {
        reply?.fail(failure)
        reply = nil
        context.close(promise: nil)
    }
}
