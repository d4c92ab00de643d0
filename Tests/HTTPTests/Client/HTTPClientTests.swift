import Foundation
import TestSupport
import Testing
import Wire

@testable import HTTP

/// Requests, answers and what connections are used for, against servers that do what no well-behaved one would.
@Suite struct HTTPClientTests {
    private static let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

    /// A server that answers every request in the same way.
    private static func answering(_ answer: String) -> @Sendable (RawPeer) -> Void {
        { peer in while peer.next() != nil { guard peer.send(answer) else { return } } }
    }

    // MARK: Requests

    @Test func aRequestIsWrittenAsItIsMeant() async throws {
        let seen = Protected<[String]>([])
        try await ClientTrial.with { peer in
            while let request = peer.next() {
                seen.with { $0.append(request.head + String(decoding: request.body, as: UTF8.self)) }
                peer.reply()
            }
        } _: { trial, server in
            let host = "Host: 127.0.0.1:\(server.port)\r\n"
            #expect(
                await trial.ask(server, "PUT", path: "/a%20b?c=d&e", headers: ["X": "y"], body: [0x7b, 0x7d])
                    == "200 \"ok\"")
            #expect(await trial.ask(server) == "200 \"ok\"")
            #expect(await trial.ask(server, "POST", body: []) == "200 \"ok\"")
            let replaced: HeaderFields = [
                "Content-Length": "7", "transfer-encoding": "chunked", "HOST": "other", "B": "",
            ]
            #expect(await trial.ask(server, "PUT", headers: replaced, body: [1]) == "200 \"ok\"")
            #expect(await trial.ask(server, headers: ["connection": "x, Close"]) == "200 \"ok\"")
            #expect(
                seen.with { $0 } == [
                    "PUT /a%20b?c=d&e HTTP/1.1\r\n\(host)X: y\r\nContent-Length: 2\r\n\r\n{}",
                    "GET / HTTP/1.1\r\n\(host)\r\n", "POST / HTTP/1.1\r\n\(host)Content-Length: 0\r\n\r\n",
                    "PUT / HTTP/1.1\r\nHOST: other\r\nB: \r\nContent-Length: 1\r\n\r\n\u{1}",
                    "GET / HTTP/1.1\r\n\(host)Connection: close\r\n\r\n",
                ])
            #expect(server.connections == 1)
            #expect(await trial.ask(server) == "200 \"ok\"")
            #expect(server.connections == 2)
        }
    }

    @Test func whatCannotBeARequestIsNotSent() async throws {
        try await ClientTrial.with { _ in
        } _: { trial, server in
            for method in ["", "A B", "GET\r\n", "CONNECT", "GÉT"] {
                #expect(await trial.ask(server, method) == "invalidRequest")
            }
            for fields: HeaderFields in [
                ["": "x"], ["a b": "x"], ["a:": "x"], ["a\r\nb": "x"], ["a": "x\r\nEvil: 1"], ["a": "x\ny"],
                ["a": "\r"],
                ["a": "\0"], ["a": "\u{7f}"], ["é": "x"], ["Host": "a", "host": "b"],
            ] {
                #expect(await trial.ask(server, headers: fields) == "invalidRequest")
            }
            #expect(server.connections == 0)
        }
    }

    @Test func largeBodiesArriveWholeAlsoAtASlowReader() async throws {
        let body = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
        try await ClientTrial.with { peer in
            guard let head = peer.head() else { return }
            peer.reply(200, peer.body(RawPeer.length(head)) == body ? "whole" : "broken")
            peer.waitForClose()
        } _: { trial, server in
            #expect(await trial.ask(server, "POST", body: body) == "200 \"whole\"")
        }
    }

    // MARK: Answers

    @Test func answersAreReadByteByByte() async throws {
        let answer =
            "HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a\r\nhe\r\n3\r\nllo\r\n0\r\nX: y\r\n\r\n"
        try await ClientTrial.with { peer in
            while peer.next() != nil { for byte in answer.utf8 { peer.send([byte]) } }
        } _: { trial, server in
            for _ in 0..<3 { #expect(await trial.ask(server) == "200 \"hello\"") }
            #expect(server.connections == 1)
        }
    }

    @Test(arguments: [
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", "200 \"\""),
        ("GET", "HTTP/1.1 204 No\r\n\r\n", "204 \"\""),
        ("GET", "HTTP/1.1 304 No\r\nContent-Length: 9\r\n\r\n", "304 \"\""),
        ("GET", "HTTP/1.1 307 No\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", "307 \"\""),
        ("GET", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", "200 \"ok\""),
    ]) func answersThatLeaveTheConnectionInOrderKeepIt(method: String, answer: String, outcome: String) async throws {
        try await ClientTrial.with(server: Self.answering(answer)) { trial, server in
            for _ in 0..<5 { #expect(await trial.ask(server, method) == outcome) }
            #expect(server.connections == 1)
        }
    }

    @Test(arguments: [
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", Self.ok + Self.ok, Self.ok + "\r\n",
        "HTTP/1.1 200 OK\r\n\r\nok",
    ]) func answersThatDoNotEndIt(answer: String) async throws {
        try await ClientTrial.with { peer in
            _ = peer.next()
            peer.send(answer)
            if !answer.contains("Content-Length") { return }
            peer.waitForClose()
        } _: { trial, server in
            for _ in 0..<5 { #expect(await trial.ask(server) == "200 \"ok\"") }
            #expect(server.connections == 5)
        }
    }

    @Test(arguments: [
        ("", "the connection was closed without an answer"),
        ("HTTP/1.1 100 Continue\r\n\r\n", "the connection was closed without an answer"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", "the connection was closed within an answer"),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
            "the connection was closed within an answer"
        ),
        ("SSH-2.0-OpenSSH\r\n", "malformed"), ("HTTP/1.1 101 Switching\r\n\r\n", "malformed"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n", "the answer is too large"),
    ]) func whatIsNoAnswerIsAnErrorOfItsOwn(answer: String, outcome: String) async throws {
        let requests = Protected(0)
        try await ClientTrial.with { peer in
            while peer.next() != nil {
                let number = requests.with { count in
                    count += 1
                    return count
                }
                // On a kept connection something that came is no reason to send again either.
                if number % 2 == 1 {
                    peer.reply()
                    continue
                }
                peer.send(answer)
                return
            }
        } _: { trial, server in
            for method in ["GET", "POST"] where !(method == "GET" && answer.isEmpty) {
                #expect(await trial.ask(server) == "200 \"ok\"")
                #expect(await trial.ask(server, method, body: [1]) == outcome)
            }
            #expect(requests.with { $0 } == (answer.isEmpty ? 2 : 4))
        }
    }

    @Test(arguments: [
        "HTTP/1.1 200 OK\r\nX-A: {", "HTTP/1.1 200 OK\r\nX-{", "HTTP/1.1 200 OK\r\n{X-A: b\r\n", "HTTP/1.1 200 {", "{",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;{",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n{X-A: b\r\n", "HTTP/1.1 200 OK\r\n\r\n{",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{1\r\na\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{1;xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\na\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 9000000000\r\n\r\n{", "{HTTP/1.1 100 Continue\r\n\r\n",
    ]) func answersWithoutAnEndAreGivenUp(form: String) async throws {
        let parts = form.split(separator: "{", omittingEmptySubsequences: false)
        let (first, piece) = (String(parts[0]), parts[1].isEmpty ? "a" : String(parts[1]))
        let ended = Protected(0)
        try await ClientTrial.with { peer in
            _ = peer.next()
            let block = String(repeating: piece, count: 65_536 / piece.utf8.count)
            peer.send(first)
            while peer.send(block) {}
            ended.with { $0 += 1 }
        } _: { trial, server in
            let outcome = await trial.ask(server)
            #expect(outcome == "the answer is too large" || outcome == "malformed")
            try await until { ended.with { $0 } == 1 }
        }
    }

    @Test func aStatusIsNotLostBecauseABodyIsLong() async throws {
        for status in [200, 422] {
            try await ClientTrial.with { peer in
                _ = peer.next()
                peer.send("HTTP/1.1 \(status) X\r\nRetry-After: 1\r\n\r\n")
                while peer.send(String(repeating: "a", count: 4096)) {}
            } _: { trial, server in
                #expect(await trial.ask(server, limit: .statusSuffices(1000)) == "\(status) cut")
                #expect(await trial.ask(server, limit: .whole(1000)) == "the answer is too large")
            }
        }
    }

    @Test func ofACutAnswerARefusalIsHeardButNoSuccess() async throws {
        for (status, outcome) in [(200, "the connection was closed within an answer"), (422, "422 cut")] {
            try await ClientTrial.with { peer in
                _ = peer.next()
                peer.send("HTTP/1.1 \(status) X\r\nContent-Length: 10\r\n\r\nhalf")
            } _: { trial, server in
                #expect(await trial.ask(server, limit: .statusSuffices(1000)) == outcome)
            }
        }
    }

    @Test func aConnectionMayBeResetAtEveryStep() async throws {
        let (none, within) = (
            "the connection was closed without an answer", "the connection was closed within an answer"
        )
        for (part, outcome) in [
            // Reset at once, it may not even have been seen to be made.
            (nil, [none, "no connection: Connection reset by peer"]), ("", [none]), ("HTTP/1.1 200", [within, none]),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe", [within, none]),
            ("HTTP/1.1 200 OK\r\n\r\nhe", [within, none]),
        ] as [(String?, [String])] {
            for body in [nil, Self.large] {
                try await ClientTrial.with { peer in
                    if let part {
                        _ = peer.head()
                        peer.send(part)
                    }
                    peer.reset()
                } _: { trial, server in
                    for _ in 0..<3 {
                        let seen = await trial.ask(server, "POST", body: body)
                        #expect(outcome.contains(seen), "\(seen) after \(part ?? "nothing")")
                    }
                    #expect(server.connections == 3)
                }
            }
        }
    }

    // MARK: Kept connections

    @Test func oneConnectionServesOneRequestAfterTheOther() async throws {
        try await ClientTrial.with(server: Self.answering(Self.ok)) { trial, server in
            for _ in 0..<100 { #expect(await trial.ask(server) == "200 \"ok\"") }
            #expect(server.connections == 1)
        }
    }

    @Test func requestsAtOnceShareSoManyConnections() async throws {
        try await ClientTrial.with(.init(connectionsPerHost: 3), server: Self.answering(Self.ok)) { trial, server in
            await withTaskGroup(of: String.self) { group in
                for _ in 0..<200 { group.addTask { await trial.ask(server, "PUT", body: [1]) } }
                for await outcome in group { #expect(outcome == "200 \"ok\"") }
            }
            #expect((1...3).contains(server.connections))
        }
    }

    @Test(arguments: ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "POST", "PATCH"], [false, true])
    func aKeptConnectionThatIsClosedUnderARequestCostsNothingWhereTwiceIsOnce(
        method: String, isReset: Bool
    ) async throws {
        let isSafe = !["POST", "PATCH"].contains(method)
        let seen = Protected<[Int]>([])
        try await ClientTrial.with { peer in
            // Each connection answers one request, takes another, and is gone.
            for place in 0..<2 {
                guard let request = peer.next() else { return }
                seen.with { $0.append(peer.number) }
                let isHead = request.line.hasPrefix("HEAD")
                if place == 0 { peer.send(isHead ? "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" : Self.ok) }
            }
            if isReset { peer.reset() }
        } _: { trial, server in
            #expect(await trial.ask(server) == "200 \"ok\"")
            let outcome = await trial.ask(server, method, body: method == "PUT" || !isSafe ? [1] : nil)
            if isSafe {
                #expect(outcome.hasPrefix("200"))
                #expect(seen.with { $0 } == [1, 1, 2])
            } else {
                #expect(outcome == "the connection was closed without an answer")
                #expect(seen.with { $0 } == [1, 1])
            }
        }
    }

    @Test func aRequestIsSentAgainOnceOnly() async throws {
        let requests = Protected(0)
        try await ClientTrial.with { peer in
            while peer.next() != nil {
                let isFirst = requests.with { count in
                    count += 1
                    return count == 1
                }
                guard isFirst else { return }
                peer.reply()
            }
        } _: { trial, server in
            #expect(await trial.ask(server) == "200 \"ok\"")
            #expect(await trial.ask(server) == "the connection was closed without an answer")
            #expect(requests.with { $0 } == 3)
            // A new connection that is closed without an answer is no reason to try again.
            #expect(await trial.ask(server) == "the connection was closed without an answer")
            #expect(requests.with { $0 } == 4)
        }
    }

    @Test func aConnectionThatWasClosedWhileItRestedIsNotUsed() async throws {
        let requests = Protected(0)
        try await ClientTrial.with { peer in
            guard peer.next() != nil else { return }
            requests.with { $0 += 1 }
            peer.reply()
        } _: { trial, server in
            for number in 1...10 {
                #expect(await trial.ask(server) == "200 \"ok\"")
                // Not even a POST fails by it, once the end is there.
                try await until { server.openConnections == 0 }
                try await Task.sleep(for: .milliseconds(20))
                #expect(await trial.ask(server, "POST", body: [1]) == "200 \"ok\"")
                try await until { server.openConnections == 0 }
                try await Task.sleep(for: .milliseconds(20))
                #expect(requests.with { $0 } == 2 * number)
            }
        }
    }

    @Test func aLateAnswerThatNobodyAskedForEndsTheConnection() async throws {
        let (answered, sent) = (Gate(), Gate())
        try await ClientTrial.with { peer in
            _ = peer.next()
            peer.reply()
            guard peer.number == 1 else { return peer.waitForClose() }
            answered.wait()
            peer.reply(404, "stray")
            sent.open()
            peer.waitForClose()
        } _: { trial, server in
            #expect(await trial.ask(server) == "200 \"ok\"")
            answered.open()
            try await until { sent.isOpen }
            try await Task.sleep(for: .milliseconds(10))
            #expect(await trial.ask(server) == "200 \"ok\"")
            #expect(server.connections == 2)
        }
    }

    @Test func restingConnectionsAreClosedAfterAWhile() async throws {
        try await ClientTrial.with(.init(idleTimeout: .milliseconds(30)), server: Self.answering(Self.ok)) {
            trial, server in
            #expect(await trial.ask(server) == "200 \"ok\"")
            try await until { server.openConnections == 0 }
            #expect(await trial.ask(server) == "200 \"ok\"")
            #expect(server.connections == 2)
        }
    }

    @Test func busyConnectionsAreRenewedNowAndThen() async throws {
        try await ClientTrial.with(.init(maximumAge: .milliseconds(50)), server: Self.answering(Self.ok)) {
            trial, server in
            while server.connections < 4 { #expect(await trial.ask(server, "POST", body: [1]) == "200 \"ok\"") }
        }
    }

    // MARK: Early answers

    private static let large = [UInt8](repeating: 0x78, count: 6_000_000)

    @Test(arguments: [BodyLimit.whole(100), .statusSuffices(100)])
    func aRefusalIsHeardWhileTheRequestIsStillBeingSent(limit: BodyLimit) async throws {
        for form in ["lingering", "unread", "kept", "without a length"] {
            try await ClientTrial.with { peer in
                guard let head = peer.head() else { return }
                switch form {
                case "lingering":
                    peer.reply(413, "no", "Connection: close\r\n")
                    peer.finishSocket()
                    peer.waitForClose()
                case "unread": peer.reply(413, "no", "Connection: close\r\n")
                case "kept":
                    peer.reply(413, "no")
                    _ = peer.body(RawPeer.length(head))
                    while peer.next() != nil { peer.reply() }
                default:
                    peer.send("HTTP/1.1 413 No\r\n\r\nno")
                    peer.finishSocket()
                    peer.waitForClose()
                }
            } _: { trial, server in
                for _ in 0..<2 {
                    #expect(await trial.ask(server, "POST", body: Self.large, limit: limit) == "413 \"no\"", "\(form)")
                }
                #expect(server.connections == 2)
            }
        }
    }

    @Test(arguments: [true, false]) func aSuccessThatComesEarlyDoesNotCutTheRequest(hasLength: Bool) async throws {
        let sizes = Protected<[Int]>([])
        try await ClientTrial.with { peer in
            while let head = peer.head() {
                if hasLength {
                    peer.reply()
                } else {
                    peer.send("HTTP/1.1 200 OK\r\n\r\nok")
                    peer.finishSocket()
                }
                let size = peer.body(RawPeer.length(head)).count
                sizes.with { $0.append(size) }
            }
        } _: { trial, server in
            for _ in 0..<2 { #expect(await trial.ask(server, "POST", body: Self.large) == "200 \"ok\"") }
            try await until { sizes.with { $0.count } == 2 }
            #expect(sizes.with { $0 } == [Self.large.count, Self.large.count])
        }
    }

    @Test func aSuccessOfAServerThatWantsNoMoreIsOne() async throws {
        try await ClientTrial.with { peer in
            guard peer.head() != nil else { return }
            peer.reply()
        } _: { trial, server in
            #expect(await trial.ask(server, "POST", body: Self.large) == "200 \"ok\"")
        }
    }

    // MARK: Loops

    @Test func onALoopARequestStaysThere() async throws {
        try await ClientTrial.with(server: Self.answering(Self.ok)) { trial, server in
            let url = try WebURL("http://127.0.0.1:\(server.port)/")
            let outcomes = await withCheckedContinuation { (continuation: CheckedContinuation<[String], Never>) in
                let outcomes = Protected<[String]>([])
                @Sendable func again(_ thread: pthread_t) {
                    trial.client.execute(ClientRequest("GET", url), within: ClientTrial.patience, body: .whole(10)) {
                        result in
                        let count = outcomes.with { outcomes in
                            outcomes.append(ClientTrial.words(result) + (pthread_self() == thread ? "" : " elsewhere"))
                            return outcomes.count
                        }
                        if count < 50 { again(thread) } else { continuation.resume(returning: outcomes.with { $0 }) }
                    }
                }
                trial.client.execute(ClientRequest("GET", url), within: ClientTrial.patience, body: .whole(10)) { _ in
                    again(pthread_self())
                }
            }
            #expect(outcomes == Array(repeating: "200 \"ok\"", count: 50))
            #expect(server.connections == 1)
        }
    }

    @Test func nothingStaysOpen() async throws {
        let server = try RawServer(Self.answering(Self.ok))
        defer { server.close() }
        for _ in 0..<20 {
            try await ClientTrial.with(.init(connectionsPerHost: 4)) { trial in
                await withTaskGroup(of: Void.self) { group in
                    for number in 0..<20 {
                        group.addTask {
                            let time = number % 3 == 0 ? Duration.microseconds(number * 50) : ClientTrial.patience
                            _ = await trial.ask(server, within: time)
                        }
                    }
                }
            }
            try await until { server.openConnections == 0 }
        }
    }
}
