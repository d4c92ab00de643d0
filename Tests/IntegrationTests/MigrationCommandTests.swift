import Foundation
import TestSupport
import Testing

/// `backfill`, `verify` and `rollback` against a store in another process, as an operator calls them.
@Suite struct MigrationCommandTests {
    private let folder: FileFolder
    private let argus: ArgusProcess
    /// What `until` counts from: the same life is the same end, however long the test takes.
    private let began = Date()

    init() async throws {
        argus = try await ArgusProcess(ownerPattern: "^.{10,60}$")
        folder = try FileFolder([:])
        try """
        source: stdin
        stages:
          - name: wave
            filter: {match: {field: config.url, host: "*.example"}}
          - name: item
            transform: {argus-item: {owner: xmidt-migration}}
        sink: {argus: {address: "\(argus.url)", auth: {basic: "user:pass"}, journal: \(folder.path)/journal.sqlite}}
        """.write(toFile: "\(folder.path)/p.yaml", atomically: true, encoding: .utf8)
    }

    private func record(_ url: String, lives seconds: Int = 250, secret: String = "hunter2", events: String = "e")
        -> String
    {
        let until = ISO8601DateFormatter().string(from: began.addingTimeInterval(Double(seconds)))
        return
            #"{"config":{"url":"\#(url)","secret":"\#(secret)"},"events":["\#(events)"],"duration":300000000000,"until":"\#(until)"}"#
    }

    private func write(_ records: [String], to name: String = "list.json") throws {
        try "[\(records.joined(separator: ",\n"))]".write(
            toFile: "\(folder.path)/\(name)", atomically: true, encoding: .utf8)
    }

    private func hecate(_ command: String, _ arguments: String..., list: String = "list.json") async throws -> (
        status: Int32, output: String
    ) {
        let process = try ChildProcess(
            ChildProcess.hecate,
            [command, "--pipeline", "\(folder.path)/p.yaml"]
                + (command == "rollback" ? [] : ["--from", "\(folder.path)/\(list)"]) + arguments,
            environment: ["XDG_STATE_HOME": "\(folder.path)/state"], name: command)
        return (await process.wait(), process.output.replacingOccurrences(of: folder.path + "/", with: ""))
    }

    private func items() async throws -> [String] {
        try await argus.items(owner: "xmidt-migration").compactMap {
            (($0["data"] as? [String: Any])?["Webhook"] as? [String: Any])
                .flatMap { ($0["config"] as? [String: Any])?["url"] as? String }
        }.sorted()
    }

