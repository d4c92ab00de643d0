import Glibc
import Locking
import Telemetry

/// The constant settings that all connections of a listener share.
struct ListenerSettings: Sendable {
    let handler: HTTPListener.Handler
    let bodyBytes: @Sendable (String) -> Int
    let certificate: ServerCertificate?
    let logger: Logger
    let parser: RequestParser.Limits
    let connections: Int
    let reservedDescriptors: Int
    // In nanoseconds.
    let idle: UInt64
    let body: UInt64
    let answer: UInt64
    let linger: UInt64

    init(
        _ limits: HTTPLimits, certificate: ServerCertificate?, logger: Logger,
        bodyBytes: @escaping @Sendable (String) -> Int, handler: @escaping HTTPListener.Handler
    ) {
        self.handler = handler
        self.bodyBytes = bodyBytes
        self.certificate = certificate
        self.logger = logger
        parser = .init(
            headerBytes: limits.headerBytes, fields: limits.fields,
            requestLineBytes: min(limits.headerBytes, RequestParser.Limits().requestLineBytes))
        connections = limits.connections
        reservedDescriptors = limits.reservedDescriptors
        (idle, body, answer, linger) = (
            limits.idle.wholeNanoseconds, limits.body.wholeNanoseconds, limits.answer.wholeNanoseconds,
            limits.linger.wholeNanoseconds
        )
    }
}

/// The connections of a listener on one event loop.
///
/// `@unchecked Sendable`: used on its event loop only, which every method asserts.
final class ConnectionSet: @unchecked Sendable {
    let loop: EventLoop
    let settings: ListenerSettings
    private unowned let acceptor: Acceptor
    private var connections: [ObjectIdentifier: ServerConnection] = [:]
    private(set) var isDraining = false

    init(_ loop: EventLoop, _ settings: ListenerSettings, _ acceptor: Acceptor) {
        (self.loop, self.settings, self.acceptor) = (loop, settings, acceptor)
    }

    /// Adds an accepted connection.
    func add(_ descriptor: Int32, from remoteAddress: String?) {
        loop.assertCurrent()
        let transport: Transport
        if let certificate = settings.certificate {
            guard let session = certificate.session() else {
                Glibc.close(descriptor)
                return acceptor.connectionEnded()
            }
            transport = Transport(descriptor: descriptor, session: session)
        } else {
            transport = Transport(descriptor: descriptor)
        }
        let connection = ServerConnection(transport, from: remoteAddress, in: self)
        connections[ObjectIdentifier(connection)] = connection
        connection.begin()
    }

    /// Removes a closed connection.
    func remove(_ connection: ServerConnection) {
        loop.assertCurrent()
        connections[ObjectIdentifier(connection)] = nil
        acceptor.connectionEnded()
        if isDraining, connections.isEmpty { acceptor.setEnded() }
    }

    /// Drains the connections and tells the acceptor when the last one is closed.
    func drain() {
        loop.assertCurrent()
        guard !isDraining else { return }
        guard !connections.isEmpty else {
            isDraining = true
            return acceptor.setEnded()
        }
        isDraining = true
        for connection in Array(connections.values) { connection.drain() }
    }
}
