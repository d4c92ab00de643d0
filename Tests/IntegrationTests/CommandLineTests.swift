import Foundation
import TestSupport
import Testing

/// The command line, as a user meets it.
@Suite struct CommandLineTests {
    private func hecate(_ arguments: [String], file: String? = nil, input: String? = nil) async throws -> (
        status: Int32, output: String
    ) {
        var arguments = arguments
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("cli-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        if let file {
            let path = directory.appendingPathComponent("p.yaml")
            try file.write(to: path, atomically: true, encoding: .utf8)
            arguments.append(path.path)
        }
        let stdin = directory.appendingPathComponent("stdin")
        try (input ?? "").write(to: stdin, atomically: true, encoding: .utf8)
        let process = try ChildProcess(
            ChildProcess.hecate, arguments, name: "cli", input: try FileHandle(forReadingFrom: stdin))
        return (await process.wait(), process.output.replacingOccurrences(of: directory.path + "/", with: ""))
    }

    @Test(arguments: [
        (["version"], 0, "hecate 0."), (["--help"], 0, "SUBCOMMANDS"), (["list"], 0, "argus-item"),
        (["describe", "sink", "argus"], 0, "inFlight"),
        (["describe", "pipeline"], 0, "shutdownGrace"), (["describe", "sink", "argos"], 2, "did you mean 'argus'"),
        (["describe", "snk", "argus"], 2, "did you mean 'sink'"), (["nonsense"], 2, "nonsense"), (["run"], 2, "file"),
        (["run", "/nope.yaml"], 2, "cannot be read"),
        (["argus", "--listen", "x"], 2, "--listen"), (["argus", "--auth", "x"], 2, "user:password"),
        (["argus", "--owner-pattern", "("], 2, "regular expression"),
        (["run", "--log-level", "loud", "x.yaml"], 2, "loud"),
    ])
    func answers(arguments: [String], status: Int32, text: String) async throws {
        let (actual, output) = try await hecate(arguments)
        #expect(actual == status)
        #expect(output.contains(text), "\(output)")
    }

    @Test func everyKindDescribesItself() async throws {
        let (_, list) = try await hecate(["list"])
        var role = ""
        for line in list.split(separator: "\n") {
            if !line.hasPrefix(" ") {
                role = String(line.dropLast())
            } else if let name = line.split(separator: " ").first {
                let (status, output) = try await hecate(["describe", role, String(name)])
                #expect(status == 0)
                #expect(output.contains("example"))
            }
        }
    }

    @Test func linesBecomeItems() async throws {
        let pipeline = """
            source: stdin
            stages: [{transform: {argus-item: {owner: somebody-or-other}}}]
            sink: stdout
            """
        let good = #"{"config":{"url":"http://a/","secret":"hunter2"},"events":["e"],"duration":"5m"}"#
        let (status, output) = try await hecate(
            ["run", "--log-level", "error"], file: pipeline, input: good + "\n\n" + good)
        #expect(status == 0)
        #expect(output.components(separatedBy: "\"id\":").count == 3)
        let (refused, why) = try await hecate(["run"], file: pipeline, input: "hello\n" + good + "\n{}\n")
        #expect(refused == 1)
        #expect(
            why.contains("line=1") && why.contains("config.url is missing or empty") && why.contains("2 of 3 lines"))
        let (dry, would) = try await hecate(["run", "--dry-run"], file: pipeline, input: good)
        #expect(dry == 0)
        #expect(would.contains("would write argus-item http://a/") && !would.contains("hunter2"))
    }

    @Test func aFileIsReadAndWritten() async throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("files-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let (from, to) = (directory.appendingPathComponent("in"), directory.appendingPathComponent("out"))
        let lines = (0..<500).map { "{\"config\":{\"url\":\"http://a/\($0)\"}}" }
        try lines.joined(separator: "\n").write(to: from, atomically: true, encoding: .utf8)
        let pipeline = "source: {file: {path: \(from.path)}}\nsink: {file: {path: \(to.path), sync: true}}\nlanes: 1\n"
        for round in 1...2 {
            #expect(try await hecate(["run"], file: pipeline).status == 0)
            let written = try String(contentsOf: to, encoding: .utf8).split(separator: "\n").map(String.init)
            #expect(written == Array(repeating: lines, count: round).flatMap { $0 })
        }
        let mode = try FileManager.default.attributesOfItem(atPath: to.path)[.posixPermissions] as? Int
        #expect(mode == 0o600)
    }

    @Test func aPortThatIsTakenIsSaid() async throws {
        let argus = try await ArgusProcess()
        let pipeline = """
            source: {sns: {topicArn: "arn:aws:sns:us-east-1:0:t", subscribe: false, listen: "127.0.0.1:\(argus.port)"}}
            sink: drop
            """
        let (status, output) = try await hecate(["run"], file: pipeline)
        #expect(status == 1)
        #expect(output.contains("cannot listen on 127.0.0.1:\(argus.port): the port is taken"))
        let operations =
            "operations: {metrics: \"127.0.0.1:\(argus.port)\"}\nsource: {generate: {rate: 1}}\nsink: drop\n"
        #expect(try await hecate(["run"], file: operations).status == 1)
        #expect(try await hecate(["argus", "--listen", "127.0.0.1:\(argus.port)"]).status == 1)
        await argus.process.stop()
    }

    @Test func pipelinesRunSideBySide() async throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("side-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        var files: [String] = []
        for (name, count) in [("one", 3), ("two", 4)] {
            let file = directory.appendingPathComponent("\(name).yaml")
            let text = "source: {generate: {count: \(count), template: '\(name)'}}\nsink: stdout\n"
            try text.write(to: file, atomically: true, encoding: .utf8)
            files.append(file.path)
        }
        let (status, output) = try await hecate(["run", "--log-level", "error"] + files)
        #expect(status == 0)
        #expect(output.split(separator: "\n").sorted() == ["one", "one", "one", "two", "two", "two", "two"])
        // Two of one name are a mistake.
        let (twice, why) = try await hecate(["validate", files[0], files[0]])
        #expect(twice == 2 && why.contains("the pipeline 'one' has the same name"))
    }

    @Test func aSourceWithoutEndStopsWhenItIsTold() async throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("endless-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let file = directory.appendingPathComponent("p.yaml")
        try "source: generate\nsink: drop\n".write(to: file, atomically: true, encoding: .utf8)
        let process = try ChildProcess(ChildProcess.hecate, ["run", file.path], name: "endless")
        try await Cluster.eventually("it runs") { process.output.contains("running") }
        process.send(SIGTERM)
        #expect(await process.wait() == 0, "\(process.output)")
    }
}
