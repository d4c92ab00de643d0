import Foundation
import TestSupport
import Testing
import Wire

@testable import HTTP

/// Whom a client connects to: names, addresses, sockets.
@Suite struct HTTPClientAddressTests {
    private static func addresses(_ texts: String...) -> NameLookup {
        let addresses = texts.compactMap { SocketAddress(numeric: $0) }
        return NameLookup { _ in .success(addresses) }
    }

    @Test(arguments: [
        ["127.0.0.1"], ["127.0.0.2", "127.0.0.1"], ["::1", "127.0.0.1"], ["127.0.0.1", "127.0.0.2"],
        ["127.0.0.2", "127.0.0.3", "::1", "127.0.0.4", "127.0.0.1"],
    ]) func allAddressesOfANameAreTried(addresses: [String]) async throws {
        let server = try RawServer { peer in while peer.next() != nil { peer.reply() } }
        defer { server.close() }
        let found = addresses.compactMap { SocketAddress(numeric: $0) }
        try await ClientTrial.with(lookup: NameLookup { _ in .success(found) }) { trial in
            for _ in 0..<3 { #expect(await trial.ask(server, host: "name.example") == "200 \"ok\"") }
        }
        #expect(server.connections == 1)
    }

    @Test func anAddressThatSaysNothingHoldsNobodyUp() async throws {
        let silent = try SilentPort()
        // At the same port of another address.
        let server = try RawServer(at: .address("127.0.0.2"), port: silent.port) { peer in
            while peer.next() != nil { peer.reply() }
        }
        defer { server.close() }
        for addresses in [
            ["127.0.0.1", "127.0.0.2"], ["127.0.0.2", "127.0.0.1"], ["127.0.0.3", "127.0.0.1", "127.0.0.2"],
        ] {
            let found = addresses.compactMap { SocketAddress(numeric: $0) }
            try await ClientTrial.with(lookup: NameLookup { _ in .success(found) }) { trial in
                #expect(await trial.ask(server, host: "name.example") == "200 \"ok\"")
            }
        }
    }

    @Test func whereNobodyTakesConnectionsThatIsSaid() async throws {
        let server = try RawServer { _ in }
        server.close()
        try await until { LoopbackSocket.connect(port: server.port).map { close($0) } == nil }
        try await ClientTrial.with(lookup: Self.addresses("127.0.0.1", "::1")) { trial in
            #expect(await trial.ask(server) == "no connection: Connection refused")
            #expect(await trial.ask(server, host: "name.example") == "no connection: Connection refused")
            #expect(
                await trial.ask(server, "POST", host: "name.example", body: [1]) == "no connection: Connection refused")
        }
    }

    @Test func aNameWithoutAnAddressSaysWhy() async throws {
        let server = try RawServer { _ in }
        defer { server.close() }
        try await ClientTrial.with { trial in
            #expect(
                await trial.ask(server, host: "no-such-host.invalid")
                    .hasPrefix("no connection: the name no-such-host.invalid has no address ("))
            // What the system would take for an address, though nobody writes it.
            for host in ["2130706433", "0x7f000001", "127.1", "0177.0.0.1", "127.0.0.0x1", "a.0x", "127.0.0.1."] {
                #expect(
                    await trial.ask(server, host: host)
                        == "no connection: the name \(host) has no address (it is neither a name nor an address)")
            }
        }
        #expect(server.connections == 0)
    }

    @Test func theSystemIsAskedForNames() async throws {
        let server = try RawServer { peer in while peer.next() != nil { peer.reply() } }
        defer { server.close() }
        try await ClientTrial.with { trial in #expect(await trial.ask(server, host: "localhost") == "200 \"ok\"") }
    }

    @Test func whoAsksForANameThatIsLookedUpSharesThat() async throws {
        let (asked, told, gate) = (Protected<[String]>([]), Protected(0), Gate())
        let lookup = NameLookup { host in
            asked.with { $0.append(host) }
            gate.wait()
            return .success([])
        }
        for host in ["one", "one", "one", "two", "one"] { lookup.find(host) { _ in told.with { $0 += 1 } } }
        gate.open()
        try await until { told.with { $0 } == 5 }
        #expect(asked.with { $0.sorted() } == ["one", "two"])
        // Nothing is remembered.
        lookup.find("one") { _ in told.with { $0 += 1 } }
        try await until { told.with { $0 } == 6 }
        #expect(asked.with { $0.sorted() } == ["one", "one", "two"])
    }

    @Test func familiesAreTriedInTurn() {
        let texts = ["::1", "::2", "::3", "127.0.0.1", "127.0.0.2"].compactMap { SocketAddress(numeric: $0) }
        let order = ["::1", "127.0.0.1", "::2", "127.0.0.2", "::3"].compactMap { SocketAddress(numeric: $0) }
        #expect(NameLookup.interleaved(texts) == order)
        #expect(NameLookup.interleaved([]) == [])
    }

    @Test func addressesOfVersion6AreConnectedTo() async throws {
        let hosts = Protected<[String]>([])
        let server = try RawServer(at: .address("::1")) { peer in
            while let request = peer.next() {
                hosts.with { $0.append(String(request.head.split(separator: "\r\n")[1])) }
                peer.reply()
            }
        }
        defer { server.close() }
        try await ClientTrial.with { trial in #expect(await trial.ask(server, host: "[::1]") == "200 \"ok\"") }
        #expect(hosts.with { $0 } == ["Host: [::1]:\(server.port)"])
    }

    @Test func unixDomainSocketsAreConnectedTo() async throws {
        let folder = try FileFolder()
        let server = try RawServer(at: .unix("\(folder.path)/s")) { peer in while peer.next() != nil { peer.reply() } }
        defer { server.close() }
        try await ClientTrial.with { trial in
            let request = ClientRequest("GET", try WebURL.unix(socket: "\(folder.path)/s"))
            for _ in 0..<3 {
                #expect(try await trial.client.execute(request, within: ClientTrial.patience).status == 200)
            }
            let nowhere = ClientRequest("GET", try WebURL.unix(socket: "\(folder.path)/nobody"))
            await #expect(throws: HTTPClientError.cannotConnect(reason: "No such file or directory")) {
                try await trial.client.execute(nowhere, within: ClientTrial.patience)
            }
        }
        #expect(server.connections == 1)
    }

    /// Hosts may come from messages; what nobody uses is forgotten, whatever is under way.
    @Test func manyHostsAreNotRememberedForEver() async throws {
        let server = try RawServer { peer in while peer.next() != nil { peer.reply() } }
        defer { server.close() }
        try await ClientTrial.with(.init(maximumAge: .zero), lookup: Self.addresses("127.0.0.1")) { trial in
            for number in 0..<150 { #expect(await trial.ask(server, host: "host-\(number).example") == "200 \"ok\"") }
            #expect(trial.client.knownHosts < 150)
        }
    }
}
