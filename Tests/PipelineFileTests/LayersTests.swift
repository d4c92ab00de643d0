import Foundation
import PipelineKit
import Stages
import TestSupport
import Testing

@testable import PipelineFile

extension FileFolder {
    func load(
        _ name: String, settings: [String] = [], environment: [String: String] = [:]
    ) -> (file: PipelineFile?, report: String) {
        let (files, report) = PipelineFile.load(
            ["\(path)/\(name)"], registry: .standard, settings: settings,
            substitution: Substitution(
                variable: { environment[$0] }, file: { _ in throw Substitution.Failure(message: "no") }))
        return (files.first, report.description.replacingOccurrences(of: path + "/", with: ""))
    }

    func effective(_ name: String, settings: [String] = []) throws -> EffectivePipeline {
        let (pipeline, report) = EffectivePipeline.load("\(path)/\(name)", registry: .standard, settings: settings)
        #expect(report.description == "")
        return try #require(pipeline)
    }
}

@Suite struct LayersTests {
    private static let base = """
        pipeline: base
        lanes: 2
        retry: {initial: 1s, max: 2s}
        source:
          generate: {count: 1}
        stages:
          - name: first
            filter: {sample: 10}
          - transform:
              argus-item: {owner: xmidt-migration, ttl: {max: 24h, min: 1s}}
          - name: last
            filter: {sample: 100}
        sink:
          argus: {address: [http://a, http://b], bucket: webhooks}
        """

    private func stages(_ over: String, settings: [String] = []) throws -> (names: [String], report: String) {
        let folder = try FileFolder(["base.yaml": Self.base, "over.yaml": "extends: base.yaml\n" + over])
        let (file, report) = folder.load("over.yaml", settings: settings)
        return (file?.pipeline.stages.map(\.name) ?? [], report)
    }

    @Test func mapsMergeAndScalarsReplace() throws {
        let folder = try FileFolder([
            "base.yaml": Self.base,
            "sub/over.yaml": """
            extends: ../base.yaml
            pipeline: over
            retry: {max: 5s}
            sink: {argus: {address: http://c}}
            """,
        ])
        let (file, report) = folder.load("sub/over.yaml")
        #expect(report == "")
        let pipeline = try #require(file).pipeline
        #expect(pipeline.name == "over")
        #expect(pipeline.settings.lanes == 2)
        #expect(pipeline.settings.retry.initial == .seconds(1) && pipeline.settings.retry.max == .seconds(5))
        let sink = try folder.effective("sub/over.yaml").leaves.filter { $0.path.hasPrefix("sink") }
        #expect(sink.map(\.path) == ["sink.argus.address", "sink.argus.bucket"])
        #expect(sink[0].value == "http://c")
    }

    @Test func severalLevelsEachOverTheNext() throws {
        let folder = try FileFolder([
            "a.yaml": Self.base, "b.yaml": "extends: a.yaml\nlanes: 3\npipeline: b",
            "c.yaml": "extends: b.yaml\npipeline: c",
        ])
        let (file, report) = folder.load("c.yaml")
        #expect(report == "")
        #expect(file?.pipeline.name == "c" && file?.pipeline.settings.lanes == 3)
    }

    @Test func anotherKindReplacesTheWhole() throws {
        let folder = try FileFolder(["base.yaml": Self.base, "over.yaml": "extends: base.yaml\nsource: stdin"])
        let (file, report) = folder.load("over.yaml")
        #expect(report == "")
        #expect(file?.pipeline.source.kind.title == "source stdin")
    }

    @Test(arguments: [
        ("", ["first", "argus-item", "last"]),
        ("stages: [{name: new, filter: {sample: 1}}]", ["first", "argus-item", "last", "new"]),
        ("stages: [{name: new, before: argus-item, filter: {sample: 1}}]", ["first", "new", "argus-item", "last"]),
        ("stages: [{name: new, after: first, filter: {sample: 1}}]", ["first", "new", "argus-item", "last"]),
        ("stages: [{name: first, remove: true}]", ["argus-item", "last"]),
        ("stages: [{name: last, before: first}]", ["last", "first", "argus-item"]),
        (
            "stages: [{name: a, filter: {sample: 1}}, {name: b, after: a, filter: {sample: 1}}]",
            ["first", "argus-item", "last", "a", "b"]
        ),
        ("stages: [{name: first, remove: true}, {name: first, filter: {sample: 3}}]", ["argus-item", "last", "first"]),
    ])
    func stagesMergeByName(over: String, names: [String]) throws {
        let (found, report) = try stages(over)
        #expect(report == "")
        #expect(found == names)
    }

