import Foundation
import PipelineFile
import PipelineKit
import Stages
import TestSupport
import Testing

@testable import HecateCommand

@Suite struct GraphTests {
    private func graph() throws -> PipelineGraph {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("graph-\(UUID().uuidString).yaml").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        try """
        pipeline: p
        source: stdin
        stages:
          - name: half <"&">
            filter: {sample: 50}
            otherwise: {fan-out: [{file: {path: x}}, log]}
          - transform: split
        sink: {mirror: {sink: stdout, copy: drop}}
        """.write(toFile: path, atomically: true, encoding: .utf8)
        let (files, report) = PipelineFile.load([path], registry: .standard)
        #expect(report.description == "")
        return PipelineGraph(try #require(files.first).pipeline)
    }

    @Test func asText() throws {
        #expect(
            try graph().text == """
                pipeline p
                   source stdin
                 ▸ half <"&"> (filter sample)
                      └ otherwise: sink fan-out
                         └ sink file
                         └ sink log
                 ▸ transform split
                 ▸ sink mirror
                      └ sink stdout
                      └ sink drop
                """)
    }

    @Test func asMermaidAndDot() throws {
        let graph = try graph()
        #expect(graph.mermaid.hasPrefix("flowchart TD\n"))
        #expect(graph.mermaid.contains("{{\"half #lt;#quot;&#quot;#gt; (filter sample)\"}}"))
        #expect(graph.mermaid.contains("-->|otherwise|"))
        #expect(graph.dot.contains(#"label="half <\"&\"> (filter sample)""#))
        #expect(graph.dot.filter { $0 == "{" }.count == graph.dot.filter { $0 == "}" }.count)
    }

    @Test func asADrawingThatIsXMLAndOverlapsNowhere() throws {
        let svg = try graph().svg
        let parser = XMLChecker()
        #expect(parser.check(svg), "\(svg)")
        let boxes = svg.matches(of: #/<rect x="([0-9]+)" y="([0-9]+)" width="280"/#).map {
            "\($0.output.1),\($0.output.2)"
        }
        #expect(boxes.count == 9 && Set(boxes).count == 9)
    }
}
