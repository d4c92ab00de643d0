import Foundation
import Glibc
import Locking
import TestSupport

/// Posts prepared requests over keep-alive connections, one thread each: what a client costs the least.
struct LoadGenerator {
    struct Report {
        var seconds = 0.0
        /// Milliseconds from the first byte sent to the last received.
        var latencies: [Double] = []
        /// How many were answered with which status; 0 where the connection failed.
        var statuses: [Int: Int] = [:]
    }

    let port: Int
    let connections: Int
    let rate: Double?
    /// The request of a number; nil where there are no more.
    let request: @Sendable (Int) -> [UInt8]?

    init(port: Int, connections: Int, rate: Double?, request: @escaping @Sendable (Int) -> [UInt8]?) {
        self.port = port
        self.connections = connections
        self.rate = rate
        self.request = request
    }

    private final class Shared: Sendable {
        let next = Atomic<Int>(0)
        let report = Mutex(Report())
    }

    func run() -> Report {
        let shared = Shared()
        let started = ContinuousClock.now
        let threads = DispatchGroup()
        for _ in 0..<connections {
            threads.enter()
            Thread {
                let part = post(shared, started)
                shared.report.withLock { report in
                    report.latencies += part.latencies
                    report.statuses.merge(part.statuses, uniquingKeysWith: +)
                }
                threads.leave()
            }.start()
        }
        threads.wait()
        var report = shared.report.withLock { $0 }
        report.seconds = (ContinuousClock.now - started) / .seconds(1)
        return report
    }

    private func post(_ shared: Shared, _ started: ContinuousClock.Instant) -> Report {
        var report = Report()
        var connection = Connection(port: port)
        while true {
            let index = shared.next.wrappingAdd(1, ordering: .relaxed).oldValue
            guard let request = request(index) else { break }
            if let rate {
                let due = started + .seconds(Double(index) / rate)
                let pause = (due - ContinuousClock.now) / .seconds(1)
                if pause > 0 { usleep(UInt32(pause * 1e6)) }
            }
            let began = ContinuousClock.now
            let status = connection?.exchange(request).status ?? 0
            report.latencies.append((ContinuousClock.now - began) / .milliseconds(1))
            report.statuses[status, default: 0] += 1
            if status == 0 {
                connection?.close()
                connection = Connection(port: port)
            }
        }
        connection?.close()
        return report
    }
}

/// A connection with blocking reads and writes.
struct Connection {
    private let descriptor: Int32

    init?(port: Int) {
        guard let descriptor = LoopbackSocket.connect(port: port) else { return nil }
        self.descriptor = descriptor
        var noDelay: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &noDelay, socklen_t(MemoryLayout<Int32>.size))
    }

    func close() { Glibc.close(descriptor) }

    /// Sends a request and reads its answer; the status, 0 where the connection failed, and the body.
    func exchange(_ request: [UInt8]) -> (status: Int, body: ArraySlice<UInt8>) {
        var received: [UInt8] = []
        guard LoopbackSocket.send(request, to: descriptor),
            let answer = HTTPBytes.readMessage(descriptor, &received), let head = HTTPBytes.head(of: answer)
        else { return (0, []) }
        let words = head.line.split(separator: " ")
        return (words.count > 1 ? Int(words[1]) ?? 0 : 0, answer[head.count...])
    }

    /// Asks for a path over a connection of its own.
    ///
    /// - Throws: where nothing listens on the port.
    static func get(_ path: String, port: Int) throws -> (status: Int, body: Data) {
        guard let connection = Connection(port: port) else { throw BenchError("nothing listens on port \(port)") }
        defer { connection.close() }
        let (status, body) = connection.exchange(Array("GET \(path) HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".utf8))
        return (status, Data(body))
    }

    /// A counter's value of the series that has a label of this value, as Prometheus would be told; 0 where there is none.
    static func counter(_ name: String, _ label: String, port: Int) throws -> Int {
        String(decoding: try get("/metrics", port: port).body, as: UTF8.self).split(separator: "\n")
            .first { $0.hasPrefix("\(name){") && $0.contains("\"\(label)\"") }?
            .split(separator: " ").last.flatMap { Double($0) }.map { Int($0) } ?? 0
    }
}
