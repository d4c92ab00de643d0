import Foundation
import TestSupport
import Testing

extension FileFolder {
    /// Runs `hecate`; a `@` in an argument stands for the folder.
    func hecate(_ arguments: String..., environment: [String: String] = [:]) async throws -> (
        status: Int32, output: String
    ) {
        let process = try ChildProcess(
            ChildProcess.hecate, arguments.map { $0.replacingOccurrences(of: "@", with: path) },
            environment: environment, name: "lang")
        return (await process.wait(), process.output.replacingOccurrences(of: path + "/", with: ""))
    }
}

/// The commands of the pipeline language, as a user meets them.
@Suite struct LanguageCommandTests {
    private static let wave = """
        source: stdin
        stages:
          - name: wave
            filter: {match: {field: config.url, host: "*.a.example"}}
          - transform: {argus-item: {owner: "{attributes.team:-xmidt-migration}"}}
        sink: {argus: {address: "${ARGUS_URL:?the URL of Argus}", auth: {basic: "u:hunter2"}}}
        """

    private static func record(_ url: String, _ more: String = "") -> String {
        "{\"config\":{\"url\":\"\(url)\",\"secret\":\"hunter3\"},\"events\":[\"x\"]\(more)}"
    }

    @Test func planSaysWhatWouldMigrateAndWhatNotAndWhy() async throws {
        let folder = try FileFolder([
            "p.yaml": Self.wave,
            "list.jsonl": [
                Self.record("https://x.a.example/"), Self.record("https://b.example/"), "", "{}", "nonsense",
                Self.record("https://y.a.example/", ",\"until\":\"2025-01-01T00:00:00Z\""),
                Self.record("https://x.a.example/", ",\"duration\":\"10m\""),
                Self.record("https://z.a.example/\\u001b[31m"),
            ].joined(separator: "\n"),
        ])
        let set = "sink.argus.address=http://a"
        let (status, output) = try await folder.hecate(
            "plan", "@/p.yaml", "--input", "@/list.jsonl", "--now", "2026-01-01T00:00:00Z", "--set", set)
        #expect(status == 0)
        let lines = output.split(separator: "\n").map { $0.split(separator: " ", omittingEmptySubsequences: true) }
        let decisions = lines.dropFirst().prefix(7).map { line in
            line.first { ["migrates", "stays", "expired", "refused", "replaced"].contains($0) } ?? ""
        }
        #expect(decisions == ["replaced", "stays", "stays", "refused", "expired", "migrates", "migrates"], "\(output)")
        #expect(output.contains("stopped by wave") && output.contains("registered again in line 7"))
        #expect(output.contains("xmidt-migration  600 s"))
        #expect(output.hasSuffix("7 registrations: 2 migrates, 2 stays, 1 expired, 1 refused, 1 replaced\n"))
        #expect(!output.contains("hunter") && !output.contains("\u{1b}"))

        let (_, json) = try await folder.hecate(
            "plan", "@/p.yaml", "--input", "@/list.jsonl", "--json", "--attribute", "team=a-team-of-ten", "--set", set)
        let rows = try #require(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [[String: Any]])
        #expect(rows.count == 7 && rows[5]["owner"] as? String == "a-team-of-ten" && rows[5]["line"] as? Int == 7)
    }

    @Test func planTakesAnArrayAndStandardInput() async throws {
        let folder = try FileFolder([
            "p.yaml": Self.wave,
            "list.json": "[\n\(Self.record("https://x.a.example/")),\n\(Self.record("https://b.example/"))\n]",
        ])
        let (_, output) = try await folder.hecate(
            "plan", "@/p.yaml", "--input", "@/list.json", environment: ["ARGUS_URL": "http://a"])
        #expect(output.contains("2 registrations: 1 migrates, 1 stays"), "\(output)")
        let (status, error) = try await folder.hecate(
            "plan", "@/p.yaml", "--input", "@/nope", environment: ["ARGUS_URL": "http://a"])
        #expect(status == 2 && error.contains("the list 'nope' cannot be read"))
    }

