import Glibc

/// A non-blocking listening socket.
struct ListeningSocket {
    let descriptor: Int32
    /// The port; nil for a Unix domain socket.
    let port: Int?

    /// Binds and listens. Blocks while a host name is looked up.
    ///
    /// - Throws: `HTTPListenerError` if it cannot listen at the address.
    init(_ address: ListenAddress) throws(HTTPListenerError) {
        if let path = address.unixPath {
            guard let bound = SocketAddress(unixPath: path) else {
                throw HTTPListenerError("cannot listen on \(address): the path is too long")
            }
            descriptor = try Self.listen(bound, address)
            port = nil
            return
        }
        let found: [SocketAddress]
        do {
            found = try SocketAddress.all(host: address.host, port: address.port)
        } catch {
            throw HTTPListenerError("cannot listen on \(address): \(error)")
        }
        var failure: HTTPListenerError?
        for candidate in found {
            do throws(HTTPListenerError) {
                descriptor = try Self.listen(candidate, address)
                port = SocketAddress.port(ofSocket: descriptor)
                return
            } catch {
                failure = failure ?? error
            }
        }
        throw failure ?? HTTPListenerError("cannot listen on \(address): the host has no address")
    }

    private static func listen(_ bound: SocketAddress, _ address: ListenAddress) throws(HTTPListenerError) -> Int32 {
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let descriptor = socket(bound.family, kind, 0)
        guard descriptor >= 0 else { throw failure(address) }
        if bound.family != AF_UNIX {
            // Allows the port of a process that has just ended, but not one in use.
            var enabled: Int32 = 1
            setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &enabled, socklen_t(MemoryLayout<Int32>.size))
        }
        guard bound.withPointer({ bind(descriptor, $0, $1) }) == 0, Glibc.listen(descriptor, Int32(SOMAXCONN)) == 0
        else {
            let error = failure(address)
            close(descriptor)
            throw error
        }
        return descriptor
    }

    private static func failure(_ address: ListenAddress) -> HTTPListenerError {
        let reason = errno == EADDRINUSE ? "the port is taken" : String(cString: strerror(errno))
        return HTTPListenerError("cannot listen on \(address): \(reason)")
    }
}
