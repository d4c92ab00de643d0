import FuzzTargets
import TestSupport
import Testing

/// Everything that reads what strangers send survives twenty thousand inputs, the same in each run. `Tests/fuzz` goes on from there
/// with libFuzzer.
@Suite struct FuzzTests {
    @Test(arguments: FuzzTarget.all.map(\.name)) func survives(name: String) async throws {
        let target = try #require(FuzzTarget.all.first { $0.name == name })
        for input in target.corpus { await target.run(Array(input.utf8)) }
        var mutator = Mutator(corpus: target.corpus, generator: SeededGenerator(seed: 2026))
        for _ in 0..<20_000 { await target.run(mutator.next()) }
    }
}
