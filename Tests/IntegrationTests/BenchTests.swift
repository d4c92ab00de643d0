import Foundation
import TestSupport
import Testing

/// That `hecate-bench --compare` fails when it should, and only then. Nothing here depends on how fast the machine is.
@Suite struct BenchTests {
    private func baseline(_ value: Double, _ folder: FileFolder) throws -> String {
        let path = "\(folder.path)/baseline.json"
        let pairs = Array(repeating: #"{"yardstick": 1000, "value": \#(value)}"#, count: 3).joined(separator: ",")
        try #"{"pairs": {"in-process.lanes-1.messagesPerSecond": [\#(pairs)], "gateway.stored": []}}"#
            .write(toFile: path, atomically: true, encoding: .utf8)
        return path
    }

    private func bench(_ arguments: String...) async throws -> (status: Int32, output: String) {
        let process = try ChildProcess(
            ChildProcess.products.appendingPathComponent("hecate-bench"),
            ["in-process", "--generated", "200", "--rounds", "1"] + arguments, name: "bench")
        return (await process.wait(), process.output)
    }

    @Test func aRegressionFailsAndAnImprovementDoesNot() async throws {
        let folder = try FileFolder([:])
        let better = try await bench("--compare", try baseline(0.001, folder))
        #expect(better.status == 0 && !better.output.contains("WORSE"), "\(better.output)")
        let worse = try await bench("--compare", try baseline(1e12, folder))
        #expect(worse.status == 1, "\(worse.output)")
        #expect(worse.output.contains("worse than before: in-process.lanes-1.messagesPerSecond"), "\(worse.output)")
    }

    @Test func whatWasWrittenCanBeComparedWith() async throws {
        let folder = try FileFolder([:])
        let path = "\(folder.path)/measured.json"
        let written = try await bench("--pairs", "2", "--json", path)
        #expect(written.status == 0, "\(written.output)")
        let json =
            try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: path))) as? [String: Any]
        let pairs = try #require(
            (json?["pairs"] as? [String: Any])?["in-process.lanes-1.messagesPerSecond"] as? [[String: Double]])
        #expect(pairs.count == 2 && pairs.allSatisfy { $0["yardstick"] ?? 0 > 0 && $0["value"] ?? 0 > 0 })
        let compared = try await bench("--compare", path)
        #expect(compared.output.contains("against \(path)"), "\(compared.output)")
        let nothing = try await bench("--compare", "\(folder.path)/nope.json")
        #expect(nothing.status != 0)
    }

    @Test(arguments: [
        (["gateway", "--rate", "0"], "--rate"), (["idle", "--rounds", "0"], "--rounds"),
        (["idle", "--program", "/nope"], "'/nope' is no program"), (["soak", "--minutes", "nan"], "--minutes"),
    ]) func mistakesAreSaid(arguments: [String], text: String) async throws {
        let process = try ChildProcess(
            ChildProcess.products.appendingPathComponent("hecate-bench"), arguments, name: "bench")
        #expect(await process.wait() == 2)
        #expect(process.output.contains(text), "\(process.output)")
    }
}
