import Foundation
import FuzzTargets
import TestSupport
import Testing

/// Everything that reads what strangers send survives twenty thousand inputs, the same in each run; others, and more of them, with
/// HECATE_FUZZ_SEED and HECATE_FUZZ_INPUTS. `Tests/fuzz` goes on from there with libFuzzer.
@Suite struct FuzzTests {
    private static func number(_ variable: String) -> UInt64? {
        ProcessInfo.processInfo.environment[variable].flatMap { UInt64($0) }
    }

    @Test(arguments: FuzzTarget.all.map(\.name)) func survives(name: String) async throws {
        let target = try #require(FuzzTarget.all.first { $0.name == name })
        for input in target.corpus { await target.run(input) }
        var mutator = Mutator(
            corpus: target.corpus, generator: SeededGenerator(seed: Self.number("HECATE_FUZZ_SEED") ?? 2026))
        for number in 0..<(Self.number("HECATE_FUZZ_INPUTS") ?? 20_000) {
            await target.run(mutator.next())
            // Servers of other tests run on the same few threads.
            if number.isMultiple(of: 200) { await Task.yield() }
        }
    }
}
