import Foundation
import KeepSink
import PipelineKit
import StageTestKit
import Testing

@Suite struct KeepSinkTests {
    @Test func conforms() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("keep-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        let suite = SinkConformance(
            KeepSink.self, options: "{folder: \(folder.path)/inside}",
            outage: .init(
                begin: {
                    // A file where the folder has to be.
                    try? FileManager.default.removeItem(at: folder)
                    try Data().write(to: folder)
                },
                end: { try FileManager.default.removeItem(at: folder) }))
        #expect(await suite.check() == [])
    }
}
