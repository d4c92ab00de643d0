import Foundation
import HTTP
import Telemetry
import TestServers
import TestSupport
import Testing

/// Several users of one listener, over real sockets.
@Suite struct ListenerPoolTests {
    private struct Served {
        let stop: StopSignal
        let task: Task<Void, any Error>
    }

    private let pool = ListenerPool()
    private let address: ListenAddress
    private let logger = Logger.silent

    init() throws {
        address = try #require(ListenAddress("127.0.0.1:\(FreePort.find())"))
    }

    /// Serves at a path until stopped; returns when it listens, or throws why it cannot.
    private func serve(
        _ path: String, bodyBytes: Int = 100, tls: ServerTLS? = nil,
        answering answer: @escaping @Sendable () async -> String
    ) async throws -> Served {
        let listening = AsyncStream.makeStream(of: Result<Void, any Error>.self)
        let stop = StopSignal()
        let task = Task { [pool, address, logger] in
            do {
                try await pool.serve(
                    address, path: path, tls: tls, limits: HTTPLimits(bodyBytes: bodyBytes), logger: logger,
                    until: stop, onListening: { listening.continuation.yield(.success(())) },
                    handler: HTTPListener.asynchronous { _ in .text(200, await answer()) })
            } catch {
                listening.continuation.yield(.failure(error))
                throw error
            }
        }
        for await result in listening.stream {
            try result.get()
            break
        }
        return Served(stop: stop, task: task)
    }

    private func get(_ path: String, body: Int = 0) async throws -> String {
        let connection = try RawConnection(port: address.port)
        try connection.send(
            "POST \(path) HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: \(body)\r\n\r\n"
                + String(repeating: "x", count: body))
        let answer = try await connection.read(until: "\r\n\r\n")
        let words = answer.split(separator: " ")
        guard words.count > 1 else { throw POSIXError(.ECONNRESET) }
        return String(words[1])
    }

    @Test func aCheckTellsWhetherAnAddressCanBeListenedOn() async throws {
        try await pool.check(address, tls: nil, logger: logger)
        let served = try await serve("/a") { "a" }
        // It is this pool's own.
        try await pool.check(address, tls: nil, logger: logger)
        let error = await #expect(throws: HTTPListenerError.self) {
            try await ListenerPool().check(address, tls: nil, logger: logger)
        }
        #expect(error?.description.contains("the port is taken") == true)
        let files = ServerTLS(certificate: "/none/c.pem", key: "/none/k.pem")
        let missing = await #expect(throws: HTTPListenerError.self) {
            try await pool.check(address, tls: files, logger: logger)
        }
        #expect(missing?.description.contains("/none/c.pem: No such file or directory") == true)
        served.stop.fire()
        try await served.task.value
    }

    @Test func eachPathIsAnsweredByItsOwnAndWhatNobodyHasByNobody() async throws {
        let short = try await serve("/api/hook", bodyBytes: 10) { "short" }
        let long = try await serve("/api/hook/list", bodyBytes: 50) { "long" }
        #expect(try await get("/api/hook", body: 10) == "200")
        #expect(try await get("/api/hook", body: 11) == "413")
        #expect(try await get("/api/hook/list", body: 50) == "200")
        #expect(try await get("/api/hook/list/below", body: 51) == "413")
        #expect(try await get("/api/hooks") == "404")
        #expect(try await get("/api") == "404")
        long.stop.fire()
        try await long.task.value
        #expect(try await get("/api/hook/list", body: 10) == "503", "a client of what has ended is told to come again")
        #expect(try await get("/api/hook/other", body: 10) == "200")
        short.stop.fire()
        try await short.task.value
        #expect(throws: (any Error).self) { try RawConnection(port: address.port) }
    }

    @Test func aPathIsGivenOnce() async throws {
        let first = try await serve("/a") { "first" }
        await #expect {
            _ = try await serve("/a") { "second" }
        } throws: { "\($0)".contains("the path /a is another pipeline's") }
        #expect(try await get("/a") == "200")
        first.stop.fire()
        try await first.task.value
    }

    @Test func requestsWaitForTheSuccessorOfTheirPathOnly() async throws {
        let leaving = try await serve("/a") { "old" }
        let staying = try await serve("/b") { "other" }
        pool.beginHandover()
        leaving.stop.fire()
        try await leaving.task.value
        #expect(pool.hasUnclaimedPaths)
        async let waiting = get("/a")
        #expect(try await get("/b") == "200")
        let successor = try await serve("/a") { "new" }
        #expect(try await waiting == "200")
        #expect(!pool.hasUnclaimedPaths)
        await pool.endHandover()
        for served in [staying, successor] {
            served.stop.fire()
            try await served.task.value
        }
    }

    @Test func whoWaitsForNobodyIsToldToComeAgain() async throws {
        let leaving = try await serve("/a") { "old" }
        pool.beginHandover()
        leaving.stop.fire()
        try await leaving.task.value
        async let waiting = get("/a")
        // Whether it waits already or comes later: it is answered, or refused, but never left hanging.
        await pool.endHandover()
        let status = try? await waiting
        #expect(status == nil || status == "503")
    }

    @Test func whoStopsHasAnsweredWhatItBegan() async throws {
        let release = StopSignal(), begun = StopSignal()
        let slow = try await serve("/slow") {
            begun.fire()
            await release.wait()
            return "slow"
        }
        let other = try await serve("/other") { "other" }
        async let answer = get("/slow")
        await begun.wait()
        slow.stop.fire()
        #expect(try await get("/other") == "200")
        release.fire()
        #expect(try await answer == "200")
        try await slow.task.value
        other.stop.fire()
        try await other.task.value
    }

    @Test func aSuccessorShowsTheCertificateThatIsThereNowWhileOldConnectionsGoOn() async throws {
        let first = try TestPair(name: "first"), second = try TestPair(name: "second")
        let files = try FileFolder()
        func put(_ certificate: TestPair, _ key: TestPair) throws -> ServerTLS {
            for (name, pair) in [("c.pem", certificate), ("k.pem", key)] {
                try files.write(name, try pair.folder.text(name))
            }
            return ServerTLS(certificate: "\(files.path)/c.pem", key: "\(files.path)/k.pem")
        }
        func shows(_ pair: TestPair) async -> Bool {
            let tls = ClientTLSFiles(ca: "\(pair.folder.path)/c.pem")
            let answer = try? await HTTPClient.once("GET", "https://127.0.0.1:\(address.port)/a", tls: tls)
            return answer?.status == 200
        }
        var serving = try await serve("/a", tls: put(first, first)) { "old" }
        #expect(await shows(first))
        let old = try Peer(port: address.port, tls: true)
        try await old.handshake()
        for (certificate, key, shown) in [(second, second, second), (first, second, second), (first, first, first)] {
            pool.beginHandover()
            serving.stop.fire()
            try await serving.task.value
            serving = try await serve("/a", tls: put(certificate, key)) { "new" }
            await pool.endHandover()
            #expect(await shows(shown))
            #expect(await !shows(shown === first ? second : first))
            try await old.send("GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try await old.answer().text == "new\n")
        }
        // Without a successor there is nothing to go on with.
        await #expect(throws: HTTPListenerError.self) { _ = try await serve("/b", tls: put(first, second)) { "" } }
        await #expect(throws: HTTPListenerError.self) { _ = try await serve("/b") { "" } }
        serving.stop.fire()
        try await serving.task.value
    }
}