    private static let tests = """
        now: 2026-01-01T00:00:00Z
        variables: {ARGUS_URL: http://a}
        tests:
          - name: goes over
            input: {webhook: {config: {url: "https://x.a.example/"}, events: [x]}}
            delivers: {owner: xmidt-migration, ttl: 300}
          # A remark that stays.
          - name: stays
            input:
              sns: {Message: {config: {url: "https://b.example/"}, events: [x]}}
            drops: {by: wave}

          - name: refused
            input: {json: {config: {url: "https://x.a.example/"}}}
            dead-letters: {reason: events is missing}
          - name: ended
            input: {webhook: {config: {url: "https://x.a.example/"}, events: [x], until: 1}}
            expires: true
        """

    @Test func testsOfPipelinesPassAndFailReadably() async throws {
        let folder = try FileFolder([
            "p.yaml": Self.wave, "p.test.yaml": Self.tests,
            "bad.test.yaml": Self.tests.replacingOccurrences(
                of: "ttl: 300", with: "ttl: 301, contains: {data: {PartnerIDs: [p]}}"
            )
            .replacingOccurrences(of: "by: wave", with: "by: wav").replacingOccurrences(
                of: "variables:", with: "pipeline: p.yaml\nvariables:"),
        ])
        let (status, output) = try await folder.hecate("test", "@/p.test.yaml")
        #expect(status == 0 && output == "4 passed, 0 failed\n", "\(output)")
        let (failed, report) = try await folder.hecate("test", "@", "--junit", "@/junit.xml")
        #expect(failed == 1)
        #expect(
            report == """
                bad.test.yaml:5: goes over
                    ttl: expected '301', was '300'
                    body.data.PartnerIDs: expected ["p"], was []
                bad.test.yaml:9: stays
                    expected to be dropped by 'wav', it was by 'wave'
                6 passed, 2 failed

                """, "\(report)")
        let junit = try folder.text("junit.xml")
        #expect(junit.contains("tests=\"4\" failures=\"2\"") && junit.contains("expected &apos;301") == false)
        #expect(junit.components(separatedBy: "<testcase").count == 9)
    }

    @Test func updateWritesDownWhatWasSeenAndLeavesTheRest() async throws {
        let folder = try FileFolder([
            "p.yaml": Self.wave,
            "p.test.yaml": Self.tests.replacingOccurrences(of: "ttl: 300", with: "ttl: 1")
                .replacingOccurrences(of: "    dead-letters: {reason: events is missing}\n", with: "")
                .replacingOccurrences(of: "{by: wave}", with: "\n      by: nobody"),
        ])
        let (first, _) = try await folder.hecate("test", "@/p.test.yaml")
        #expect(first == 1)
        let (updated, output) = try await folder.hecate("test", "--update", "@/p.test.yaml")
        #expect(updated == 0 && output.contains("the files were updated"))
        let text = try folder.text("p.test.yaml")
        #expect(text.contains("  # A remark that stays.\n  - name: stays\n"))
        #expect(text.contains("    dead-letters:\n      stage: \"argus-item\"\n"))
        #expect(text.contains("    drops: {by: \"wave\"}\n\n  - name: refused"))
        let (again, all) = try await folder.hecate("test", "@/p.test.yaml")
        #expect(again == 0 && all == "4 passed, 0 failed\n", "\(all)\(text)")
    }

    @Test(arguments: [
        ("tests: [{input: {text: x}, delivers: {}, drops: true}]", "one of 'delivers', 'drops'"),
        ("tests: [{input: {}}]", "an input is one of"),
        ("tests: [{inptu: {text: x}}]", "no option 'inptu'; did you mean 'input'?"),
        ("tests: [{input: {sns: {Msg: x}}, drops: true}]", "MessageId, TopicArn or Message is missing"),
        ("now: soon\ntests: []", "no date-time"), ("tests: 1", "a list of tests"),
        ("pipeline: nope.yaml\ntests: []", "cannot be read"),
    ])
    func testFilesAreCheckedToo(text: String, message: String) async throws {
        let folder = try FileFolder(["p.yaml": "source: stdin\nsink: drop", "p.test.yaml": text])
        let (status, output) = try await folder.hecate("test", "@/p.test.yaml")
        #expect(status == 2 && output.contains(message), "\(output)")
    }

    @Test func importedConfigurationIsAPipelineAndHoldsNoSecret() async throws {
        let original = Fixtures.directory.appendingPathComponent("original-hecate.yaml").path
        let folder = try FileFolder([:].merging(["x": ""]) { $1 })
        let (status, notes) = try await folder.hecate("import", original, "--output", "@/p.yaml")
        #expect(status == 0)
        for key in [
            "aws.accessKey", "argus.auth.basic", "migration.owner", "prometheus", "log", "soa", "servers.pprof",
            "start",
        ] {
            #expect(notes.contains(": \(key): "), "\(key): \(notes)")
        }
        #expect(!notes.contains("not known"))
        let text = try folder.text("p.yaml")
        #expect(!text.contains("dXNlcjpwYXNz") && !text.contains("secretKey"))
        let environment = ["AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "ARGUS_AUTH": "Basic dXNlcjpwYXNz"]
        let (good, output) = try await folder.hecate("validate", "@/p.yaml", environment: environment)
        #expect(good == 0, "\(output)\(text)")
        for part in [
            "environment: \"local-dev\"", "waitForDNS: \"30s\"", "region: \"us-east-1\"", "listen: \":6700\"",
            "metrics: \":6701\"",
        ] {
            #expect(text.contains(part))
        }
        let (other, mistake) = try await folder.hecate("import", "@/p.yaml")
        #expect(other == 2 && mistake.contains("no configuration of the original gateway"))
        let (again, refusal) = try await folder.hecate("import", original, "--output", "@/p.yaml")
        #expect(again == 1 && refusal.contains("exists already"))
    }

    @Test func renderDiffGraphAndSchemaAnswer() async throws {
        let folder = try FileFolder([
            "a.yaml": Self.wave, "b.yaml": "extends: a.yaml\nstages: [{name: wave, remove: true}]",
        ])
        let environment = ["ARGUS_URL": "http://argus"]
        let (status, rendered) = try await folder.hecate("render", "@/b.yaml", environment: environment)
        #expect(status == 0 && rendered.contains("address: http://argus  # a.yaml:6 ${ARGUS_URL:?the URL of Argus}"))
        #expect(!rendered.contains("hunter2"))
        let (bad, mistakes) = try await folder.hecate("render", "@/b.yaml")
        #expect(bad == 2 && mistakes.contains("ARGUS_URL is not set"))
        let (kept, raw) = try await folder.hecate("render", "--keep-variables", "@/b.yaml")
        #expect(kept == 0 && raw.contains("address: \"${ARGUS_URL:?the URL of Argus}\""))
        let (differ, differences) = try await folder.hecate("diff", "@/a.yaml", "@/b.yaml", environment: environment)
        #expect(differ == 1 && differences.contains("stages.wave.name\n  - wave  # a.yaml:3"))
        let (same, nothing) = try await folder.hecate("diff", "@/a.yaml", "@/a.yaml", environment: environment)
        #expect(same == 0 && nothing.isEmpty)
        for format in ["text", "mermaid", "dot", "svg"] {
            let (drawn, drawing) = try await folder.hecate(
                "graph", "@/a.yaml", "--format", format, environment: environment)
            #expect(drawn == 0 && drawing.contains("wave"))
        }
    }

    @Test func validateLooksAtWhatIsUsed() async throws {
        let argus = try await ArgusProcess()
        let folder = try FileFolder([
            "good.yaml":
                "source: {file: {path: @/in.jsonl}}\nstages: [{transform: argus-item}]\nsink: {argus: {address: \(argus.url), auth: {basic: \"user:pass\"}}}",
            "bad.yaml":
                "source: {file: {path: /nowhere}}\nstages: [{transform: argus-item}]\nsink: {argus: {address: \(argus.url), auth: {basic: \"user:wrong\"}}}",
            "in.jsonl": "",
        ])
        try
            "source: {file: {path: \(folder.path)/in.jsonl}}\nstages: [{transform: argus-item}]\nsink: {argus: {address: \(argus.url), auth: {basic: \"user:pass\"}}}"
            .write(toFile: "\(folder.path)/good.yaml", atomically: true, encoding: .utf8)
        let (status, output) = try await folder.hecate("validate", "--connect", "@/good.yaml")
        #expect(status == 0 && output.contains("sink argus: Argus answers and accepts the credentials"), "\(output)")
        let (bad, mistakes) = try await folder.hecate("validate", "--connect", "@/bad.yaml")
        #expect(bad == 1)
        #expect(
            mistakes.contains("source file: cannot be used") && mistakes.contains("sink argus: cannot be used"),
            "\(mistakes)")
        #expect(!mistakes.contains("wrong"))
        await argus.process.stop()
    }

    @Test func whatTakesLongSaysSoOnATerminalOnly() async throws {
        let folder = try FileFolder([
            "slow.yaml": """
            source: {generate: {count: 3}}
            stages: [{transform: {exec: {command: [bash, -c, 'while read -r line; do sleep 1.3; echo "{\\"drop\\": true}"; done'], timeout: 60s}}}]
            sink: drop
            """, "list.jsonl": "{}\n{}\n{}\n",
        ])
        let plan = "\(ChildProcess.hecate.path) plan \(folder.path)/slow.yaml --input \(folder.path)/list.jsonl"
        let run = "\(ChildProcess.hecate.path) run --log-level error \(folder.path)/slow.yaml"
        for (command, text) in [(plan, "planned"), (run, "messages")] {
            // 'script' gives it a terminal.
            let shown = try ChildProcess(
                URL(fileURLWithPath: "/usr/bin/script"), ["-qec", command, "/dev/null"], name: "script")
            #expect(await shown.wait() == 0)
            #expect(shown.output.contains("\r\u{1b}[K\(text)"), "\(shown.output)")
            let quiet = try ChildProcess(URL(fileURLWithPath: "/bin/sh"), ["-c", command], name: "quiet")
            #expect(await quiet.wait() == 0)
            #expect(!quiet.output.contains("\u{1b}"))
        }
    }

    @Test func completionsAreGenerated() async throws {
        let folder = try FileFolder(["x": ""])
        for shell in ["bash", "zsh", "fish"] {
            let (status, output) = try await folder.hecate("--generate-completion-script", shell)
            #expect(status == 0 && output.contains("dead-letters"), "\(shell)")
        }
    }

    @Test func theTapShowsWhatPassesARunningGateway() async throws {
        let folder = try FileFolder([
            "p.yaml": """
            pipeline: tapped
            source: {generate: {rate: 20, template: '{"config":{"url":"u{n}","secret":"hunter2"},"events":["x"]}'}}
            stages: [{filter: {sample: 50}}]
            sink: drop
            """
        ])
        let runtime = ["XDG_RUNTIME_DIR": folder.path]
        let gateway = try ChildProcess(
            ChildProcess.hecate, ["run", "\(folder.path)/p.yaml"], environment: runtime, name: "tapped")
        try await Cluster.eventually("the gateway can be looked into") {
            FileManager.default.fileExists(atPath: "\(folder.path)/hecate/\(gateway.id).sock")
        }
        let (status, output) = try await folder.hecate("tap", "--count", "20", environment: runtime)
        #expect(status == 0, "\(output)")
        #expect(output.contains("tapped/sample  passed") && output.contains("tapped/sample  filtered"))
        #expect(output.contains("tapped/drop  delivered") && output.contains("\"secret\":\"[redacted]\""))
        #expect(!output.contains("hunter2"))
        let (_, lines) = try await folder.hecate(
            "tap", "--count", "2", "--json", "--stage", "drop", "--pid", "\(gateway.id)", environment: runtime)
        for line in lines.split(separator: "\n") where line.hasPrefix("{") {
            let passage = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
            #expect(passage?["stage"] as? String == "drop")
        }
        #expect(await gateway.stop() == 0)
        #expect(!FileManager.default.fileExists(atPath: "\(folder.path)/hecate/\(gateway.id).sock"))
        let (none, refusal) = try await folder.hecate("tap", environment: runtime)
        #expect(none == 1 && refusal.contains("no gateway of this user is running"))
    }

    @Test func aNewSinkIsWrittenOnceAndCompiles() async throws {
        let registry = ChildProcess.sources.appendingPathComponent("Sources/Stages/StandardStages.swift")
        let folder = try FileFolder([
            "Sources/Stages/StandardStages.swift": try String(contentsOf: registry, encoding: .utf8),
            "Sources/Stages/Sinks/x": "", "Tests/StagesTests/x": "",
        ])
        let (status, output) = try await folder.hecate("new", "sink", "my-store", "--checkout", "@")
        #expect(status == 0, "\(output)")
        #expect(
            try folder.text("Sources/Stages/StandardStages.swift").contains(
                "registry.register(MyStoreSink.self)\n        return registry"))
        #expect(
            try folder.text("Tests/StagesTests/MyStoreSinkTests.swift").contains("SinkConformance(MyStoreSink.self"))
        let source = try folder.text("Sources/Stages/Sinks/MyStoreSink.swift")
        #expect(source.split(separator: "\n", omittingEmptySubsequences: false).count < 80)
        // It is checked against the modules of this build, as the package would compile it.
        let compile = try ChildProcess(
            URL(fileURLWithPath: "/usr/bin/env"),
            [
                "swiftc", "-typecheck", "-swift-version", "6", "-warnings-as-errors", "-package-name", "main",
                "-enable-upcoming-feature",
                "InternalImportsByDefault", "-enable-upcoming-feature", "ExistentialAny", "-parse-as-library", "-I",
                ChildProcess.products.appendingPathComponent("Modules").path,
            ] + Self.systemModules + ["\(folder.path)/Sources/Stages/Sinks/MyStoreSink.swift"], name: "swiftc")
        #expect(await compile.wait() == 0, "\(compile.output)")
        let lint = try ChildProcess(
            URL(fileURLWithPath: "/usr/bin/env"),
            [
                "swift", "format", "lint", "--strict", "--configuration",
                ChildProcess.sources.appendingPathComponent(".swift-format").path,
                "\(folder.path)/Sources/Stages/Sinks/MyStoreSink.swift",
                "\(folder.path)/Tests/StagesTests/MyStoreSinkTests.swift",
            ], name: "lint")
        #expect(await lint.wait() == 0, "\(lint.output)")
        for (arguments, message) in [
            (["new", "sink", "my-store", "--checkout", folder.path], "there is a sink 'my-store' already"),
            (["new", "sink", "argus", "--checkout", folder.path], "there is a sink 'argus' already"),
            (["new", "sink", "My Store", "--checkout", folder.path], "is no name such as"),
            (["new", "sink", "other", "--checkout", "/nowhere"], "is no checkout of Hecate"),
        ] {
            let process = try ChildProcess(ChildProcess.hecate, arguments, name: "new")
            #expect(await process.wait() != 0)
            #expect(process.output.contains(message), "\(process.output)")
        }
    }

    /// Where the modules of C libraries are that modules of this package stand on.
    private static var systemModules: [String] {
        let sources = ChildProcess.sources.appendingPathComponent("Sources").path
        let modules = (try? FileManager.default.contentsOfDirectory(atPath: sources)) ?? []
        return modules.filter { $0.hasPrefix("CHecate") }.flatMap { module in
            ["", "/include"].flatMap { ["-Xcc", "-I\(sources)/\(module)\($0)"] }
        }
    }
}