    @Test func aListIsCarriedOverOnceAndNothingNewerIsReplaced() async throws {
        try write([
            record("http://a.example/"), record("http://b.example/"), record("http://other.net/"),
            record("http://gone.example/", lives: -10), #"{"config":{"url":"http://bad.example/"}}"#,
            record("http://obfuscated.example/", secret: "<obfuscated>"),
        ])
        let (status, output) = try await hecate("backfill")
        #expect(status == 1, "what is refused is no success: \(output)")
        for line in [
            "6 registrations in", "2  written", "1  stay: stopped by a filter", "1  have ended already", "1  refused\n",
            "1  refused: the list hides their secrets", "list.json:5 http://bad.example/: item: events is missing",
        ] {
            #expect(output.contains(line), "\(output)")
        }
        #expect(!output.contains("hunter"))
        #expect(try await items() == ["http://a.example/", "http://b.example/"])

        // What was registered since lives longer, and a list that knows only the older state leaves it alone.
        try write([record("http://a.example/", lives: 290, events: "newer")], to: "newer.json")
        let (newer, text) = try await hecate("backfill", list: "newer.json")
        #expect(newer == 0 && text.contains("1  written"), "\(text)")
        try write([record("http://a.example/", lives: 100, events: "older")])
        let (older, left) = try await hecate("backfill")
        #expect(older == 0 && left.contains("1  kept: the items in Argus expire later"), "\(left)")
        let (verified, seen) = try await hecate("verify", "--settle", "0s", list: "newer.json")
        #expect(
            verified == 1 && seen.contains("extra      http://b.example/") && seen.contains("1 only in Argus"),
            "\(seen)")
    }

    @Test func whatWasInterruptedIsGoneOnWith() async throws {
        // All of them would take two minutes, longer than the wait for the first ones may: it is still at work when the signal comes.
        try write((0..<60).map { record("http://h\($0).example/") })
        let slow = try ChildProcess(
            ChildProcess.hecate,
            [
                "backfill", "--pipeline", "\(folder.path)/p.yaml", "--from", "\(folder.path)/list.json", "--rate",
                "0.5",
                "--state", "\(folder.path)/done",
            ], name: "backfill")
        try await Cluster.eventually("some are written") { try await items().count >= 2 }
        slow.send(SIGINT)
        let status = await slow.wait()
        #expect(status == 1 && slow.output.contains("interrupted: run the same command"), "\(slow.output)")
        let before = try await items().count
        #expect(before < 60)
        let (again, output) = try await hecate("backfill", "--state", "\(folder.path)/done")
        #expect(again == 0 && output.contains("\(before)  were done before"), "\(output)")
        #expect(try await items().count == 60)
        #expect(
            !FileManager.default.fileExists(atPath: "\(folder.path)/done"), "what is complete leaves nothing behind")
    }

    @Test func aDryRunWritesNothing() async throws {
        try write([record("http://a.example/")])
        let (status, output) = try await hecate("backfill", "--dry-run")
        #expect(status == 0 && output.contains("would write") && !output.contains("hunter"), "\(output)")
        #expect(try await items() == [])
    }

    @Test func whatDiffersIsSaidFieldByFieldAndCanBeRepaired() async throws {
        try write([record("http://a.example/"), record("http://b.example/"), record("http://c.example/")])
        _ = try await hecate("backfill")
        #expect(try await hecate("verify", "--settle", "0s").status == 0)
        try write([
            record("http://a.example/", secret: "hunter3", events: "f"), record("http://c.example/", lives: 290),
            record("http://d.example/"), record("http://other.net/"),
        ])
        let (status, output) = try await hecate("verify", "--settle", "10ms", "--json")
        #expect(status == 1)
        let report = try #require(
            try JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any], "\(output)")
        let differences = try #require(report["differences"] as? [[String: Any]])
        let kinds = differences.map { "\($0["kind"] ?? "") \($0["url"] ?? "")" }
        #expect(
            kinds == [
                "missing http://d.example/", "extra http://b.example/", "different http://a.example/",
                "expires http://c.example/",
            ])
        #expect(report["live"] as? Int == 3 && report["stay"] as? Int == 1 && report["equal"] as? Bool == false)
        let details = differences[2]["details"] as? [String] ?? []
        #expect(details.count == 2 && details.contains("Webhook.config.secret differs"), "\(details)")
        #expect(!output.contains("hunter"))

        let (repaired, table) = try await hecate("verify", "--settle", "10ms", "--repair")
        #expect(repaired == 1 && table.contains("1 only in Argus"), "\(table)")
        #expect(!table.contains("missing") && !table.contains("different") && !table.contains("expires"), "\(table)")
        // Without the pipeline the whole list counts, as it is.
        let process = try ChildProcess(
            ChildProcess.hecate,
            [
                "verify", "--from", "\(folder.path)/list.json", "--to", argus.url, "--to-auth", "user:pass", "--owner",
                "xmidt-migration", "--settle", "0s",
            ], name: "verify")
        #expect(await process.wait() == 1)
        #expect(process.output.contains("missing    http://other.net/"), "\(process.output)")
    }

    @Test func anotherOwnersItemIsSaidToBeThat() async throws {
        try write([record("http://a.example/")])
        _ = try await hecate("backfill", "--set", "stages.item.transform.argus-item.owner=somebody-else")
        let (status, output) = try await hecate("verify", "--settle", "0s")
        #expect(status == 1 && output.contains("owner      http://a.example/  it is another owner's"), "\(output)")
    }

    @Test func watchingEndsWhenBothSidesAreEqual() async throws {
        try write([record("http://a.example/")])
        let watch = try ChildProcess(
            ChildProcess.hecate,
            [
                "verify", "--pipeline", "\(folder.path)/p.yaml", "--from", "\(folder.path)/list.json", "--watch",
                "--settle", "100ms",
            ], name: "verify")
        try await Cluster.eventually("it says what is missing") { watch.output.contains("1 missing in Argus") }
        _ = try await hecate("backfill")
        #expect(await watch.wait() == 0)
        #expect(watch.output.contains("both sides are equal"))
        try write([record("http://b.example/")])
        let (status, output) = try await hecate("verify", "--watch", "--settle", "50ms", "--timeout", "300ms")
        #expect(status == 1 && output.contains("missing    http://b.example/"), "\(output)")
    }

    @Test func aRollbackDeletesWhatThisGatewayCreatedAndNothingElse() async throws {
        // Made by somebody else, then written by the gateway; made by the gateway; made by it and then renewed by somebody else.
        let other = "--set=sink.argus.journal=\(folder.path)/other.sqlite"
        try write([record("http://updated.example/", lives: 100)])
        _ = try await hecate("backfill", other)
        try write([
            record("http://updated.example/", lives: 200), record("http://created.example/"),
            record("http://renewed.example/", lives: 100),
        ])
        _ = try await hecate("backfill")
        try write([record("http://renewed.example/", lives: 280), record("http://unknown.example/")])
        _ = try await hecate("backfill", other)

        let (dry, listed) = try await hecate("rollback")
        #expect(dry == 0 && listed.contains("nothing was deleted"), "\(listed)")
        for line in [
            "delete  created", "keep    updated", "keep    renewed", "keep    unknown",
            "4 items: 1 to be deleted, 3 kept",
        ] {
            #expect(listed.contains(line), "\(listed)")
        }
        let (unasked, refusal) = try await hecate("rollback", "--delete")
        #expect(unasked == 1 && refusal.contains("use --yes"), "\(refusal)")
        #expect(try await items().count == 4)
        let (status, output) = try await hecate("rollback", "--delete", "--yes")
        #expect(status == 0 && output.contains("deleted 1"), "\(output)")
        #expect(
            try await items() == ["http://renewed.example/", "http://unknown.example/", "http://updated.example/"])
        let (all, _) = try await hecate("rollback", "--delete", "--yes", "--by-owner")
        #expect(all == 0)
        #expect(try await items() == [])
    }

    @Test(arguments: [
        (
            ["backfill", "--from", "http://127.0.0.1:9/hooks"], 1,
            "the list at http://127.0.0.1:9/hooks cannot be fetched"
        ),
        (["backfill", "--from", "/nope.json"], 2, "the list '/nope.json' cannot be read"),
        (["backfill", "--from", "-", "--rate", "0"], 2, "--rate"),
        (["backfill", "--from", "-", "--list-auth", "x"], 0, "0 registrations"),
        (["verify", "--from", "-", "--watch"], 2, "standard input can be read only once"),
        (["verify", "--from", "-", "--tolerance", "soon"], 2, "'soon' is no duration"),
        (["rollback", "--owner", "me", "--set", "sink.argus.journal="], 2, "has no journal"),
    ]) func mistakesAreSaid(arguments: [String], status: Int32, text: String) async throws {
        let process = try ChildProcess(
            ChildProcess.hecate, [arguments[0], "--pipeline", "\(folder.path)/p.yaml"] + arguments.dropFirst(),
            name: "mistake")
        let seen = await process.wait()
        #expect(seen == status && process.output.contains(text), "\(process.output)")
    }
}