    @Test func aStageWithoutANameHasThatOfItsKind() throws {
        let folder = try FileFolder([
            "base.yaml": Self.base,
            "over.yaml": "extends: base.yaml\nstages: [{transform: {argus-item: {ttl: {max: 1h}}}}]",
        ])
        let leaves = try folder.effective("over.yaml").leaves
        #expect(leaves.first { $0.path == "stages.argus-item.transform.argus-item.ttl.max" }?.value == "\"1h\"")
        #expect(leaves.contains { $0.path == "stages.argus-item.transform.argus-item.ttl.min" })
        #expect(leaves.contains { $0.path == "stages.argus-item.transform.argus-item.owner" })
    }

    @Test func nothingRemoves() throws {
        let folder = try FileFolder([
            "base.yaml": Self.base
                + "\noperations: {metrics: \":1\", health: \":2\"}\nspool: {path: x}\ndeadLetters: {sqlite: {path: y}}",
            "over.yaml": "extends: base.yaml\nspool:\noperations: {health: null}",
        ])
        let (file, report) = folder.load("over.yaml")
        #expect(report == "")
        #expect(file?.spool == nil)
        #expect(file?.operations == .init(metrics: ":1", health: nil))
    }

    @Test(arguments: [
        (
            "stages: [{name: frist, remove: true}]",
            "over.yaml:2:24: error: there is no stage 'frist' to be removed; did you mean 'first'?"
        ),
        (
            "stages: [{name: n, before: lst, filter: {sample: 1}}]",
            "there is no stage 'lst' to put this one beside; did you mean 'last'?"
        ),
        (
            "stages: [{name: n, before: last, after: first, filter: {sample: 1}}]",
            "'before' or 'after' another, not both"
        ),
        ("stages: [{name: first, remvoe: true}]", "a stage has no option 'remvoe'"),
        ("lanes: x", "over.yaml:2:8: error: expected an integer"),
        (
            "sink: {argus: {adress: http://a}}",
            "over.yaml:2:16: error: sink argus has no option 'adress'; did you mean 'address'?"
        ),
        ("extends: [x]", "the key 'extends'"),
    ])
    func aMistakeStandsInTheFileThatHoldsTheLine(over: String, message: String) throws {
        let report = try stages(over).report
        #expect(report.contains(message), "\(report)")
    }

