import Foundation
import PipelineKit
import Testing
import Webhooks
import Wire

@testable import Stages

@Suite struct OwnerRuleTests {
    private func item(_ options: String, url: String = "https://hooks.a.example/x", attributes: [String: String] = [:])
        throws
        -> (owner: String, partners: [String])
    {
        let transform = try StageMaker.make(ArgusItemTransform.self, options)
        let record = "{\"config\":{\"url\":\"\(url)\"},\"events\":[\"x\"]}"
        let made = try transform.transform(
            Message(id: "1", payload: Bytes(Array(record.utf8)), attributes: attributes, receivedAt: .now()))
        let item = try #require(made.first?.payload as? ArgusItem)
        let data = try #require(try JSONTree(parsing: item.data)["PartnerIDs"])
        guard case .array(let partners) = data else { return (item.owner, ["no list"]) }
        return (item.owner, partners.compactMap(\.text))
    }

    @Test(arguments: [
        ("https://hooks.a.example/x", "rule-a-owner"), ("https://x.b.example/", "table-b-owner"),
        ("https://b.example/", "exactly-b-owner"), ("https://deep.x.b.example/", "deeper-b-owner"),
        ("https://c.example/", "default-owner"),
    ])
    func rulesAreTriedInOrder(url: String, owner: String) throws {
        let options = """
            {owner: [
              {when: {field: config.url, host: "*.a.example"}, owner: rule-a-owner},
              {lookup: {field: config.url, by: host, table: {"*.b.example": table-b-owner, "*.x.b.example": deeper-b-owner,
                b.example: exactly-b-owner}}},
              {owner: "team-{attributes.team}"},
              {default: default-owner}]}
            """
        #expect(try item(options, url: url).owner == owner)
    }

    @Test func aTemplateIsPassedOverWhereItsFieldIsMissing() throws {
        let options = "{owner: [{owner: \"team-{attributes.team}\"}, {default: default-owner}]}"
        #expect(try item(options, attributes: ["team": "yellow"]).owner == "team-yellow")
        #expect(try item(options).owner == "default-owner")
        #expect(try item("{owner: \"of-{config.url|host}\"}").owner == "of-hooks.a.example")
    }

    @Test func withoutARuleThatHoldsTheMessageIsRefused() throws {
        let options = "{owner: [{when: {config.url: {host: nowhere}}, owner: some-owner-x}]}"
        let error = #expect(throws: StageError.self) { try item(options) }
        #expect(error?.description.contains("no rule of 'owner'") == true)
    }

    @Test func partnersHaveRulesToo() throws {
        let options = "{partnerIDs: [{lookup: {field: attributes.p, table: {x: [one, two]}}}, {default: []}]}"
        #expect(try item(options, attributes: ["p": "x"]).partners == ["one", "two"])
        #expect(try item(options).partners == [])
        #expect(try item("{partnerIDs: comcast}").partners == ["comcast"])
        #expect(try item("{partnerIDs: [a, \"{config.url|host}\"]}").partners == ["a", "hooks.a.example"])
    }

    @Test func aTableStandsInAFile() throws {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("hecate-\(UUID().uuidString).csv").path
        defer { try? FileManager.default.removeItem(atPath: file) }
        func write(_ text: String) throws { try text.write(toFile: file, atomically: true, encoding: .utf8) }
        let options =
            "{owner: [{lookup: {field: config.url, by: host, file: \(file)}}], partnerIDs: [{lookup: {field: config.url, by: host, file: \(file)}}]}"
        try write("# HOST,OWNER\nHooks.A.example, an, owner inc\n")
        #expect(try item(options).owner == "an, owner inc")
        #expect(try item(options).partners == ["an", "owner inc"])
        for bad in ["only-a-key", "a,", ",b", "a,some-owner\na,other-owner"] {
            try write(bad)
            #expect(throws: OptionError.self) { try item(options) }
        }
    }

    @Test(arguments: ["short", "exactly9!", String(repeating: "x", count: 61)])
    func whatArgusWouldNotTakeIsRefusedBeforeItIsSent(owner: String) throws {
        // A constant is a mistake of the file; what comes from a message is refused with it.
        let error = #expect(throws: OptionError.self) { try item("{owner: \"\(owner)\"}") }
        #expect(error?.description.contains("is no owner that Argus accepts") == true)
        #expect(throws: StageError.self) { try item("{owner: \"{attributes.o}\"}", attributes: ["o": owner]) }
        #expect(try item("{owner: \"\(owner)\", ownerPattern: \"^.+$\"}").owner == owner)
    }

    @Test func aHeaderCannotBeSmuggledInThroughAnOwner() throws {
        #expect(throws: StageError.self) {
            try item("{owner: \"{attributes.o}\"}", attributes: ["o": "some-owner\r\nX-Evil: 1"])
        }
    }

    @Test(arguments: [
        "{owner: []}", "{owner: [{when: {a: {exists: true}}}]}",
        "{owner: [{default: a-default-owner, owner: another-owner}]}",
        "{owner: [{when: {a: {exists: true}}, default: a-default-owner}]}", "{owner: [one-owner-text, two-owner-text]}",
        "{owner: [{lookup: {field: a}}]}", "{owner: [{owner: [a-first-owner, a-second-owner]}]}", "{owner: {ownr: x}}",
        "{owner: [{lookup: {field: a, table: {k: [a, b]}}}]}", "{owner: \"{\"}",
    ])
    func whatIsNoRuleIsRefused(options: String) {
        #expect(throws: OptionError.self) { try StageMaker.make(ArgusItemTransform.self, options) }
    }
}