    @Test func aMistakeOfTheBaseIsShownInTheBase() throws {
        let folder = try FileFolder([
            "base.yaml": Self.base.replacingOccurrences(of: "bucket: webhooks", with: "buckets: webhooks"),
            "over.yaml": "extends: base.yaml\nlanes: 1",
        ])
        #expect(
            folder.load("over.yaml").report == """
                base.yaml:14:42: error: sink argus has no option 'buckets'; did you mean 'bucket'?
                  14 |   argus: {address: [http://a, http://b], buckets: webhooks}
                     |                                          ^~~~~~~
                """)
    }

    @Test func circlesAndMissingFilesAreRefusedWhereTheyAreNamed() throws {
        let folder = try FileFolder([
            "a.yaml": "extends: b.yaml", "b.yaml": "extends: ./a.yaml", "c.yaml": "lanes: 1\nextends: nope.yaml",
            "d.yaml": "extends: d.yaml",
        ])
        #expect(folder.load("a.yaml").report.contains("b.yaml:1:10: error: the files extend each other in a cycle"))
        #expect(folder.load("d.yaml").report.contains("d.yaml:1:10: error: the files extend each other in a cycle"))
        #expect(folder.load("c.yaml").report.contains("c.yaml:2:10: error: the file 'nope.yaml' cannot be read"))
    }

    @Test func whatStandsForNothingIsAMistakeOnlyWhereNothingTookItsPlace() throws {
        let folder = try FileFolder([
            "base.yaml": "pipeline: ${NOPE:?say it}\nlanes: ${LANES}\nsource: stdin\nsink: drop",
            "over.yaml": "extends: base.yaml\npipeline: over",
        ])
        #expect(folder.load("over.yaml", environment: ["LANES": "3"]).report == "")
        let report = folder.load("over.yaml").report
        #expect(report.contains("base.yaml:2:8: error: the environment variable LANES is not set"))
        #expect(!report.contains("NOPE") && !report.contains("an integer"))
    }

    @Test func theCommandLineIsLaidOverAll() throws {
        let folder = try FileFolder(["base.yaml": Self.base])
        let (file, report) = folder.load(
            "base.yaml",
            settings: [
                "lanes=5", "sink.argus.address=[http://x, http://y]", "stages.first.filter.sample.percent=20",
                "operations.health=:9",
            ])
        #expect(report == "")
        #expect(file?.pipeline.settings.lanes == 5)
        #expect(file?.operations.health == ":9")
    }

    @Test(arguments: [
        ("lanes", "--set:1:1: error: 'lanes' is no setting; write it like"),
        ("stages.frist.filter.sample=1", "there is no stage 'frist' to set something of; did you mean 'first'?"),
        ("stages.first=1", "'stages' must be followed by the name of a stage"),
        ("a..b=1", "an empty name between its dots"),
        ("lnaes=1", "a pipeline has no option 'lnaes'; did you mean 'lanes'?\n  1 | lnaes=1"),
        ("lanes=many", "expected an integer"),
    ])
    func aMistakeOnTheCommandLineIsShownThere(setting: String, message: String) throws {
        let folder = try FileFolder(["base.yaml": Self.base])
        let report = folder.load("base.yaml", settings: [setting]).report
        #expect(report.contains(message), "\(report)")
    }

    // MARK: - Rendering and differences

    private static let secret = """
        source: stdin
        stages: [{transform: argus-item}]
        sink:
          argus:
            address: "http://a"
            auth: {basic: "user:hunter2", token: {url: "http://t", clientID: me, clientSecret: hunter3}}
        """

    @Test func aRenderingReadsAsTheSamePipeline() throws {
        let folder = try FileFolder([
            "base.yaml": Self.base,
            "over.yaml":
                "extends: base.yaml\nstages: [{name: odd, filter: {match: {any: [{field: \"a\", equals: [\"x: y\", \"$$5\", \"true\", \"#\"]}, {b: {atLeast: 1.5}}]}}}]",
        ])
        let rendered = try folder.effective("over.yaml")
        let again = try FileFolder(["again.yaml": rendered.yaml])
        let (file, report) = again.load("again.yaml")
        #expect(report == "" && file != nil)
        let pairs: ([EffectivePipeline.Leaf]) -> [String] = { $0.map { "\($0.path)=\($0.identity)" } }
        #expect(pairs(try again.effective("again.yaml").leaves) == pairs(rendered.leaves))
        #expect(rendered.yaml.contains("base.yaml:2"))
        #expect(rendered.yaml.contains("over.yaml:2"))
    }

    @Test func noRenderingOrDifferenceShowsASecret() throws {
        let folder = try FileFolder([
            "a.yaml": Self.secret, "b.yaml": Self.secret.replacingOccurrences(of: "hunter", with: "tiger"),
        ])
        let (left, right) = (try folder.effective("a.yaml"), try folder.effective("b.yaml"))
        #expect(!left.yaml.contains("hunter") && left.yaml.contains("clientID: me"))
        let differences = EffectivePipeline.differences(left, right)
        #expect(!differences.contains("hunter") && !differences.contains("tiger"))
        #expect(differences.contains("sink.argus.auth.basic") && differences.contains("clientSecret"))
        #expect(EffectivePipeline.differences(left, left) == "")
    }

    @Test func differencesNameBothOrigins() throws {
        let folder = try FileFolder([
            "base.yaml": Self.base,
            "a.yaml": "extends: base.yaml\nlanes: 3\nstages: [{name: last, before: first}]",
            "b.yaml": "extends: base.yaml\nstages: [{name: first, remove: true}]",
        ])
        let text = EffectivePipeline.differences(try folder.effective("a.yaml"), try folder.effective("b.yaml"))
            .replacingOccurrences(of: folder.path + "/", with: "")
        #expect(
            text == """
                --- a.yaml
                +++ b.yaml
                lanes
                  - 3  # a.yaml:2
                  + 2  # base.yaml:2
                stages.first.name
                  - first  # base.yaml:7
                stages.first.filter.sample
                  - 10  # base.yaml:8
                the order of stages
                  - last ▸ argus-item
                  + argus-item ▸ last
                """)
    }

    @Test func theSchemaIsJSONAndKnowsEveryKind() throws {
        let schema = try #require(
            try JSONSerialization.jsonObject(with: Data(PipelineSchema.text(.standard).utf8)) as? [String: Any])
        let definitions = try #require(schema["definitions"] as? [String: Any])
        for role in StageRegistry.Role.allCases {
            for variant in ["whole", "layer"] {
                let definition = try #require(definitions["\(role.rawValue)-\(variant)"] as? [String: Any])
                let map = try #require((definition["anyOf"] as? [[String: Any]])?.first)
                let known = Set(try #require(map["properties"] as? [String: Any]).keys).subtracting(["name"])
                #expect(known == Set(StageRegistry.standard.kinds(role).map(\.declaration.name)))
            }
        }
    }
}
